"""A month of campaigns in some minutes: the real scheduler, on a clock that is moved, against people and mail servers
that are played. What left is checked against the rules users rely on.

`just simulate` runs it at full size; it is also the scheduler's load test.
"""
