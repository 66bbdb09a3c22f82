"""Stand-ins for the outside world, for trying Heraldry and for its tests.

Imports no service: it knows mail clients and browsers, not Heraldry. What truly happened
stands in its own log.
"""
