"""The event store: one port, adapters behind it, one conformance suite (`heraldry.chassis.testing`)."""
