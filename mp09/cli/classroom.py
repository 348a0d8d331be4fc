"""Defines the commands of the classroom package: grade-all and report."""

import argparse
from dataclasses import replace
from pathlib import Path

from mp09.cli.common import DEFAULT, ISOLATION, KIT, Commands, add_batches, add_cluster, add_precision
from mp09.errors import ClassError
from mp09.grading import arguments

GRADES = Path("grades")


def add(commands: Commands) -> None:
    _add_grade_all(commands)
    _add_report(commands)


def _add_grade_all(commands: Commands) -> None:
    about = "grade the submissions of a class into a gradebook"
    parser = commands.add_parser(
        "grade-all",
        help=about,
        description=about,
        epilog="Run it again to continue a run that was cut off, or to grade what has been submitted since.",
    )
    parser.add_argument(
        "submissions",
        type=Path,
        help="the export of Gradescope or Canvas, or a folder or zip with a folder, zip or .py file for each student",
    )
    parser.add_argument(
        "--out", type=Path, default=GRADES, metavar="DIR", help=f"the folder for gradebook and copies {DEFAULT}"
    )
    add_batches(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only-failed", action="store_true", help="grade only what could not be graded before")
    which.add_argument("--regrade", action="store_true", help="grade all submissions, also those graded before")
    _add_limits(parser)
    about = "where to grade; ray: on a cluster, with one task for each submission"
    add_cluster(parser, about, here="on this machine")
    parser.set_defaults(run=_grade_all)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what a grading may use, and how it is kept apart."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="how many to grade at a time (default: one for each core, memory permitting)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="PyTorch's threads in a grading (default: cores / jobs)"
    )
    arguments.add_timeout(parser, "time limit of a submission (default: %(default)g)")
    parser.add_argument(
        "--memory",
        type=int,
        metavar="MIB",
        help="memory limit of a submission (default: an equal share, and at most the rubric's limit)",
    )
    arguments.add_seed(parser, f"seed of the submissions' random numbers {DEFAULT}")
    arguments.add_device(parser, "where to run (default: a GPU if there is one)")
    add_precision(parser)
    arguments.add_isolation(parser, ISOLATION)
    arguments.add_least_isolation(parser, "refuse to grade below this level of isolation (without a value: %(const)s)")


def _grade_all(args: argparse.Namespace) -> int:
    from rich.console import Console

    from mp09.classroom import batch, collect
    from mp09.classroom.pool import LocalPool
    from mp09.classroom.ray_pool import RayPool
    from mp09.classroom.screen import Screen
    from mp09.classroom.task import Rules
    from mp09.grading.assignment import Assignment
    from mp09.grading.ending import orderly_end
    from mp09.grading.sandbox.sandbox import Settings

    for name, value in (("--jobs", args.jobs), ("--threads", args.threads), ("--memory", args.memory)):
        if value is not None and value < 1:
            raise ClassError(f"{name}: expected 1 or more, got {value}.")
    if not args.timeout > 0 or not 0 <= args.seed < 2**32:
        raise ClassError(f"--timeout and --seed: expected above 0 and 0..4294967295, got {args.timeout}, {args.seed}.")
    submissions, aside = collect.collect(args.submissions)
    jobs = args.jobs or batch.default_jobs()
    assignment = Assignment(KIT, KIT / "tests", args.data.resolve())
    settings = Settings(
        device=args.device,
        threads=args.threads or batch.default_threads(jobs),
        seed=args.seed,
        memory_mib=args.memory or batch.default_memory_mib(jobs),
        isolation=args.isolation,
        least=args.require_isolation,
    )
    batch.make_folder(args.out)
    settings = replace(settings, isolation=batch.level_here(settings, assignment, [args.out, args.submissions]))
    pool = RayPool(args.address) if args.executor == "ray" else LocalPool(jobs)
    console = Console(stderr=True)
    if aside:
        print(f"left aside, no submissions: {', '.join(map(repr, aside))}")
    console.print(f"{len(submissions)} submissions, isolation: {settings.isolation}", highlight=False)
    with orderly_end(), Screen(console) as screen:
        done = batch.grade_all(
            submissions,
            args.out,
            pool=pool,
            assignment=assignment,
            rules=Rules(settings, args.timeout),
            only_failed=args.only_failed,
            regrade=args.regrade,
            watch=screen.update,
        )
    print(f"{args.out / batch.BOOK}: graded {done.done - done.failed}, failed {done.failed}, as before {done.known}")
    if done.failed:
        print("What could not be graded says why in the report; try again: --only-failed")
    return 1 if done.failed else 0


def _add_report(commands: Commands) -> None:
    about = "write one HTML page about a class: scores, tests, diagnoses, students"
    parser = commands.add_parser("report", help=about, description=about)
    parser.add_argument(
        "grades", type=Path, nargs="?", default=GRADES, metavar="DIR", help=f"the folder that grade-all made {DEFAULT}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page to write (default: report.html in DIR)")
    parser.add_argument("--csv", action="store_true", help="also write plain.csv, gradescope.csv and canvas.csv in DIR")
    parser.add_argument(
        "--similar",
        action="store_true",
        help="also look for pairs of submissions that share code (needs the extra instructor)",
    )
    parser.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    from mp09.classroom import batch, exports, gradebook, page, similar
    from mp09.files import write_text
    from mp09.release.strip import strip

    with gradebook.Gradebook(args.grades / batch.BOOK) as book:
        entries, terms = book.entries(), book.terms()
    pairs = None
    if args.similar:
        skeleton = strip((KIT / "submitted.py").read_text(encoding="utf-8"))
        pairs, aside = similar.similar_pairs(args.grades / batch.COPIES, skeleton)
        if aside:
            limit = f"reading their code took longer than {similar.LIMIT_S:.0f} s"
            print(f"not looked at for similar code: {', '.join(aside)} ({limit})")
    files = {args.out or args.grades / "report.html": page.page(entries, terms, pairs)}
    if args.csv:
        files |= {args.grades / f"{name}.csv": render(entries) for name, render in exports.FORMATS.items()}
    try:
        for path, text in files.items():
            write_text(path, text)
            print(path)
    except OSError as error:
        raise ClassError(f"{path}: could not be written: {error}") from error
    return 0
