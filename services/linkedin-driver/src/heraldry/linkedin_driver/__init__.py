"""LinkedIn accounts, driven in a real browser as a person would.

Owns the aggregates *LinkedIn account* and *LinkedIn action*. It acts only on what the scheduler dispatched.
"""
