"""Random command lines on random files: every command, in one process, without an internal error.

The commands and their flags come from click itself, so a new one is tried from its first day.
`test_commands.py` tries some hundred inputs of each command; `make fuzz INPUTS=1000000` goes on for
as long as one likes, and prints how each finding is repeated.
"""
