"""Grades submitted.py: `python grade.py`. See `python grade.py --help`."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from mp09.errors import Mp09Error
from mp09.grading import rubric
from mp09.grading.gradescope import AFTER_PUBLISHED, VISIBILITIES, render

HERE = Path(__file__).resolve().parent


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Grade a submission: run the tests of tests/ on its submitted.py.")
    parser.add_argument(
        "--submission",
        type=Path,
        default=HERE,
        metavar="DIR",
        help="folder with submitted.py, or the file (default: this folder)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE / "cifar10_batches",
        metavar="DIR",
        help="folder with the batch files (default: cifar10_batches)",
    )
    parser.add_argument(
        "--only", choices=("dataset", "dataloader", "model", "accuracy"), help="a quick look at one part"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=rubric.OVERALL_LIMIT_S,
        metavar="SECONDS",
        help="for the whole run (default: %(default)g, 15 minutes)",
    )
    parser.add_argument(
        "--seed", type=int, default=42, help="of the submission's random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--isolation",
        choices=("auto", "sandboxed", "process"),
        default="auto",
        help='"sandboxed": kept in by the kernel (Linux); "process": no security boundary (default: %(default)s)',
    )
    parser.add_argument(
        "--require-isolation", action="store_true", help='grade nothing where "sandboxed" is not to be had'
    )
    parser.add_argument("-j", "--json", action="store_true", help="print Gradescope's results.json instead of text")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write results.json here, after every test"
    )
    parser.add_argument(
        "--hidden-visibility",
        choices=VISIBILITIES,
        default=AFTER_PUBLISHED,
        help="in results.json: when Gradescope shows hidden tests (default: %(default)s)",
    )
    parser.add_argument("--leaderboard", action="store_true", help="in results.json: the accuracy for a leaderboard")
    for name in ("--epochs", "--batch"):
        parser.add_argument(name, type=int, help="accepted for old command lines: run_model() decides for itself")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """0: graded, whatever the score. 1: not every test could run. 2: nothing could be graded."""
    args = parse(argv)
    isolation = "sandboxed" if args.require_isolation else args.isolation
    from rich.console import Console

    from mp09.grading import text
    from mp09.grading.grade import grade

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that lacks a ✓ gets a ? instead of an error
    console = Console(stderr=args.json)
    results = partial(render, hidden=args.hidden_visibility, leaderboard=args.leaderboard)
    watcher = text.TerminalWatcher(console)
    try:
        report = grade(
            args.submission,
            kit=HERE,
            tests=HERE / "tests",
            data=args.data,
            device=args.device,
            seed=args.seed,
            timeout_s=args.timeout,
            only=args.only,
            out=args.output,
            render=results,
            watcher=watcher,
            isolation=isolation,
        )
    except Mp09Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        watcher.stop()
    console.print("", *text.summary(report), sep="\n", highlight=False)
    if args.json:
        print(json.dumps(results(report), indent=2))
    return 0 if report.status == "graded" else 1


if __name__ == "__main__":
    sys.exit(main())
