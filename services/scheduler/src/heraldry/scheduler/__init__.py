"""When a step may happen: campaigns with their leads, limits, permits and dispatch.

Owns campaigns, imports and enrollments (a lead in a campaign), and the *sender* (one per sending account): the
stream in which every limit, change of hours, pause and permit stands in one order, so that no concurrency can
exceed a limit. It sends nothing itself: its engine dispatches what is due and possible.
"""
