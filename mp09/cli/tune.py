"""Defines the command tune."""

import argparse
from pathlib import Path

from mp09.cli.common import DEFAULT, Commands, add_cluster, positive, progress_bar
from mp09.cli.learning import add_learning, open_images


def add(commands: Commands) -> None:
    """Add this command to argparse's subparsers."""
    parser = add_learning(commands, "tune", "look for a head's best hyper-parameters on cached features (Ax)")
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
    add_cluster(parser, "where trials run: here, or on a Ray cluster")
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

    data = open_images(args)
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
