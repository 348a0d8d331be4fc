"""What the commands share: folders, help texts, argument types, a progress bar, tables."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mp09.precision import AUTO, PRECISIONS

KIT = Path(__file__).resolve().parents[2]
DATA = Path("cifar10_batches")
DEFAULT = "default: %(default)s"
WIDTH = 100  # columns of a table that goes into a file or another program


def positive(text: str) -> int:
    """An argument's type: a whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text}")
    return int(text)


def add_precision(parser: argparse.ArgumentParser, *more: str) -> None:
    """The option --precision: `main` forces float32 or bfloat16 on all that a command computes. more: further names."""
    about = "what networks compute in; auto: what MP09_PRECISION says, else bfloat16 where the processor or GPU has it"
    parser.add_argument("--precision", choices=(*PRECISIONS, *more), default=AUTO, help=f"{about}; {DEFAULT}")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: text in the first column, numbers in the others."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=bool(place), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress callback (what, done, total) that draws one bar a step on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # What is printed meanwhile goes above the bars on a terminal, and to where stdout goes elsewhere.
    bars = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
    tasks: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bars.start()
            tasks[what] = bars.add_task(what)
        bars.update(tasks[what], completed=done, total=total or None)

    try:
        yield progress
    finally:
        if tasks:
            bars.stop()
