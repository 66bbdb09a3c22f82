"""What every service stands on: the log, the bus, the vault, the clock, health and logs.

Knows no business word: an identity, an inbox or a limit appears in no name here.
"""
