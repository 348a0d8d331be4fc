"""Prepares the next items while the present one is in use."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
END = object()
GRACE_S = 5.0  # how long closing waits for an item that is just being fetched


def ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """Yield the same items, which a thread fetches ahead.

    An error of the items is raised where the next item would have come. When this generator is closed, the thread ends
    and closes the items if they are a generator, too; closing waits up to 5 s for that.

    Args:
        items: What to yield.
        depth: How many fetched items wait at most.
    """
    waiting: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def put(item) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fetch() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    break
            put((END, None))
        except BaseException as error:
            put((END, error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stopped.set()
        thread.join(GRACE_S)
