"""Tamper evidence: checkpoints of every log, signed by a process of its own, and what is proved with them."""
