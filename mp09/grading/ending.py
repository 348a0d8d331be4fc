"""End a program in good order when the system or a person asks for it, so that nothing it started is left behind."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATED, INTERRUPTED = 143, 130  # exit codes as shells give them: 128 plus the signal's number


class Terminated(KeyboardInterrupt):
    """SIGTERM has arrived.

    It is a KeyboardInterrupt because unittest lets that pass, and would record anything else as a test's failure.
    """


@contextmanager
def orderly_end() -> Iterator[None]:
    """Within the block, let SIGTERM raise Terminated and Ctrl-C raise KeyboardInterrupt in the main thread.

    Only the first signal raises. Those that follow are ignored, because they must not disturb the cleaning up, which
    takes seconds at most. A signal that is ignored before, as shells arrange it for jobs in the background, stays
    ignored. In any other thread the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def first(number: int, _: object) -> None:
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
    """Drop what standard output does not take, because Python would try once more at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
