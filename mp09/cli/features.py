"""Defines the command features."""

import argparse

from mp09.cli.common import DEFAULT, Commands, add_cluster, positive, progress_bar
from mp09.cli.learning import add_learning, open_images


def add(commands: Commands) -> None:
    """Add this command to argparse's subparsers."""
    parser = add_learning(
        commands,
        "features",
        "compute and keep a backbone's features, and train a logistic regression on them",
    )
    parser.add_argument(
        "--views",
        type=positive,
        default=1,
        help="how many views of each training image: itself, mirrored, then moved at random " + DEFAULT,
    )
    add_cluster(parser, "where features are computed: here, or on a Ray cluster")
    parser.set_defaults(run=_features)


def _features(args: argparse.Namespace) -> int:
    from mp09.features.extract import ExtractOptions
    from mp09.recipes.feature_sets import ClusterOptions, features
    from mp09.recipes.model_options import ModelOptions

    data = open_images(args)
    with progress_bar() as progress:
        done = features(
            data,
            ModelOptions(args.model, args.weights),
            ExtractOptions(args.device, args.precision, args.cache),
            views=args.views,
            seed=args.seed,
            cluster=ClusterOptions(args.executor == "ray", args.address),
            progress=progress,
        )
    for name, (count, width) in done.sizes.items():
        print(f"{name}: {count} x {width} in {args.cache}")
    print(f"logistic regression: accuracy {done.accuracy:.4f} on the {done.judged_on} images of {data.name}")
    return 0
