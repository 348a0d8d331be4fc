"""Defines the commands of the release package: validate and release."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mp09.cli.common import DEFAULT, ISOLATION, KIT, WIDTH, Commands, add_batches, add_precision, progress_bar
from mp09.errors import ReleaseError
from mp09.grading import arguments
from mp09.grading.sandbox.isolation import AUTO, SANDBOXED, USER


def add(commands: Commands) -> None:
    _add_validate(commands)
    _add_release(commands)


def _add_validate(commands: Commands) -> None:
    about = "prove that the rubric works on this machine: correct solutions, mistakes and attacks get their points"
    parser = commands.add_parser(
        "validate", help=about, description=f"{about}, and what costs accuracy is named rightly"
    )
    kinds = ("controls", "mutants", "attacks", "causes")
    parser.add_argument("--only", choices=kinds, help="grade only one of the four kinds")
    parser.add_argument(
        "--name", nargs="+", default=[""], metavar="TEXT", help="grade only cases whose name contains one of these"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the data folder (default: a small synthetic one with held-out images)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="how many to grade at a time (default: cores + 1)")
    arguments.add_isolation(parser, ISOLATION)
    add_precision(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the results as JSON to this file")
    parser.add_argument("--json", type=Path, dest="out", help=argparse.SUPPRESS)  # its older name
    parser.set_defaults(run=_validate)


def _validate(args: argparse.Namespace) -> int:
    from rich.console import Console

    from mp09.files import check_writable, write_json
    from mp09.grading.sandbox.machine import usable_cores
    from mp09.release import validate
    from mp09.release.cases import CAUSES, load_cases

    cases = load_cases(KIT / "selftests" / "submissions", KIT / "submitted.py")
    cases = [case for case in cases if args.only in (None, case.kind) and any(n in case.name for n in args.name)]
    if not cases:
        raise ReleaseError(f"no case is called {' or '.join(map(repr, args.name))}.")
    if args.out:
        with _writing(args.out):
            check_writable(args.out)
    with progress_bar() as progress:
        validation = validate.validate(
            cases,
            kit=KIT,
            tests=KIT / "tests",
            data=args.data,
            jobs=args.jobs or usable_cores() + 1,  # attacks wait more than they compute, so cores would be idle
            isolation=args.isolation,
            progress=lambda row, done, total: progress("grading", done, total),
        )
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if any(row.kind != CAUSES for row in validation.rows):
        console.print(validate.table(validation), highlight=False)
    if validation.of(CAUSES):
        console.print(validate.causes_table(validation), highlight=False)
    if args.out:
        with _writing(args.out):
            write_json(args.out, validation.as_json())
    return 0 if validation.ok else 1


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseError(f"{path}: could not be written: {error.strerror}") from error


def _add_release(commands: Commands) -> None:
    about = "build what leaves this repository: the students' handout or Gradescope's autograder"
    parser = commands.add_parser("release", help=about, description=about)
    kinds = parser.add_subparsers(required=True, metavar="handout|gradescope")

    handout = kinds.add_parser("handout", help="build what students get: no solution and no hidden tests")
    handout.add_argument(
        "--out", type=Path, default=Path("dist/handout.zip"), metavar="FILE", help=f"the zip to write {DEFAULT}"
    )
    add_batches(handout, "--batches")
    handout.add_argument(
        "--data",
        choices=("include", "fetch"),
        default="include",
        help="include the batch files, or let students make them with `python -m mp09 data` (default: %(default)s)",
    )
    handout.set_defaults(run=_handout)

    package = kinds.add_parser("gradescope", help="build the autograder to upload to Gradescope")
    package.add_argument(
        "--out", type=Path, default=Path("dist/autograder.zip"), metavar="FILE", help=f"the zip to write {DEFAULT}"
    )
    add_batches(package, "--batches")
    package.add_argument(
        "--minutes",
        type=int,
        default=10,
        help="Gradescope's time limit for the assignment, 2 to 40 minutes (default: %(default)s)",
    )
    arguments.add_hidden_visibility(package, f"when students see the results of hidden tests {DEFAULT}")
    package.add_argument(
        "--isolation",
        choices=(SANDBOXED, USER, AUTO),
        default=USER,
        help="refuse to grade below this level of isolation; auto: grade at any level (default: %(default)s)",
    )
    package.add_argument("--leaderboard", action="store_true", help="show the accuracies on Gradescope's leaderboard")
    package.set_defaults(run=_gradescope)


def _handout(args: argparse.Namespace) -> int:
    from mp09.data.provenance import holdout_file
    from mp09.release.handout import build_handout

    data = args.batches if args.data == "include" else None
    if data is None and holdout_file(args.batches).exists():
        raise ReleaseError(
            f"{holdout_file(args.batches)}: images are held out for the grader, and whoever makes the data without "
            "them may have them too. Use --data include."
        )
    out = build_handout(KIT, args.out, data=data)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {'with' if data else 'without'} data")
    return 0


def _gradescope(args: argparse.Namespace) -> int:
    from mp09.data.provenance import holdout_file
    from mp09.release.autograder import build_autograder

    out = build_autograder(
        KIT,
        args.out,
        data=args.batches,
        minutes=args.minutes,
        hidden=args.hidden_visibility,
        isolation=args.isolation,
        leaderboard=args.leaderboard,
    )
    held_out = " with held-out images" if holdout_file(args.batches).exists() else " (nothing is held out)"
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB{held_out}")
    return 0
