"""The published language of Heraldry: events, commands, queries and refusals.

What other services and other companies' systems may rely on. Nothing here knows how anything is stored or
sent; the only dependency is pydantic.
"""
