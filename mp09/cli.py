"""The commands: one function each. Parse, call one room, print.

Rooms are imported inside the functions, so that `--help` starts at once.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mp09.errors import ClassError, Mp09Error, ReleaseError

KIT = Path(__file__).resolve().parents[1]
DATA, GRADES = Path("cifar10_batches"), Path("grades")
LIMIT_S = 900.0  # for one submission
DEFAULT = "default: %(default)s"


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a check failed, 2 an error explained in one line."""
    parser = argparse.ArgumentParser(prog="python -m mp09", description="CNN Image Classifier: data, grading, checks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for room, add in COMMANDS:
        if Path(__file__).with_name(room).is_dir():  # a handout has only some of the rooms
            add(commands)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except Mp09Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _add_data(commands) -> None:
    about = "make cifar10_batches/, or check it"
    parser = commands.add_parser(
        "data",
        help=about,
        description=about,
        epilog=("Without a source a complete folder is kept; else CIFAR-10 is downloaded; else pictures are drawn."),
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--archive", type=Path, metavar="FILE", help="the official cifar-10-python.tar.gz")
    source.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="pictures in train/<class>/ and test/<class>/ of a folder, .tar, .tar.xz or .zip",
    )
    source.add_argument("--download", action="store_true", help="the official archive, or fail")
    source.add_argument("--synthetic", action="store_true", help="drawn pictures; needs nothing")
    source.add_argument("--verify", action="store_true", help="only compare the folder with its checksums")
    parser.add_argument(
        "--out", type=Path, default=DATA, metavar="DIR", help="the folder to make (default: %(default)s)"
    )
    parser.add_argument("--per-file", type=int, metavar="N", help="pictures a file (default: 8000 in a new folder)")
    parser.add_argument(
        "--holdout",
        type=int,
        metavar="N",
        help="move N training pictures into a private file for the grader",
    )
    parser.add_argument("--seed", type=int, help="shuffles, and draws (default: 0 in a new folder)")
    parser.add_argument("--force", action="store_true", help="replace a folder that this command did not make")
    parser.set_defaults(run=_data)


def _data(args: argparse.Namespace) -> int:
    from mp09.data import prepare, sources
    from mp09.data import source as source_file

    if args.verify:
        source = source_file.verify(args.out)
    else:
        origin = (
            sources.from_images(args.images)
            if args.images
            else sources.from_archive(args.archive)
            if args.archive
            else sources.from_download(args.out.absolute().parent / prepare.ARCHIVE_NAME)
            if args.download
            else sources.from_synthetic(args.seed or 0)
            if args.synthetic
            else None
        )
        with _progress_bar() as progress:
            source = prepare.make_batches(
                args.out,
                origin,
                per_file=args.per_file,
                seed=args.seed,
                holdout=args.holdout,
                force=args.force,
                progress=progress,
            )
    if source.note:
        print(f"NOTE: {source.note}\nNOTE: these are DRAWN pictures, not CIFAR-10; every score on them says so.")
    train = sum(count for name, count in source.counts.items() if name.startswith("data_"))
    print(f"{args.out}: {source.name}, {train} pictures to train on, {source.counts['test_batch']} to test on")
    if source.holdout:
        print(f"{source_file.holdout_file(args.out)}: {source.holdout} pictures for the grader alone")
    return 0


def _add_doctor(commands) -> None:
    about = "check Python, packages, data, checkpoint, threads, GPU and sandbox, and say what to do"
    parser = commands.add_parser("doctor", help=about, description=about)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=DEFAULT)
    parser.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from mp09.grading.doctor import examine

    findings = examine(Path.cwd(), args.data)
    for finding in findings:
        print(f"{'ok' if finding.ok else 'FAIL':4}  {finding.subject:12} {finding.text}")
        if finding.remedy:
            print(f"{'':18} {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1


def _add_validate(commands) -> None:
    about = "prove that the rubric works here: controls, mistakes and attacks get exactly what they must"
    parser = commands.add_parser("validate", help=about, description=about)
    parser.add_argument("--only", choices=("controls", "mutants", "attacks"), help="one of the three tables")
    parser.add_argument("--name", default="", metavar="TEXT", help="only cases whose name contains this")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder (default: a small, drawn, with a holdout)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="gradings at a time (default: cores + 1)")
    parser.add_argument("--isolation", choices=("auto", "sandboxed", "process"), default="auto", help="default: auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables here")
    parser.set_defaults(run=_validate)


def _validate(args: argparse.Namespace) -> int:
    from rich.console import Console

    from mp09.files import write_json
    from mp09.grading.machine import usable_cores
    from mp09.release import validate as room

    cases = room.load_cases(KIT / "selftests" / "submissions", KIT / "submitted.py")
    cases = [case for case in cases if args.only in (None, case.kind) and args.name in case.name]
    if not cases:
        raise ReleaseError(f"no case is called {args.name!r}.")
    with _progress_bar() as progress:
        validation = room.validate(
            cases,
            kit=KIT,
            tests=KIT / "tests",
            data=args.data,
            jobs=args.jobs or usable_cores() + 1,  # attacks wait more than they compute
            isolation=args.isolation,
            progress=lambda row, done, total: progress("grading", done, total),
        )
    Console().print(room.table(validation), highlight=False)
    if args.json:
        write_json(args.json, validation.as_json())
    return 0 if validation.ok else 1


def _add_release(commands) -> None:
    about = "build what leaves this repository: the students' handout, or Gradescope's autograder"
    parser = commands.add_parser("release", help=about, description=about)
    from mp09.grading.gradescope import AFTER_PUBLISHED, VISIBILITIES

    kinds = parser.add_subparsers(required=True, metavar="handout|gradescope")

    handout = kinds.add_parser("handout", help="the folder that students get, without solution and hidden tests")
    handout.add_argument("--out", type=Path, default=Path("dist/handout.zip"), metavar="FILE", help=DEFAULT)
    handout.add_argument("--batches", type=Path, default=DATA, metavar="DIR", help=DEFAULT)
    handout.add_argument(
        "--data",
        choices=("include", "fetch"),
        default="include",
        help="put the batch files in, or have students make them with `python -m mp09 data` (default: %(default)s)",
    )
    handout.set_defaults(run=_handout)

    package = kinds.add_parser("gradescope", help="the autograder to upload to Gradescope")
    package.add_argument("--out", type=Path, default=Path("dist/autograder.zip"), metavar="FILE", help=DEFAULT)
    package.add_argument("--batches", type=Path, default=DATA, metavar="DIR", help=DEFAULT)
    package.add_argument(
        "--minutes", type=int, default=10, help="Gradescope's time limit for the assignment (default: %(default)s)"
    )
    package.add_argument(
        "--hidden-visibility", choices=VISIBILITIES, default=AFTER_PUBLISHED, help="when students see hidden tests"
    )
    package.add_argument(
        "--isolation",
        choices=("sandboxed", "auto"),
        default="sandboxed",
        help='"auto": where the kernel can\'t isolate, grade at level "process" (default: %(default)s: don\'t grade)',
    )
    package.add_argument("--leaderboard", action="store_true", help="show accuracies on the leaderboard")
    package.set_defaults(run=_gradescope)


def _handout(args: argparse.Namespace) -> int:
    from mp09.data.source import holdout_file
    from mp09.release.handout import build_handout

    data = args.batches if args.data == "include" else None
    if data is None and holdout_file(args.batches).exists():
        raise ReleaseError(
            f"{holdout_file(args.batches)}: pictures are held out for the grader, and whoever fetches the data has "
            "them too. Use --data include."
        )
    out = build_handout(KIT, args.out, data=data)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {'with' if data else 'without'} data")
    return 0


def _gradescope(args: argparse.Namespace) -> int:
    from mp09.data.source import holdout_file
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
    held_out = " with held-out pictures" if holdout_file(args.batches).exists() else " (nothing is held out)"
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB{held_out}")
    return 0


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
    parser.add_argument("--isolation", choices=("auto", "sandboxed", "process"), default="auto", help=DEFAULT)
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
    )
    settings = replace(settings, isolation=batch.level_here(settings, place))
    pool = RayPool(args.address) if args.executor == "ray" else LocalPool(jobs)
    console = Console(stderr=True)
    if aside:
        print(f"left aside, no submissions: {', '.join(map(repr, aside))}")
    console.print(f"{len(handins)} submissions, isolation: {settings.isolation}", highlight=False)
    with Screen(console) as screen:
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
        pairs = similar.similar_pairs(args.grades / batch.COPIES, skeleton)
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


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress callback (what, done, total) that draws one bar a step on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total or None)

        yield progress


# (room that a command needs, function that adds it)
COMMANDS = (
    ("data", _add_data),
    ("grading", _add_doctor),
    ("release", _add_validate),
    ("release", _add_release),
    ("classroom", _add_grade_all),
    ("classroom", _add_report),
)
