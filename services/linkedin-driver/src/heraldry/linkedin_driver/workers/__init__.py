"""Where the LinkedIn driver acts on LinkedIn: claim, call out, record. Never two of these in one step.

A claim has a fresh command id per try, and only who is answered *fresh* acts. Whatever a crash leaves behind is
found again in the projections.
"""
