"""A stand-in of LinkedIn's site: its addresses, roles, names and traps in plain HTML of our own.

It knows nothing of who drives it. What truly happened there is in its log of effects.
"""
