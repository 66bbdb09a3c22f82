"""When a step may happen: limits, permits and dispatch.

Owns the *sender* (one per sending account), the stream in which every limit, change of hours and permit
stands in one order, so that no concurrency can exceed a limit. It sends nothing itself: it dispatches.
"""
