"""The learning commands: tiny-imagenet, train, features, tune, export, pretrain."""

import argparse
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from mp09.cli.common import DATA, DEFAULT, add_precision, positive, progress_bar

CACHE = Path("features")
RUN = Path("runs/train")
OURS = "resnet18-32"
# Defaults of `train`, and those for Tiny ImageNet: the homework's, with its mirror images computed once.
USUAL = {
    "network": OURS,
    "epochs": 10,
    "batch": 64,
    "valid_batch": 256,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "schedule": "one-cycle",
    "views": 1,
}
ON_TINY_IMAGENET = {
    "network": "alexnet",
    "epochs": 50,
    "batch": 100,
    "valid_batch": 10,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
    "views": 2,
}


def add(commands) -> None:
    _add_tiny_imagenet(commands)
    _add_train(commands)
    _add_features(commands)
    _add_tune(commands)
    _add_export(commands)
    _add_pretrain(commands)


def _shared(commands, name: str, about: str) -> argparse.ArgumentParser:
    """A command that takes pictures, a network and a device."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument(
        "--data",
        default=str(DATA),
        metavar="DIR",
        help="cifar10_batches, tiny-imagenet:DIR, or a folder with train/<class>/ and val/<class>/; " + DEFAULT,
    )
    parser.add_argument("--per-class", type=positive, metavar="N", help="so many training pictures of each class")
    parser.add_argument(
        "--unreadable", choices=("error", "skip"), default="error", help="pictures that can't be read (" + DEFAULT + ")"
    )
    parser.add_argument(
        "--network",
        "--net",
        default=OURS,
        metavar="NAME",
        help=f"{OURS} or any of torchvision's; default: {OURS}, for train on tiny-imagenet:DIR alexnet",
    )
    parser.add_argument(
        "--weights", default="default", metavar="WHICH", help="a name of torchvision's, a file, or none; " + DEFAULT
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps; " + DEFAULT)
    add_precision(parser, "int8")
    parser.add_argument("--seed", type=_seed, default=0, help=DEFAULT)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where features are kept; " + DEFAULT)
    return parser


def _open(args: argparse.Namespace):
    from mp09.recipes.pictures import open_data

    return open_data(
        args.data,
        seed=args.seed,
        per_class=args.per_class,
        skip_unreadable=args.unreadable == "skip",
        say=print,
    )


def _add_tiny_imagenet(commands) -> None:
    about = "make Tiny ImageNet ready to train on, and check it; run again: it goes on"
    parser = commands.add_parser("tiny-imagenet", help=about, description=about)
    parser.add_argument("action", choices=("prepare",))
    parser.add_argument("source", type=Path, metavar="PATH", help="tiny-imagenet-200.zip, or the folder it holds")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the archive goes (default: beside it)")
    parser.set_defaults(run=_tiny_imagenet)


def _tiny_imagenet(args: argparse.Namespace) -> int:
    from mp09.data.tiny_prepare import WHOLE, prepare

    with progress_bar() as progress:
        done = prepare(args.source, out=args.out, progress=progress)
    print(f"{done.root}: {done.classes} classes, {len(done.unnamed)} of them without a name in words.txt")
    for split, (least, most, total) in done.counts.items():
        each = f"{least}" if least == most else f"{least} to {most}"
        part = "" if least == most == WHOLE[split] else f"; the whole set has {WHOLE[split]}"
        print(f"{split}: {total} pictures, {each} a class{part}")
    print(f"unreadable: {len(done.unreadable)}")
    for path in done.unreadable:
        print(f"    {path}")
    leave_out = " --unreadable skip" if done.unreadable else ""
    print(f"next: python -m mp09 train --data tiny-imagenet:{done.root}{leave_out}")
    return 1 if done.unreadable else 0


def _add_train(commands) -> None:
    parser = _shared(
        commands, "train", "train a head on a frozen backbone, or its last blocks too; run again: it goes on"
    )
    parser.add_argument("--out", type=Path, default=RUN, metavar="DIR", help="checkpoints and plots; " + DEFAULT)
    parser.add_argument("--hidden", type=_sizes, default=(), metavar="N,N", help="hidden layers of the head")
    parser.add_argument("--dropout", type=_share, default=0.0, help="between them; " + DEFAULT)
    parser.add_argument(
        "--learn", type=_blocks, default=0, metavar="N", help='last blocks that learn, or "all"; ' + DEFAULT
    )
    _usual(parser, "--epochs", positive)
    _usual(parser, "--batch", positive)
    _usual(parser, "--valid-batch", positive, "changes no result")
    _usual(parser, "--optimizer", str, "adamw, adam or sgd")
    parser.add_argument("--lr", type=float, default=1e-3, help=DEFAULT)
    _usual(parser, "--weight-decay", float)
    _usual(parser, "--schedule", str, "one-cycle, cosine or constant")
    parser.add_argument("--label-smoothing", type=float, default=0.0, help=DEFAULT)
    parser.add_argument("--augment", choices=("none", "flip", "crop", "strong"), default="none", help=DEFAULT)
    _usual(parser, "--views", positive, "cached views a picture: itself, mirrored, then moved at random")
    parser.add_argument("--patience", type=positive, help="stop after so many epochs without improvement")
    parser.set_defaults(run=_train, network=None)


def _usual(parser: argparse.ArgumentParser, option: str, kind: Callable, about: str = "") -> None:
    """An option whose default depends on the pictures; without one on the command line its value is None."""
    name = option.strip("-").replace("-", "_")
    default = f"default: {USUAL[name]}, for tiny-imagenet:DIR {ON_TINY_IMAGENET[name]}"
    parser.add_argument(option, type=kind, help=f"{about}; {default}" if about else default)


def _train(args: argparse.Namespace) -> int:
    from mp09.recipes.train import Network, train

    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes: it speaks for all
    usual = ON_TINY_IMAGENET if args.data.startswith("tiny-imagenet:") else USUAL
    if args.learn != 0 or args.augment != "none":
        usual = {**usual, "views": 1}  # pictures that differ from epoch to epoch have no cached views
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    data = _open(args)
    options = "epochs optimizer lr weight_decay schedule label_smoothing augment views patience precision device seed"
    with progress_bar() if first else nullcontext() as progress:
        done = train(
            data,
            Network(args.network, args.weights, args.hidden, args.dropout, args.learn),
            batch_size=args.batch,
            valid_batch_size=args.valid_batch,
            cache=args.cache,
            out=args.out,
            **{name: getattr(args, name) for name in options.split()},
            **({"progress": progress, "say": print} if first else {}),
        )
    if not first:
        return 0
    best, count = done.history.best, len(done.history)
    if done.before:
        print(f"{args.out}: " + ("already completed" if done.before == count else f"went on after epoch {done.before}"))
    print(f"{args.out}: best epoch {best['epoch']} of {count}")
    print(f"accuracy {done.accuracy:.4f} on the {done.judged_on} pictures of {data.name}")
    return 0


def _add_features(commands) -> None:
    parser = _shared(commands, "features", "compute a backbone's features once, keep them, and judge them")
    parser.add_argument("--views", type=positive, default=1, help=DEFAULT)
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help="ray: on a cluster; " + DEFAULT)
    parser.add_argument("--address", help="of a running Ray cluster (default: one is started here)")
    parser.set_defaults(run=_features)


def _features(args: argparse.Namespace) -> int:
    from mp09.recipes.features import features

    data = _open(args)
    with progress_bar() as progress:
        done = features(
            data,
            network=args.network,
            weights=args.weights,
            views=args.views,
            device=args.device,
            precision=args.precision,
            cache=args.cache,
            on_cluster=args.executor == "ray",
            address=args.address,
            progress=progress,
        )
    for name, (count, width) in done.sizes.items():
        print(f"{name}: {count} x {width} in {args.cache}")
    print(f"logistic regression: accuracy {done.accuracy:.4f} on the {done.judged_on} pictures of {data.name}")
    return 0


def _add_tune(commands) -> None:
    parser = _shared(commands, "tune", "look for a head's best hyper-parameters on cached features (Ax)")
    parser.add_argument("--out", type=Path, default=Path("runs/tune"), metavar="DIR", help=DEFAULT)
    parser.add_argument("--trials", type=positive, default=30, help="in all, those already in DIR included; " + DEFAULT)
    parser.add_argument("--parallel", type=positive, help="trials at a time (default: 1, or a cluster's cores)")
    parser.add_argument("--epochs", type=positive, default=3, help="of each trial; " + DEFAULT)
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help=DEFAULT)
    parser.add_argument("--address", help="of a running Ray cluster (default: one is started here)")
    parser.set_defaults(run=_tune)


def _tune(args: argparse.Namespace) -> int:
    from mp09.recipes.tune import tune

    def show(trial) -> None:
        value = "failed" if trial.accuracy is None else f"{trial.accuracy:.4f}"
        words = ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.parameters.items())
        print(f"trial {trial.number:3}  {value}  {words}  {trial.seconds:.1f} s")

    data = _open(args)
    with progress_bar() as progress:
        done = tune(
            data,
            network=args.network,
            weights=args.weights,
            trials=args.trials,
            parallel=args.parallel,
            epochs=args.epochs,
            seed=args.seed,
            device=args.device,
            precision=args.precision,
            out=args.out,
            cache=args.cache,
            on_cluster=args.executor == "ray",
            address=args.address,
            watch=show,
            progress=progress,
        )
    print(
        f"best: trial {done.best.number}, accuracy {done.best.accuracy:.4f} on the validation pictures of {data.name}"
    )
    if done.accuracy is not None:
        print(f"with its parameters: accuracy {done.accuracy:.4f} on the test pictures")
    print(f"plots: {args.out}")
    return 0


def _add_export(commands) -> None:
    about = "write a trained network as one TorchScript file, preprocessing and class names inside"
    parser = commands.add_parser("export", help=about, description=about)
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--run", type=Path, default=RUN, metavar="DIR", dest="folder", help="of train; " + DEFAULT)
    of.add_argument("--network", metavar="NAME", help="a published network with its own head instead of a run")
    parser.add_argument("--out", type=Path, default=Path("network.pt"), metavar="FILE", help=DEFAULT)
    parser.add_argument("--weights", default="default", metavar="WHICH", help="of that network; " + DEFAULT)
    parser.add_argument("--outputs", type=positive, metavar="N", help="a new head of random numbers for that network")
    parser.add_argument("--hidden", type=_sizes, default=(), metavar="N,N", help="its hidden layers")
    parser.add_argument("--softmax", action="store_true", help="probabilities instead of logits")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="that it will run on; " + DEFAULT)
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    from mp09.recipes.export import export_run

    name, difference = export_run(
        args.folder,
        args.out,
        network=args.network,
        weights=args.weights,
        outputs=args.outputs,
        hidden=args.hidden,
        softmax=args.softmax,
        device=args.device,
    )
    print(f"{args.out}: {name}, {args.out.stat().st_size / 1e6:.1f} MB")
    print(f"checked: its scores differ from the network's by at most {difference:.1e}")
    return 0


def _add_pretrain(commands) -> None:
    about = "train a backbone like resnet18.pt: Tiny ImageNet at 32x32, then CIFAR-10's ten classes"
    parser = commands.add_parser("pretrain", help=about, description=about)
    parser.add_argument("--tiny-imagenet", type=Path, metavar="DIR", help="default: that stage is left out")
    parser.add_argument(
        "--cifar10", type=Path, required=True, metavar="PATH", help="train/<class>/ and test/<class>/, ten classes"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain"), metavar="DIR", help=DEFAULT)
    parser.add_argument("--epochs", type=_sizes, metavar="N,N,N", help="of each stage (default: 6,10,21)")
    parser.add_argument("--device", default="auto", metavar="NAME", help=DEFAULT)
    add_precision(parser)
    parser.add_argument("--seed", type=_seed, default=0, help=DEFAULT)
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
    print(f"ten classes: accuracy {card.accuracy_10:.4f} on the test pictures")
    print(f"linear probe, eight classes, {card.probe_pictures} training pictures: accuracy {card.probe_8:.4f}")
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    """ "500,100" -> (500, 100)."""
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
