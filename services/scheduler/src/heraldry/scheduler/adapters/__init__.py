"""The outside world as it is."""
