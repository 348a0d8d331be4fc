"""Run code that can't be trusted, in worker processes that the system confines and the grader talks to.

`sandbox.Sandbox` starts workers at a level of isolation. `host.Worker` sends requests to one of them and watches its
limits. Every other module of this package belongs to one of the two sides:

    the grader's side     sandbox, host, processes, usage, held, leftovers, cgroup, machine, probe
    the worker's side     forkserver, worker, attempts, isolation
    both sides            protocol, conversation, packets

`forkserver` never runs a submission, although all workers are forked from it. It uses held, leftovers and cgroup, too,
because it removes what workers leave behind.
"""
