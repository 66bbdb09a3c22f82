"""How services talk: NATS subjects, streams, rights, relay and consumers."""
