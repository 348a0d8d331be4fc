"""Prepares the next items while the present one is in use."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
GRACE_S = 5.0  # how long closing waits for an item that is just being fetched


@dataclass(frozen=True)
class _End:
    """Comes after the last item, with the error that ended the items, if one did."""

    error: BaseException | None


def ahead(items: Iterable[Item], depth: int = 2) -> Generator[Item]:
    """Yield the same items, which a thread fetches ahead.

    An error of the items is raised where the next item would have come. When this generator is closed, the thread ends
    and closes the items if they are a generator, too; closing waits up to 5 s for that.

    Args:
        items: What to yield.
        depth: How many fetched items wait at most.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Item | _End) -> bool:
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
                if not put(item):
                    break
            put(_End(None))
        except BaseException as error:
            put(_End(error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                return
    finally:
        stopped.set()
        thread.join(GRACE_S)
