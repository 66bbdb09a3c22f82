"""The outside world as it is: mail servers and the network on the way to them."""
