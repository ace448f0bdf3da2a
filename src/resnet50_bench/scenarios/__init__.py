"""How do queries arrive? From MLPerf's LoadGen, in its four scenarios.

LoadGen lives in a process of its own, the issuer, started by module name. It puts samples into the
queue of `instance.serving`, from which the instances of a run take them; what it says of the run is
read from the logs it writes.

May import `instance`, `placement`, `data`, `host`.

Public names:
    `request.LoadgenRequest`: what LoadGen is asked to do.
    `process.start_issuer`: the process in which it lives, watched and ended.
    `logs.read_log`: what its official logs say.
    `bounds.plan_probe`: the largest load that holds a latency, by a bisection that minds noise.
"""
