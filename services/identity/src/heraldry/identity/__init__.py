"""Identities: who speaks, under which name, in which hours.

Owns the aggregate *identity* (contact details, picture, working hours, deletion). It decides nothing about
accounts and inboxes: those are linkedin-driver's and mailbox's. What it publishes is what every other
context knows of an identity.
"""
