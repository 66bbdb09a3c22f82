"""The HTTP API under /api/v1. A route translates; it decides nothing."""
