"""Provides what the learning commands share: the options for images, model and cache, and the types of arguments."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mp09.cli.common import DATA, DEFAULT, Commands, add_device, add_model, add_precision, add_weights, positive
from mp09.nets.ours import OURS
from mp09.recipes.model_options import ModelOptions
from mp09.training.options import FitOptions

if TYPE_CHECKING:
    from mp09.recipes.datasets import Data

CACHE = Path("features")
RUN = Path("runs/train")
TINY_MODEL = "alexnet"  # that of the homework, which `train` takes for Tiny ImageNet


def add_learning(commands: Commands, name: str, about: str) -> argparse.ArgumentParser:
    """Add a command that takes images, a model and a device, and return its parser."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument(
        "--data",
        default=str(DATA),
        metavar="DIR",
        help="the images: cifar10_batches, tiny-imagenet:DIR, or a folder with train/<class>/, and val/<class>/ or "
        "test/<class>/ or both " + DEFAULT,
    )
    parser.add_argument("--per-class", type=positive, metavar="N", help="take only N training images of each class")
    parser.add_argument(
        "--unreadable",
        choices=("error", "skip"),
        default="error",
        help="whether images that can't be read are an error, or are left out " + DEFAULT,
    )
    of_images = f"(default: {OURS}, for train on tiny-imagenet:DIR {TINY_MODEL})"
    add_model(parser, ModelOptions.name, f"{OURS} or any of torchvision's {of_images}")
    about = "the weights: a name of torchvision's, a file, or none for random numbers " + DEFAULT
    add_weights(parser, ModelOptions.weights, about)
    add_device(parser)
    add_precision(parser, int8=True)
    add_seed(parser, "the seed of everything that is random")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="the folder where features are kept " + DEFAULT
    )
    return parser


def add_seed(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --seed, a whole number from 0 to 2**32 - 1."""
    parser.add_argument("--seed", type=_seed, default=FitOptions.seed, help=f"{about} {DEFAULT}")


def add_hidden(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --hidden, the sizes of a head's hidden layers."""
    parser.add_argument("--hidden", type=sizes, default=ModelOptions.hidden, metavar="N,N", help=about)


def open_images(args: argparse.Namespace) -> "Data":
    """Open the images that the options of `add_learning` name. Raises DataError where this can't be done."""
    from mp09.recipes.datasets import open_data

    return open_data(
        args.data,
        seed=args.seed,
        per_class=args.per_class,
        skip_unreadable=args.unreadable == "skip",
        say=print,
    )


def sizes(text: str) -> tuple[int, ...]:
    """Turn "500,100" into (500, 100); to be given to argparse as a `type`."""
    found = tuple(int(part) for part in text.split(",") if part.strip())
    if any(size < 1 for size in found):
        raise ValueError(text)
    return found


def _seed(text: str) -> int:
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"expected 0..4294967295, got {text}")
    return int(text)
