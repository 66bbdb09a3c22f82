"""The stand-in of LinkedIn over HTTP, at the addresses of the real site."""
