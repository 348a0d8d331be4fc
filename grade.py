"""Grades submitted.py: `python grade.py`. See `python grade.py --help`."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from mp09.errors import Mp09Error
from mp09.grading import rubric
from mp09.grading.ending import INTERRUPTED, TERMINATED, Terminated, drop_output, orderly_end
from mp09.grading.gradescope import AFTER_PUBLISHED, VISIBILITIES, render
from mp09.grading.isolation import AUTO, LEVELS, PROCESS, SANDBOXED
from mp09.precision import PRECISIONS, force

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
        "--precision",
        choices=PRECISIONS,
        default=AUTO,
        help="what models.fast_dtype says (default: what MP09_PRECISION says, else what the processor or GPU has)",
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
        choices=(AUTO, *LEVELS),
        default=AUTO,
        help='"sandboxed": the kernel says which files there are (Linux); "user": an own user id (Linux, as root); '
        '"process": no security boundary (default: %(default)s, the highest that this machine offers)',
    )
    parser.add_argument(
        "--require-isolation",
        nargs="?",
        choices=LEVELS,
        const=SANDBOXED,
        default=PROCESS,
        metavar="LEVEL",
        help="grade nothing below this level (without a value: %(const)s)",
    )
    parser.add_argument(
        "--private",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder that submissions must not reach, besides tests, held-out pictures and results",
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
    """0: graded, whatever the score. 1: not every test could run. 2: nothing could be graded, or not be written."""
    args = parse(argv)
    from rich.console import Console

    from mp09.grading import text
    from mp09.grading.grade import grade

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that lacks a ✓ gets a ? instead of an error
    console = Console(stderr=args.json)
    results = partial(render, hidden=args.hidden_visibility, leaderboard=args.leaderboard)
    watcher = text.TerminalWatcher(console)
    try:
        with orderly_end(), force(args.precision):
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
                isolation=args.isolation,
                least=args.require_isolation,
                private=args.private,
            )
        watcher.stop()
        console.print("", *text.summary(report), sep="\n", highlight=False)
        if args.json:
            print(json.dumps(results(report), indent=2), flush=True)
    except (Mp09Error, OSError) as error:  # OSError: the standard output is full or closed, or the temporary folder
        drop_output()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print("terminated", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        watcher.stop()
    return 0 if report.status == "graded" else 1


if __name__ == "__main__":
    sys.exit(main())
