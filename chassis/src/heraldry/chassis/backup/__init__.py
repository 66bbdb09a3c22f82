"""Backup and restore: stores first, then JetStream, then keys, which are never in the same archive."""
