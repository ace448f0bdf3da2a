"""Is a dataset whole, and is it ImageNet's?

Reads what is to be known, step by step, remembers each step (`memory`), and concludes. Nothing is
ever written to the dataset.
"""
