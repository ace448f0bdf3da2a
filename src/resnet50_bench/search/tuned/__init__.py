"""What did a race find on this machine, and does it still hold?

`answers` are kept, selected, and refused when they are stale; `settings` makes parameters of one.
"""
