"""Adds the options that `grade.py` and commands that grade share; each says in its own words what they are good for."""

import argparse

from mp09.grading import rubric
from mp09.grading.gradescope import AFTER_PUBLISHED, VISIBILITIES
from mp09.grading.sandbox.isolation import AUTO, LEVELS, PROCESS, SANDBOXED


def add_device(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --device, where submissions run."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=AUTO, help=about)


def add_timeout(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --timeout, in seconds."""
    parser.add_argument("--timeout", type=float, default=rubric.OVERALL_LIMIT_S, metavar="SECONDS", help=about)


def add_seed(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --seed, that of a submission's random numbers."""
    parser.add_argument("--seed", type=int, default=rubric.SEED, help=about)


def add_isolation(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --isolation, the level at which submissions are graded."""
    parser.add_argument("--isolation", choices=(AUTO, *LEVELS), default=AUTO, help=about)


def add_least_isolation(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --require-isolation, the lowest level that will do."""
    parser.add_argument(
        "--require-isolation", nargs="?", choices=LEVELS, const=SANDBOXED, default=PROCESS, metavar="LEVEL", help=about
    )


def add_hidden_visibility(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option --hidden-visibility, when Gradescope shows hidden tests."""
    parser.add_argument("--hidden-visibility", choices=VISIBILITIES, default=AFTER_PUBLISHED, help=about)
