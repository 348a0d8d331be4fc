"""The command of the compare package: compare."""

import argparse
import sys
from pathlib import Path

from mp09.cli.common import DEFAULT, Commands, add_device, add_model, add_weights, positive, progress_bar, show_table
from mp09.precision import FLOAT32, PRECISIONS, forced
from mp09.recipes.model_options import ModelOptions


def add(commands: Commands) -> None:
    about = "measure models side by side: accuracy with its uncertainty, time, memory and size"
    parser = commands.add_parser("compare", help=about, description=about)
    parser.add_argument(
        "images",
        nargs="?",
        metavar="IMAGES",
        help="labelled images: a folder with labels.tsv or with one folder a class, tiny-imagenet:DIR (its validation "
        "split), or cifar10_batches (its test split); without it no accuracy is measured",
    )
    about = "the models, each of which may have weights of its own: alexnet:none, resnet18-32:mine.pt "
    add_model(parser, "resnet50,alexnet,densenet161", about + DEFAULT, several=True)
    add_weights(parser, ModelOptions.weights, "the weights of models that name none " + DEFAULT)
    parser.add_argument(
        "--classes",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a text file with the name of each output, for models that don't know these; may be given several times",
    )
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="classify only N images, from all over the folder"
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=32,
        metavar="N",
        help="the batch size for images a second and for accuracy " + DEFAULT,
    )
    parser.add_argument(
        "--rounds", type=positive, default=5, help="the number of rounds, in which the models take turns " + DEFAULT
    )
    parser.add_argument(
        "--runs", type=positive, default=20, help="the number of passes at batch 1 in a turn " + DEFAULT
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help=f"the number type that models compute in (default: what MP09_PRECISION holds, else {FLOAT32})",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/compare"), metavar="DIR", help="the folder for results " + DEFAULT
    )
    parser.add_argument("--panels", action="store_true", help="write a PNG of each image with its likeliest classes")
    parser.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from mp09.compare.tables import tables
    from mp09.recipes.comparison import CompareOptions, compare_models

    options = CompareOptions(
        weights=args.weights,
        samples=args.samples,
        classes=args.classes,
        batch=args.batch_size,
        rounds=args.rounds,
        runs=args.runs,
        device=args.device,
        precision=args.precision or forced(FLOAT32),
        panels=args.panels,
    )
    with progress_bar() as progress:
        done = compare_models(args.models, args.images, options, out=args.out, progress=progress)
    for table in tables(done) if done.rows else ():
        print(table.title)
        show_table(table.columns, table.rows)
        print(*table.notes, sep="\n", end="\n\n" if table.notes else "\n")
    for model, words in done.notes.items():
        print(f"error: {model}: {words}", file=sys.stderr)
    if done.rows:
        print(f"written: {args.out}")
    return 1 if done.notes else 0
