"""How recipes tell what they are at: `progress(what, done, total)` for bars, `say(text)` for lines."""

from collections.abc import Callable

from mp09.training.fit import Watch
from mp09.training.history import History, line

Progress = Callable[[str, int, int], None]  # (what, done, total); total 0 when it is not known
Say = Callable[[str], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Tells no one."""


def silent(text: str) -> None:
    """Says nothing."""


def of_epochs(progress: Progress, say: Say, epochs: int) -> Watch:
    """For `fit`: a bar over all epochs, and a line at the end of each."""

    def watch(history: History, batch: int, batches: int) -> None:
        progress("training", len(history) * batches + batch, epochs * batches)
        if batch == 0:
            say(line(history[-1]))

    return watch


def of_features(progress: Progress, what: str) -> Callable[[int, int], None]:
    """For `extract`."""
    return lambda done, total: progress(f"features, {what}", done, total)
