"""Read models of the scheduler, each named by the question it answers. No decision rests on them."""
