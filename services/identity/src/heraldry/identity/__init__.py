"""Identities: who speaks, under which name, in which hours.

Owns the aggregates *identity* (contact details, picture, working hours, deletion) and *share link* (by which
somebody without an account adds one or refreshes its connections). It decides nothing about
accounts and inboxes: those are linkedin-driver's and mailbox's. What it publishes is what every other
context knows of an identity.
"""
