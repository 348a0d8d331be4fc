"""Defines the learning commands: train, features, tune, export and pretrain."""

import argparse
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mp09.cli.common import DATA, DEFAULT, Commands, add_model, add_precision, positive, progress_bar

if TYPE_CHECKING:
    from mp09.recipes.datasets import Data

CACHE = Path("features")
RUN = Path("runs/train")
OURS = "resnet18-32"
# The defaults of `train`. Those for Tiny ImageNet are the homework's, and its mirror images are computed once.
USUAL = {
    "model": OURS,
    "epochs": 10,
    "batch_size": 64,
    "valid_batch_size": 256,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "schedule": "one-cycle",
    "views": 1,
}
ON_TINY_IMAGENET = {
    "model": "alexnet",
    "epochs": 50,
    "batch_size": 100,
    "valid_batch_size": 10,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
    "views": 2,
}


def add(commands: Commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_train(commands)
    _add_features(commands)
    _add_tune(commands)
    _add_export(commands)
    _add_pretrain(commands)


def _shared(commands: Commands, name: str, about: str) -> argparse.ArgumentParser:
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
    add_model(parser, OURS, f"{OURS} or any of torchvision's (default: {OURS}, for train on tiny-imagenet:DIR alexnet)")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="WHICH",
        help="the weights: a name of torchvision's, a file, or none for random numbers " + DEFAULT,
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps " + DEFAULT)
    add_precision(parser, int8=True)
    parser.add_argument("--seed", type=_seed, default=0, help="the seed of everything that is random " + DEFAULT)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="the folder where features are kept " + DEFAULT
    )
    return parser


def _open(args: argparse.Namespace) -> "Data":
    from mp09.recipes.datasets import open_data

    return open_data(
        args.data,
        seed=args.seed,
        per_class=args.per_class,
        skip_unreadable=args.unreadable == "skip",
        say=print,
    )


def _add_train(commands: Commands) -> None:
    parser = _shared(
        commands, "train", "train a head on a frozen backbone, or its last blocks too; run again: it goes on"
    )
    parser.add_argument(
        "--out", type=Path, default=RUN, metavar="DIR", help="the folder for checkpoints and plots " + DEFAULT
    )
    parser.add_argument(
        "--hidden", type=_sizes, default=(), metavar="N,N", help="the sizes of the head's hidden layers (default: none)"
    )
    parser.add_argument(
        "--dropout", type=_share, default=0.0, help="the dropout after each hidden layer, below 1 " + DEFAULT
    )
    parser.add_argument(
        "--learn",
        type=_blocks,
        default=0,
        metavar="N",
        help='how many of the backbone\'s last blocks learn besides the head, or "all" ' + DEFAULT,
    )
    _usual(parser, "--epochs", positive, "the number of epochs")
    _usual(parser, "--batch-size", positive, "how many images make a step of the optimizer")
    _usual(parser, "--valid-batch-size", positive, "the batch size of validation, which changes no result")
    _usual(parser, "--optimizer", str, "adamw, adam or sgd")
    parser.add_argument(
        "--lr", type=float, default=1e-3, help="the learning rate; one-cycle has it at its peak " + DEFAULT
    )
    _usual(parser, "--weight-decay", float, "the weight decay")
    _usual(parser, "--schedule", str, "one-cycle, cosine or constant")
    parser.add_argument(
        "--label-smoothing",
        type=float,
        default=0.0,
        help="the label smoothing of the loss while the model learns, below 1 " + DEFAULT,
    )
    parser.add_argument(
        "--augment",
        choices=("none", "flip", "crop", "strong"),
        default="none",
        help="random changes of the training images " + DEFAULT,
    )
    _usual(parser, "--views", positive, "cached views an image: itself, mirrored, then moved at random")
    parser.add_argument(
        "--patience", type=positive, help="stop after this many epochs without a better validation accuracy"
    )
    parser.set_defaults(run=_train, model=None)


def _usual(parser: argparse.ArgumentParser, option: str, kind: Callable[[str], object], about: str) -> None:
    """Add an option whose default depends on the images. Its value is None unless it is on the command line."""
    name = option.strip("-").replace("-", "_")
    default = f"(default: {USUAL[name]}, for tiny-imagenet:DIR {ON_TINY_IMAGENET[name]})"
    parser.add_argument(option, type=kind, help=f"{about} {default}")


def _train(args: argparse.Namespace) -> int:
    from mp09.recipes.model_options import ModelOptions
    from mp09.recipes.progress import no_progress, silent
    from mp09.recipes.train import InputOptions, train
    from mp09.training.options import FitOptions

    first = os.environ.get("RANK", "0") == "0"  # the first of torchrun's processes prints for all
    usual = ON_TINY_IMAGENET if args.data.startswith("tiny-imagenet:") else USUAL
    if args.learn != 0 or args.augment != "none":
        usual = {**usual, "views": 1}  # features that differ from epoch to epoch are not cached
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    data = _open(args)
    options = FitOptions(
        epochs=args.epochs,
        optimizer=args.optimizer,
        lr=args.lr,
        weight_decay=args.weight_decay,
        schedule=args.schedule,
        label_smoothing=args.label_smoothing,
        patience=args.patience,
        precision=args.precision,
        device=args.device,
        seed=args.seed,
    )
    with progress_bar() if first else nullcontext(no_progress) as progress:
        done = train(
            data,
            ModelOptions(args.model, args.weights, args.hidden, args.dropout, args.learn),
            options,
            InputOptions(args.batch_size, args.valid_batch_size, args.augment, args.views),
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


def _add_features(commands: Commands) -> None:
    parser = _shared(commands, "features", "compute a backbone's features once, keep them, and judge them")
    parser.add_argument(
        "--views",
        type=positive,
        default=1,
        help="how many views of each training image: itself, mirrored, then moved at random " + DEFAULT,
    )
    parser.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="where features are computed: here, or on a Ray cluster " + DEFAULT,
    )
    parser.add_argument("--address", help="the address of a running Ray cluster (default: one is started here)")
    parser.set_defaults(run=_features)


def _features(args: argparse.Namespace) -> int:
    from mp09.features.extract import ExtractOptions
    from mp09.recipes.feature_sets import ClusterOptions, features
    from mp09.recipes.model_options import ModelOptions

    data = _open(args)
    with progress_bar() as progress:
        done = features(
            data,
            ModelOptions(args.model, args.weights),
            ExtractOptions(args.device, args.precision, args.cache),
            views=args.views,
            cluster=ClusterOptions(args.executor == "ray", args.address),
            progress=progress,
        )
    for name, (count, width) in done.sizes.items():
        print(f"{name}: {count} x {width} in {args.cache}")
    print(f"logistic regression: accuracy {done.accuracy:.4f} on the {done.judged_on} images of {data.name}")
    return 0


def _add_tune(commands: Commands) -> None:
    parser = _shared(commands, "tune", "look for a head's best hyper-parameters on cached features (Ax)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/tune"), metavar="DIR", help="the folder for trials and plots " + DEFAULT
    )
    parser.add_argument(
        "--trials",
        type=positive,
        default=30,
        help="how many trials in all, those already in the folder --out included " + DEFAULT,
    )
    parser.add_argument(
        "--parallel",
        type=positive,
        help="how many trials run at a time (default: 1, or one for each core of a cluster)",
    )
    parser.add_argument("--epochs", type=positive, default=3, help="the epochs of each trial " + DEFAULT)
    parser.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="where trials run: here, or on a Ray cluster " + DEFAULT,
    )
    parser.add_argument("--address", help="the address of a running Ray cluster (default: one is started here)")
    parser.set_defaults(run=_tune)


def _tune(args: argparse.Namespace) -> int:
    from mp09.features.extract import ExtractOptions
    from mp09.recipes.feature_sets import ClusterOptions
    from mp09.recipes.model_options import ModelOptions
    from mp09.recipes.tune import SearchOptions, Trial, tune

    def show(trial: Trial) -> None:
        value = "failed" if trial.accuracy is None else f"{trial.accuracy:.4f}"
        words = ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.parameters.items())
        print(f"trial {trial.number:3}  {value}  {words}  {trial.seconds:.1f} s")

    data = _open(args)
    with progress_bar() as progress:
        done = tune(
            data,
            ModelOptions(args.model, args.weights),
            SearchOptions(args.trials, args.parallel, args.epochs, args.seed),
            ExtractOptions(args.device, args.precision, args.cache),
            out=args.out,
            cluster=ClusterOptions(args.executor == "ray", args.address),
            watch=show,
            progress=progress,
        )
    print(f"best: trial {done.best.number}, accuracy {done.best.accuracy:.4f} on the validation images of {data.name}")
    if done.accuracy is not None:
        print(f"with its parameters: accuracy {done.accuracy:.4f} on the test images")
    print(f"plots: {args.out}")
    return 0


def _add_export(commands: Commands) -> None:
    about = "write a trained model as one TorchScript file, with preprocessing and class names inside"
    parser = commands.add_parser("export", help=about, description=about)
    of = parser.add_mutually_exclusive_group()
    of.add_argument(
        "--run", type=Path, default=RUN, metavar="DIR", dest="folder", help="a folder that train wrote " + DEFAULT
    )
    add_model(of, None, "a published model with its own head instead of a run")
    parser.add_argument(
        "--out", type=Path, default=Path("model.pt"), metavar="FILE", help="the file to write " + DEFAULT
    )
    parser.add_argument(
        "--weights", default="default", metavar="WHICH", help="the weights of a published model " + DEFAULT
    )
    parser.add_argument(
        "--outputs",
        type=positive,
        metavar="N",
        help="give a published model a new head of random numbers with N outputs",
    )
    parser.add_argument(
        "--hidden", type=_sizes, default=(), metavar="N,N", help="the sizes of the new head's hidden layers"
    )
    parser.add_argument("--softmax", action="store_true", help="let it give probabilities instead of logits")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="the device that it will run on " + DEFAULT)
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    from mp09.recipes.export_run import export_run

    name, difference = export_run(
        args.folder,
        args.out,
        model=args.model,
        weights=args.weights,
        outputs=args.outputs,
        hidden=args.hidden,
        softmax=args.softmax,
        device=args.device,
    )
    print(f"{args.out}: {name}, {args.out.stat().st_size / 1e6:.1f} MB")
    print(f"checked: its scores differ from the model's by at most {difference:.1e}")
    return 0


def _add_pretrain(commands: Commands) -> None:
    about = "train a backbone like resnet18.pt, on Tiny ImageNet at 32x32 and then on CIFAR-10's ten classes"
    parser = commands.add_parser("pretrain", help=about, description=about)
    parser.add_argument(
        "--tiny-imagenet", type=Path, metavar="DIR", help="the folder of Tiny ImageNet (default: its stage is left out)"
    )
    parser.add_argument(
        "--cifar10",
        type=Path,
        required=True,
        metavar="PATH",
        help="a folder or an archive with train/<class>/ and test/<class>/ for all ten classes",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/pretrain"),
        metavar="DIR",
        help="the folder for the stages and for resnet18.pt " + DEFAULT,
    )
    parser.add_argument(
        "--epochs",
        type=_sizes,
        metavar="N,N,N",
        help="the epochs of each stage (default: 6,10,21, or 10,21 without Tiny ImageNet)",
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps " + DEFAULT)
    add_precision(parser)
    parser.add_argument(
        "--seed", type=_seed, default=0, help="the seed of everything that is random but the linear probe " + DEFAULT
    )
    parser.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> int:
    from mp09.recipes.pretrain import pretrain

    with progress_bar() as progress:
        path, card = pretrain(
            args.tiny_imagenet,
            args.cifar10,
            out=args.out,
            epochs=args.epochs or None,
            device=args.device,
            seed=args.seed,
            progress=progress,
            say=print,
        )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"ten classes: accuracy {card.accuracy_10:.4f} on the test images")
    print(f"linear probe, eight classes, {card.probe_images} training images: accuracy {card.probe_8:.4f}")
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    """Turn "500,100" into (500, 100)."""
    sizes = tuple(int(part) for part in text.split(",") if part.strip())
    if any(size < 1 for size in sizes):
        raise ValueError(text)
    return sizes


def _seed(text: str) -> int:
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"expected 0..4294967295, got {text}")
    return int(text)


def _share(text: str) -> float:
    if not 0 <= float(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 0 or more and below 1, got {text}")
    return float(text)


def _blocks(text: str) -> int | str:
    return text if text == "all" else int(text)
