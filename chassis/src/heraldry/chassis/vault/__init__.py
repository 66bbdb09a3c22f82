"""Keys, secrets and blobs: everything that is stored encrypted, and what it is encrypted with."""
