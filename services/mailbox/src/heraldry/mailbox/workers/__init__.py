"""Where the mailbox context acts on mail servers: claim, call out, record. Never two of these in one step.

A claim has a fresh command id per try, and only who is answered *fresh* acts. Whatever a crash leaves behind
is found again in the projections: settings to check, mails in nobody's hand, mails that began to leave,
copies.
"""
