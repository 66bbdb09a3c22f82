"""`heraldry up`: one process that starts NATS, every service and the sandbox, and keeps them running.

It is synchronous and has one thread, so that it may fork: the heavy imports happen once, in it, and every
service is a fork of it. A restart therefore takes milliseconds, and the imports' memory is shared.
"""
