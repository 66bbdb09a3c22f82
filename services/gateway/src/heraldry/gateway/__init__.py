"""The way in: HTTP API, web UI, users and organizations.

Owns the aggregates *organization*, *user* and *API key*. Everything else it asks of the other contexts by
commands and queries, and shows from views it builds of their published events.
"""
