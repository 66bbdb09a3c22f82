"""One module a page: everything that is known about how it is built stands there and nowhere else."""
