"""Does a prepared graph still do what its source does? Two questions, asked apart.

`layers`: does each operation compute what it should, rounding aside? It is asked of every layer on
the very values the prepared graph gives it, so that a broken one cannot hide behind layers that
forgive it, nor be blamed for what the layers before it lost. Runs in the toolchain's child process.

`answers`: do the classes and probabilities of the whole graph still serve? It is asked of images
that took no part in the preparation, with an interval, as an accuracy would be. Plain numpy.

`gate` decides over the figures of both, which are in the manifest; it imports no numpy.
"""
