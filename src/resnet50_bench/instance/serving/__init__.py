"""Answering the queries of a load generator: the queue in shared memory, and the loop that serves.

Public names:
    `queue.QueryQueue`: samples in, answers out, in any order.
    `serve.serve`: what one stream of an instance does until the queue has ended.
"""
