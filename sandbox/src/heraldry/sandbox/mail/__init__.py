"""The mail host: accounts, a post office that delivers between them, IMAP and SMTP in front of it."""
