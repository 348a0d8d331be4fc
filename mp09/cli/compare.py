"""The command of the compare room: compare."""

import argparse
import sys
from pathlib import Path

from mp09.cli.common import DEFAULT, positive, progress_bar, show_table
from mp09.precision import FLOAT32, PRECISIONS, forced


def add(commands) -> None:
    about = "measure networks side by side: accuracy with its uncertainty, time, memory, size"
    parser = commands.add_parser("compare", help=about, description=about)
    parser.add_argument(
        "pictures",
        nargs="?",
        metavar="PICTURES",
        help="a folder with labels.tsv or with a folder a class, tiny-imagenet:DIR (validation) or cifar10_batches "
        "(test); default: none, and no accuracy is measured",
    )
    parser.add_argument(
        "--networks",
        "--nets",
        default="resnet50,alexnet,densenet161",
        metavar="NAME,NAME",
        help="each may have its own weights: alexnet:none, resnet18-32:mine.pt; " + DEFAULT,
    )
    parser.add_argument("--weights", default="default", metavar="WHICH", help="of those that name none; " + DEFAULT)
    parser.add_argument(
        "--classes",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a text file with the name of each output, for weights that don't know them; may be given again",
    )
    parser.add_argument("--samples", type=positive, metavar="N", help="so many pictures, from all over the folder")
    parser.add_argument("--batch", type=positive, default=32, help="of throughput and accuracy; " + DEFAULT)
    parser.add_argument("--rounds", type=positive, default=5, help="in which the networks take turns; " + DEFAULT)
    parser.add_argument("--runs", type=positive, default=20, help="passes at batch 1 in a turn; " + DEFAULT)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps; " + DEFAULT)
    parser.add_argument(
        "--precision", choices=PRECISIONS, help=f"default: what MP09_PRECISION says, else {FLOAT32}, as published"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), metavar="DIR", help=DEFAULT)
    parser.add_argument("--panels", action="store_true", help="of every picture its likeliest classes, as PNG")
    parser.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from mp09.compare.tables import tables
    from mp09.recipes.compare import compare, parse

    options = "pictures samples classes batch rounds runs device out panels"
    with progress_bar() as progress:
        done = compare(
            parse(args.networks, args.weights),
            precision=args.precision or forced(FLOAT32),
            **{name: getattr(args, name) for name in options.split()},
            progress=progress,
        )
    for table in tables(done) if done.rows else ():
        print(table.title)
        show_table(table.columns, table.rows)
        print(*table.notes, sep="\n", end="\n\n" if table.notes else "\n")
    for network, words in done.notes.items():
        print(f"error: {network}: {words}", file=sys.stderr)
    if done.rows:
        print(f"written: {args.out}")
    return 1 if done.notes else 0
