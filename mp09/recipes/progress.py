"""Lets recipes tell how far they are: with `progress(what, done, total)` for bars, and `say(text)` for lines."""

from collections.abc import Callable

from mp09.data.archives import Progress
from mp09.training.epoch import WatchTraining
from mp09.training.history import History

Say = Callable[[str], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Show no progress; it is the default of recipes."""


def silent(text: str) -> None:
    """Print nothing; it is the default of recipes."""


def of_epochs(progress: Progress, say: Say, epochs: int) -> WatchTraining:
    """Return a `watch` for `fit` that shows a bar over all epochs, and says a line at the end of each."""

    def watch(history: History, batch: int, batches: int) -> None:
        progress("training", len(history) * batches + batch, epochs * batches)
        if batch == 0:
            say(history.line())

    return watch


def of_features(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Return a `watch` for `extract` that shows a bar; `what` names the images."""
    return lambda done, total: progress(f"features, {what}", done, total)
