"""What operators do with a running installation, as sub-commands of `heraldry`."""
