"""The commands of the classroom room: grade-all, report."""

import argparse
from dataclasses import replace
from pathlib import Path

from mp09.cli.common import DATA, DEFAULT, KIT, add_precision
from mp09.errors import ClassError
from mp09.grading.isolation import AUTO, LEVELS, PROCESS, SANDBOXED

GRADES = Path("grades")
LIMIT_S = 900.0  # for one submission


def add(commands) -> None:
    _add_grade_all(commands)
    _add_report(commands)


def _add_grade_all(commands) -> None:
    about = "grade the submissions of a class into a gradebook"
    parser = commands.add_parser(
        "grade-all",
        help=about,
        description=about,
        epilog="Run it again to go on where it was cut off, or to grade what was handed in anew.",
    )
    parser.add_argument(
        "submissions",
        type=Path,
        help="Gradescope's or Canvas' export, or a folder or zip of folders, zips and .py files",
    )
    parser.add_argument("--out", type=Path, default=GRADES, metavar="DIR", help=DEFAULT)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=DEFAULT)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only-failed", action="store_true", help="only those that could not be graded before")
    which.add_argument("--regrade", action="store_true", help="all, graded before or not")
    parser.add_argument("--jobs", type=int, metavar="N", help="gradings at a time (default: one a core)")
    parser.add_argument("--threads", type=int, metavar="N", help="of torch, a grading (default: cores / jobs)")
    parser.add_argument(
        "--timeout", type=float, default=LIMIT_S, metavar="SECONDS", help="for a submission (default: %(default)g)"
    )
    parser.add_argument("--memory", type=int, metavar="MIB", help="for a submission (default: an equal share)")
    parser.add_argument("--seed", type=int, default=42, help=DEFAULT)
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    add_precision(parser)
    parser.add_argument("--isolation", choices=(AUTO, *LEVELS), default=AUTO, help=DEFAULT)
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
        "--executor", choices=("local", "ray"), default="local", help="ray: a task a submission, on a cluster"
    )
    parser.add_argument("--address", help="of a running Ray cluster (default: one is started here)")
    parser.set_defaults(run=_grade_all)


def _grade_all(args: argparse.Namespace) -> int:
    from rich.console import Console

    from mp09.classroom import batch, collect
    from mp09.classroom.cluster import RayPool
    from mp09.classroom.pool import LocalPool
    from mp09.classroom.screen import Screen
    from mp09.classroom.task import Place, Rules
    from mp09.grading.ending import orderly_end
    from mp09.grading.sandbox import Settings

    for name, value in (("--jobs", args.jobs), ("--threads", args.threads), ("--memory", args.memory)):
        if value is not None and value < 1:
            raise ClassError(f"{name}: expected 1 or more, got {value}.")
    if not args.timeout > 0 or not 0 <= args.seed < 2**32:
        raise ClassError(f"--timeout and --seed: expected above 0 and 0..4294967295, got {args.timeout}, {args.seed}.")
    handins, aside = collect.collect(args.submissions)
    jobs = args.jobs or batch.default_jobs()
    place = Place(KIT, KIT / "tests", args.data.resolve())
    settings = Settings(
        device=args.device,
        threads=args.threads or batch.default_threads(jobs),
        seed=args.seed,
        memory_mib=args.memory or batch.default_memory_mib(jobs),
        isolation=args.isolation,
        least=args.require_isolation,
    )
    batch.make_folder(args.out)
    settings = replace(settings, isolation=batch.level_here(settings, place, [args.out, args.submissions]))
    pool = RayPool(args.address) if args.executor == "ray" else LocalPool(jobs)
    console = Console(stderr=True)
    if aside:
        print(f"left aside, no submissions: {', '.join(map(repr, aside))}")
    console.print(f"{len(handins)} submissions, isolation: {settings.isolation}", highlight=False)
    with orderly_end(), Screen(console) as screen:
        done = batch.grade_all(
            handins,
            args.out,
            pool=pool,
            place=place,
            rules=Rules(settings, args.timeout),
            only_failed=args.only_failed,
            regrade=args.regrade,
            watch=screen.update,
        )
    print(f"{args.out / batch.BOOK}: graded {done.done - done.failed}, failed {done.failed}, as before {done.known}")
    if done.failed:
        print("What could not be graded says why in the report; try again: --only-failed")
    return 1 if done.failed else 0


def _add_report(commands) -> None:
    about = "one page about a class: scores, tests, diagnoses, students"
    parser = commands.add_parser("report", help=about, description=about)
    parser.add_argument("grades", type=Path, nargs="?", default=GRADES, metavar="DIR", help=DEFAULT)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in DIR")
    parser.add_argument("--csv", action="store_true", help="also plain.csv, gradescope.csv and canvas.csv in DIR")
    parser.add_argument(
        "--similar", action="store_true", help="also look for pairs that share code (extra: instructor)"
    )
    parser.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    from mp09.classroom import batch, gradebook, page, similar, tables
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
        files |= {args.grades / f"{name}.csv": render(entries) for name, render in tables.FORMATS.items()}
    try:
        for path, text in files.items():
            write_text(path, text)
            print(path)
    except OSError as error:
        raise ClassError(f"{path}: could not be written: {error}") from error
    return 0
