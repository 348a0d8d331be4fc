"""Grade submitted.py with `python grade.py`; `python grade.py --help` explains the options."""

import argparse
import json
import sys
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from mp09.errors import Mp09Error
from mp09.grading import arguments
from mp09.grading.ending import INTERRUPTED, TERMINATED, Terminated, drop_output, orderly_end
from mp09.grading.gradescope import render
from mp09.precision import AUTO, PRECISIONS, force

HERE = Path(__file__).resolve().parent


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this command's options."""
    parser = argparse.ArgumentParser(
        description="Grade a submission by running the tests in tests/ on its submitted.py."
    )
    parser.add_argument(
        "--submission",
        type=Path,
        default=HERE,
        metavar="DIR",
        help="the folder with submitted.py, or the file itself (default: the folder of grade.py)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE / "cifar10_batches",
        metavar="DIR",
        help="the folder with the batch files (default: cifar10_batches beside grade.py)",
    )
    parser.add_argument(
        "--only",
        choices=("dataset", "dataloader", "model", "accuracy"),
        help="run only the tests about one part, for a quick look",
    )
    arguments.add_device(parser, "the device for submissions; auto is a GPU if there is one (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=AUTO,
        help="the number type that models.fast_dtype gives; auto is what MP09_PRECISION holds, else bfloat16 where the "
        "processor or GPU has arithmetic for it (default: %(default)s)",
    )
    arguments.add_timeout(parser, "the time limit of the whole run (default: %(default)g, which is 15 minutes)")
    arguments.add_seed(parser, "seed of the submission's random numbers (default: %(default)s)")
    _add_isolation(parser)
    _add_output(parser)
    for name in ("--epochs", "--batch"):
        parser.add_argument(
            name, type=int, help="has no effect, because run_model() decides for itself; old command lines contain it"
        )
    return parser


def _add_isolation(parser: argparse.ArgumentParser) -> None:
    arguments.add_isolation(
        parser,
        'how a submission is kept apart. "sandboxed": the kernel limits which files it can open (Linux); "user": '
        'it runs under a user id of its own (Linux, as root); "process": it only runs in a process of its own, which '
        "is no security boundary (default: %(default)s, the highest level that this machine offers)",
    )
    arguments.add_least_isolation(
        parser, "grade nothing below this isolation level (without a value: %(const)s; default: %(default)s)"
    )
    parser.add_argument(
        "--private",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder that submissions must not reach, besides tests, reference, held-out images and results; "
        "may be given several times",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-j",
        "--json",
        action="store_true",
        help="print Gradescope's results.json on standard output, and the text on standard error",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write results.json to this file, after every test"
    )
    arguments.add_hidden_visibility(
        parser, "what results.json says about when Gradescope shows hidden tests (default: %(default)s)"
    )
    parser.add_argument("--leaderboard", action="store_true", help="add the accuracy for a leaderboard to results.json")


def main(argv: list[str] | None = None) -> int:
    """Grade a submission as the command line says, print the result, and return the exit code.

    It is 0 when the submission was graded, whatever the score; 1 when not every test could run; 2 when nothing could be
    graded or the result could not be written; 130 after Ctrl-C and 143 after SIGTERM.
    """
    args = make_parser().parse_args(argv)
    from rich.console import Console

    from mp09.grading import text
    from mp09.grading.assignment import Assignment, GradeOptions
    from mp09.grading.grade import grade

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a ✓ gets a ? instead of an error
    console = Console(stderr=args.json)
    results = partial(render, hidden=args.hidden_visibility, leaderboard=args.leaderboard)
    watcher = text.TerminalWatcher(console)
    try:
        with orderly_end(), force(args.precision):
            assignment = Assignment(HERE, HERE / "tests", args.data)
            options = GradeOptions(
                device=args.device,
                seed=args.seed,
                timeout_s=args.timeout,
                only=args.only,
                isolation=args.isolation,
                least=args.require_isolation,
                private=args.private,
            )
            report = grade(args.submission, assignment, options, out=args.output, render=results, watcher=watcher)
        watcher.stop()
        console.print("", *text.summary(report), sep="\n", highlight=False)
        if args.json:
            print(json.dumps(results(report), indent=2), flush=True)
    except (Mp09Error, OSError) as error:  # OSError: standard output or the temporary folder is full, e.g.
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
