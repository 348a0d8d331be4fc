"""Grades a class: are the cores busy, what does a submission cost besides its own work, what survives a kill?

    python -m benchmarks.grade_class jobs      # 60 submissions: two jobs of one thread against one job of two threads
    python -m benchmarks.grade_class cost      # what each further submission that does nothing takes
    python -m benchmarks.grade_class kill      # SIGKILL at five random moments, then to the end: the undisturbed book?
    python -m benchmarks.grade_class mixed     # 30 submissions, 10 of them hostile, two at a time: do the honest ones
                                               # get what they get without the hostile ones and one at a time?
    python -m benchmarks.grade_class ray       # on a Ray cluster of this machine, one worker killed: the same book?

The submissions are the controls, mutants and attacks of selftests, and they are graded on synthetic images.
It does not cover a cluster of several machines.
"""

import argparse
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.grading.sandbox.usage import family
from mp09.release.cases import ATTACKS, BRIEF, MUTANTS, edited, load_cases
from mp09.release.strip import strip

ROOT = Path(__file__).resolve().parents[1]
COUNT = 60
HOSTILE = (
    *(
        "flow/exit_at_import",
        "flow/segfault",
        "flow/many_daemons",
        "flow/loop_in_c",
        "forging/writes_results",
    ),
    *("forging/answers_too_much", "forging/nasty_words", "leaks/leaves_shared_memory", "resources/memory_slowly"),
    *("resources/fork_bomb", "resources/disk", "resources/output", "objects/pickle_payload"),
)
TIMES = ("seconds", "memory_mib")


def make_class(folder: Path, *, samples: int, count: int = COUNT) -> Path:
    """Make `count` submissions: a third wrong, a third hostile (if there are as many), and the rest correct."""
    reference = (ROOT / "submitted.py").read_text()
    brief = edited(edited(reference, BRIEF), [("num_samples=1600", f"num_samples={samples}")])
    cases = load_cases(ROOT / "selftests" / "submissions", ROOT / "submitted.py")
    wrong = [case for case in cases if case.kind == MUTANTS and "unfrozen" not in case.name][::3][: count // 3]
    hostile = [case for case in cases if case.kind == ATTACKS and case.name in HOSTILE][: count // 3]
    for case in (*wrong, *hostile):
        own = folder / case.name.replace("/", "-")
        own.mkdir(parents=True)
        case.build(own)
        if case in wrong:
            text = (own / "submitted.py").read_text()
            (own / "submitted.py").write_text(text.replace("num_samples=1600", f"num_samples={samples}"))
    for number in range(count - len(wrong) - len(hostile)):
        own = folder / f"correct-{number:02}"
        own.mkdir(parents=True)
        (own / "submitted.py").write_text(f"# {number}\n{brief}")
    return folder


def command(submissions: Path, out: Path, data: Path, *options: str) -> list[str | Path]:
    limits = ("--device", "cpu", "--memory", "3072", "--timeout", "40")
    return [sys.executable, "-m", "mp09", "grade-all", submissions, "--out", out, "--data", data, *limits, *options]


def run(submissions: Path, out: Path, data: Path, *options: str) -> tuple[float, float]:
    """Grade a class; return the seconds that takes, and the processor seconds of all processes."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command(submissions, out, data, *options), cwd=ROOT, capture_output=True, text=True)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def contents(out: Path) -> list[tuple[tuple[str, object], ...]]:
    """Return all rows of a gradebook, without times and memory."""
    book = sqlite3.connect(out / "gradebook.sqlite")
    book.row_factory = sqlite3.Row
    rows = [dict(row) for table in ("submission", "test") for row in book.execute(f"SELECT * FROM {table}")]
    book.close()
    return sorted(tuple((k, v) for k, v in row.items() if k not in TIMES) for row in rows)


def jobs(folder: Path) -> int:
    data = make_data(folder, per_file=400)
    submissions = make_class(folder / "class", samples=1600)
    two, two_busy = run(submissions, folder / "two", data, "--jobs", "2", "--threads", "1")
    one, one_busy = run(submissions, folder / "one", data, "--jobs", "1", "--threads", "2")
    print(f"two jobs of one thread: {two:.0f} s, {two_busy / two:.2f} cores busy")
    print(f"one job of two threads: {one:.0f} s, {one_busy / one:.2f} cores busy")
    print(f"ratio {one / two:.2f} goal 1.00")
    return int(one < two or two_busy / two < 1.8)


def cost(folder: Path) -> int:
    data = make_data(folder, per_file=400)
    skeleton = strip((ROOT / "submitted.py").read_text())
    seconds = {}
    for count in (5, 45):
        for number in range(count):
            own = folder / str(count) / f"student-{number}"
            own.mkdir(parents=True)
            (own / "submitted.py").write_text(skeleton)
        seconds[count] = run(folder / str(count), folder / f"out-{count}", data, "--jobs", "1")[0]
    each = (seconds[45] - seconds[5]) / 40
    print(f"5 in {seconds[5]:.1f} s, 45 in {seconds[45]:.1f} s: {each:.2f} s for each further submission, goal 1.0")
    return int(each > 1.0)


def kill(folder: Path) -> int:
    data = make_data(folder, per_file=80)
    submissions = make_class(folder / "class", samples=160)
    whole, _ = run(submissions, folder / "whole", data)
    random.seed(0)
    for number in range(5):
        grader = subprocess.Popen(
            command(submissions, folder / "killed", data),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0.1, 0.2) * whole)
        if grader.poll() is not None:
            raise SystemExit("the run ended before it could be killed")
        family = psutil.Process(grader.pid).children(recursive=True)
        grader.send_signal(signal.SIGKILL)
        grader.wait()
        alive = psutil.wait_procs(family, timeout=30)[1]
        print(f"killed {number + 1}: {rows_in(folder / 'killed')} rows in the book, {len(alive)} processes survive")
    run(submissions, folder / "killed", data)
    print(f"undisturbed in {whole:.0f} s")
    return differences(folder / "whole", folder / "killed")


def mixed(folder: Path) -> int:
    data = make_data(folder, per_file=400)
    everybody = make_class(folder / "class", samples=1600, count=30)
    honest = folder / "honest"
    honest.mkdir()
    hostile = {name.replace("/", "-") for name in HOSTILE}
    for own in everybody.iterdir():
        if own.name not in hostile:
            shutil.copytree(own, honest / own.name)
    together, _ = run(everybody, folder / "together", data, "--jobs", "2", "--threads", "1")
    alone, _ = run(honest, folder / "alone", data, "--jobs", "1", "--threads", "1")
    print(f"30 submissions, two at a time: {together:.0f} s; the 20 honest ones, one at a time: {alone:.0f} s")
    book = sqlite3.connect(folder / "together" / "gradebook.sqlite")
    book.execute("PRAGMA foreign_keys = ON")
    book.executemany("DELETE FROM submission WHERE key = ?", [(name,) for name in hostile])
    book.commit()
    book.close()
    return differences(folder / "together", folder / "alone")


def ray(folder: Path) -> int:
    data = make_data(folder, per_file=80)
    submissions = make_class(folder / "class", samples=160)
    run(submissions, folder / "local", data)
    grader = subprocess.Popen(
        command(submissions, folder / "ray", data, "--executor", "ray"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (victims := [p for p in ray_workers(grader) if rows_in(folder / "ray") > 100]):
        time.sleep(0.5)
        if grader.poll() is not None:
            raise SystemExit("the run ended before a worker could be killed")
    victims[0].kill()
    print(f"killed a worker with {rows_in(folder / 'ray')} rows in the book")
    grader.wait()
    return differences(folder / "local", folder / "ray")


def ray_workers(grader: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the processes that grade at this moment."""
    return [child for child in family(grader.pid) if "ray::_grade" in line_of(child)]


def line_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return ""


def rows_in(out: Path) -> int:
    try:
        return len(contents(out))
    except sqlite3.OperationalError:  # the book is being made
        return 0


def differences(one: Path, other: Path) -> int:
    """Print in which rows two gradebooks differ, and return the number of these rows."""
    rows, others = contents(one), contents(other)
    pairs = [(row, twin) for row, twin in zip(rows, others, strict=False) if row != twin]
    count = len(pairs) + abs(len(rows) - len(others))
    print(f"the books are {'DIFFERENT' if count else 'identical'} but for times")
    for row, twin in pairs[:5]:
        print(dict(row)["key"], *(f"{item!r:.200}" for item in set(row) ^ set(twin)))
    return count


def make_data(folder: Path, per_file: int) -> Path:
    data = folder / "cifar10_batches"
    make_batches(data, from_synthetic(0), per_file=per_file, holdout=80, secret=0)
    return data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"jobs": jobs, "cost": cost, "kill": kill, "mixed": mixed, "ray": ray}
    parser.add_argument("part", choices=parts)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mp09-class-") as folder:
        return parts[args.part](Path(folder))


if __name__ == "__main__":
    sys.exit(main())
