"""Provide what the commands share: folders, help texts, argument types, a progress bar and tables."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from mp09.precision import AUTO, INT8, PRECISIONS

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # what `add_subparsers` returns
KIT = Path(__file__).resolve().parents[2]
DATA = Path("cifar10_batches")
DEFAULT = "(default: %(default)s)"
ISOLATION = f"how far submissions are isolated; auto: the highest level this machine offers {DEFAULT}"
WIDTH = 100  # columns of a table that is written to a file or to another program


def positive(text: str) -> int:
    """Return the whole number, 1 or more, in an argument; to be given to argparse as a `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text}")
    return int(text)


def add_model(parser: argparse._ActionsContainer, default: str | None, about: str, *, several: bool = False) -> None:
    """Add the option --model, or --models for several. The older names --network and --net are accepted, too.

    Args:
        parser: A parser, or a group of its options.
    """
    s, name = ("s", "NAME,NAME") if several else ("", "NAME")
    parser.add_argument(f"--model{s}", default=default, metavar=name, help=about)
    older = (f"--network{s}", f"--net{s}")
    parser.add_argument(*older, default=default, dest=f"model{s}", help=argparse.SUPPRESS)


def add_weights(parser: argparse.ArgumentParser, default: str, about: str) -> None:
    """Add the option --weights, which says what weights a published model has."""
    parser.add_argument("--weights", default=default, metavar="WHICH", help=about)


def add_device(parser: argparse.ArgumentParser, names: str = "auto, cpu, cuda or mps") -> None:
    """Add the option --device, where models compute.

    Args:
        parser: the command's parser.
        names: the devices that the command knows.
    """
    parser.add_argument("--device", default=AUTO, metavar="NAME", help=f"{names} {DEFAULT}")


def add_cluster(parser: argparse.ArgumentParser, about: str, *, here: str = "here") -> None:
    """Add the options --executor and --address, which say whether work is done here or on a Ray cluster.

    Args:
        parser: the command's parser.
        about: the help of --executor.
        here: what the help calls this machine.
    """
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help=f"{about} {DEFAULT}")
    parser.add_argument("--address", help=f"the address of a running Ray cluster (default: one is started {here})")


def add_batches(parser: argparse.ArgumentParser, option: str = "--data") -> None:
    """Add the option that names the folder with the batch files."""
    parser.add_argument(
        option, type=Path, default=DATA, metavar="DIR", help=f"the folder with the batch files {DEFAULT}"
    )


def add_precision(parser: argparse.ArgumentParser, *, int8: bool = False) -> None:
    """Add the option --precision, with which `main` forces float32 or bfloat16 on all that a command computes.

    Args:
        parser: the command's parser.
        int8: whether the command computes features, for which there is int8, too.
    """
    about = (
        "the number type that models compute in; auto is what MP09_PRECISION holds, else bfloat16 where the processor "
        "or GPU has arithmetic for it, else float32"
    )
    if int8:
        about += f"; {INT8} is only for features that are computed once, by a frozen backbone on a processor"
    choices = (*PRECISIONS, *([INT8] if int8 else []))
    parser.add_argument("--precision", choices=choices, default=AUTO, help=f"{about} {DEFAULT}")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with text in the first column, left-aligned, and numbers in the others, right-aligned."""
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
    """Give a callback (what, done, total) that shows the progress of each `what` as a bar on standard error.

    A total of 0 stands for one that is not known.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # On a terminal, what is printed meanwhile appears above the bars; otherwise it goes where standard output goes.
    bars = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
    tasks: dict[str, TaskID] = {}

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
