"""Inboxes: connecting them, sending through them, reading what comes back.

Owns the aggregates *inbox* and *email* (one per attempt). It sends only what the scheduler dispatched, after
a last gate of its own, and never a second time what may have left. It is the only context that speaks SMTP
and IMAP.
"""
