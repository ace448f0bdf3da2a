"""How does a float graph become an int8 one: the ranges of its activations, and the rewrite."""
