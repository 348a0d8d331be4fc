"""The autograder runs the rubric in `tests/` on a submission that lives in a process of its own; see `grade.grade`.

The process that knows points and labels (grade, submission, sandbox, protocol, ...) never executes, imports or
unpickles a byte of a submission, and never imports torch. The worker (`sandbox.worker`) does all that in another
process, and answers with plain values. This package imports nothing by itself, so that the worker loads only what it
needs.
"""
