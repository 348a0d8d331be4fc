"""An orderly end when the system or a person asks for one: what was started is ended, and nothing is left behind."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATED, INTERRUPTED = 143, 130  # exit codes, as shells have them: 128 and the signal's number


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Like Ctrl-C, no test may take it for its own failure."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """Within it, SIGTERM raises Terminated and Ctrl-C KeyboardInterrupt in the main thread.

    Only the first does: what comes later must not disturb the cleaning up, which takes seconds at most. A signal that
    is ignored, as a shell has it for what runs in the background, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def first(number: int, _) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    try:
        for number in before:
            signal.signal(number, first)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def drop_output() -> None:
    """Drop what standard output does not take: Python would try once more at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
