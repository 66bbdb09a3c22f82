"""The outside world as it is: Chromium, and LinkedIn's pages in it."""
