"""Defines the command train."""

import argparse
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mp09.cli.common import DEFAULT, Commands, positive, progress_bar
from mp09.cli.learning import RUN, TINY_MODEL, add_hidden, add_learning, open_images
from mp09.recipes.input_options import InputOptions
from mp09.recipes.model_options import ModelOptions
from mp09.training.options import FitOptions

Value = TypeVar("Value")


@dataclass(frozen=True)
class Usual:
    """Holds what `train` takes where the command line says nothing.

    Attributes:
        model: The model.
        fit: How it is trained.
        inputs: How images reach it. More than one view is only for a backbone that is frozen.
    """

    model: ModelOptions
    fit: FitOptions
    inputs: InputOptions


USUAL = Usual(ModelOptions(), FitOptions(), InputOptions())
# These are the homework's, and its mirror images are computed once.
ON_TINY_IMAGENET = Usual(
    ModelOptions(TINY_MODEL),
    FitOptions(epochs=50, optimizer="adam", weight_decay=0.0, schedule="constant"),
    InputOptions(batch_size=100, valid_batch_size=10, views=2),
)


def add(commands: Commands) -> None:
    """Add this command to argparse's subparsers."""
    parser = add_learning(
        commands,
        "train",
        "train a head, and the backbone's last blocks if you like; run the command again to continue",
    )
    parser.add_argument(
        "--out", type=Path, default=RUN, metavar="DIR", help="the folder for checkpoints and plots " + DEFAULT
    )
    add_hidden(parser, "the sizes of the head's hidden layers (default: none)")
    parser.add_argument(
        "--dropout",
        type=_share,
        default=ModelOptions.dropout,
        help="the dropout after each hidden layer, below 1 " + DEFAULT,
    )
    parser.add_argument(
        "--learn",
        type=_blocks,
        default=ModelOptions.learn,
        metavar="N",
        help='how many of the backbone\'s last blocks learn besides the head, or "all" ' + DEFAULT,
    )
    _add_fit(parser)
    parser.set_defaults(run=_train, model=None)


def _add_fit(parser: argparse.ArgumentParser) -> None:
    """Add what says how the model is trained, and how images reach it."""
    _usual(parser, "--epochs", positive, "the number of epochs", lambda usual: usual.fit.epochs)
    _usual(
        parser,
        "--batch-size",
        positive,
        "how many images make a step of the optimizer",
        lambda usual: usual.inputs.batch_size,
    )
    _usual(
        parser,
        "--valid-batch-size",
        positive,
        "the batch size of validation, which changes no result",
        lambda usual: usual.inputs.valid_batch_size,
    )
    _usual(parser, "--optimizer", str, "adamw, adam or sgd", lambda usual: usual.fit.optimizer)
    parser.add_argument(
        "--lr",
        type=float,
        default=FitOptions.lr,
        help="the learning rate; one-cycle has it at its peak " + DEFAULT,
    )
    _usual(parser, "--weight-decay", float, "the weight decay", lambda usual: usual.fit.weight_decay)
    _usual(parser, "--schedule", str, "one-cycle, cosine or constant", lambda usual: usual.fit.schedule)
    parser.add_argument(
        "--label-smoothing",
        type=float,
        default=FitOptions.label_smoothing,
        help="the label smoothing of the loss while the model learns, below 1 " + DEFAULT,
    )
    parser.add_argument(
        "--augment",
        choices=("none", "flip", "crop", "cutout", "strong"),
        default=InputOptions.augment,
        help="random changes of the training images " + DEFAULT,
    )
    _usual(
        parser,
        "--views",
        positive,
        "how many versions of each image are cached: the image, its mirror image, then random crops",
        lambda usual: usual.inputs.views,
    )
    parser.add_argument(
        "--patience",
        type=positive,
        default=FitOptions.patience,
        help="stop after this many epochs without a better validation accuracy",
    )


def _usual(
    parser: argparse.ArgumentParser,
    option: str,
    kind: Callable[[str], object],
    about: str,
    of: Callable[[Usual], object],
) -> None:
    """Add an option whose default depends on the images. Its value is None unless it is on the command line."""
    default = f"(default: {of(USUAL)}, for tiny-imagenet:DIR {of(ON_TINY_IMAGENET)})"
    parser.add_argument(option, type=kind, help=f"{about} {default}")


def _train(args: argparse.Namespace) -> int:
    from mp09.recipes.progress import no_progress, silent
    from mp09.recipes.train import train

    first = os.environ.get("RANK", "0") == "0"  # the first of torchrun's processes prints for all
    usual = ON_TINY_IMAGENET if args.data.startswith("tiny-imagenet:") else USUAL
    data = open_images(args)
    with progress_bar() if first else nullcontext(no_progress) as progress:
        done = train(
            data,
            _model(args, usual.model),
            _fit(args, usual.fit),
            _inputs(args, usual.inputs),
            out=args.out,
            cache=args.cache,
            progress=progress,
            say=print if first else silent,
        )
    if not first:
        return 0
    best, count = done.history.best, len(done.history)
    assert best is not None  # there is one epoch at least
    if done.before:
        print(f"{args.out}: " + ("already completed" if done.before == count else f"went on after epoch {done.before}"))
    print(f"{args.out}: best epoch {best['epoch']} of {count}")
    print(f"accuracy {done.accuracy:.4f} on the {done.judged_on} images of {data.name}")
    return 0


def _model(args: argparse.Namespace, usual: ModelOptions) -> ModelOptions:
    return ModelOptions(_given(args.model, usual.name), args.weights, args.hidden, args.dropout, args.learn)


def _fit(args: argparse.Namespace, usual: FitOptions) -> FitOptions:
    return FitOptions(
        epochs=_given(args.epochs, usual.epochs),
        optimizer=_given(args.optimizer, usual.optimizer),
        lr=args.lr,
        weight_decay=_given(args.weight_decay, usual.weight_decay),
        schedule=_given(args.schedule, usual.schedule),
        label_smoothing=args.label_smoothing,
        patience=args.patience,
        precision=args.precision,
        device=args.device,
        seed=args.seed,
    )


def _inputs(args: argparse.Namespace, usual: InputOptions) -> InputOptions:
    cached = args.learn == 0 and args.augment == "none"  # features that differ from epoch to epoch are not cached
    return InputOptions(
        _given(args.batch_size, usual.batch_size),
        _given(args.valid_batch_size, usual.valid_batch_size),
        args.augment,
        _given(args.views, usual.views if cached else 1),
    )


def _given(value: Value | None, usual: Value) -> Value:
    """Return what the command line says, or what is usual where it says nothing."""
    return usual if value is None else value


def _share(text: str) -> float:
    if not 0 <= float(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 0 or more and below 1, got {text}")
    return float(text)


def _blocks(text: str) -> int | str:
    return text if text == "all" else int(text)
