"""Tests that a class is graded once, whatever happens meanwhile, and that a bad submission harms no other."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mp09.classroom.batch import BOOK, COPIES, default_jobs, default_memory_mib, default_threads, grade_all
from mp09.classroom.book_entry import FAULT, GRADED, UNREADABLE
from mp09.classroom.collect import collect
from mp09.classroom.gradebook import Gradebook
from mp09.classroom.pool import LocalPool
from mp09.classroom.ray_pool import RayPool
from mp09.classroom.student_submission import StudentSubmission
from mp09.classroom.task import Rules
from mp09.cli import main
from mp09.errors import ClassError
from mp09.grading.assignment import Assignment
from mp09.grading.sandbox.machine import usable_cores
from mp09.grading.sandbox.sandbox import Settings
from mp09.release.cases import UNTRAINED, edited
from mp09.release.strip import strip
from selftests.conftest import ROOT

REFERENCE = (ROOT / "submitted.py").read_text()
SKELETON = strip(REFERENCE).encode()
QUICK = edited(REFERENCE, UNTRAINED).encode()  # it does not train, and gets 40 points
HANGS = b"import time\ntime.sleep(1000)\n"
EXITS = b"import os\nos._exit(3)\n"
RULES = Rules(Settings(device="cpu", threads=1, isolation="process", precision="auto"), timeout_s=300)


class Nothing:
    """Acts as a pool, and fails when it gets work."""

    def run(self, work, assignment, rules):
        assert not list(work)
        yield from ()


@pytest.fixture
def assignment(small_data):
    return Assignment(ROOT, ROOT / "tests", small_data)


def submissions(**sources):
    return [StudentSubmission(key, key.title(), source) for key, source in sources.items()]


def book_of(out):
    with Gradebook(out / BOOK) as book:
        return {entry.key: entry for entry in book.entries()}


def test_a_class_is_graded_and_goes_on_where_it_was(assignment, tmp_path):
    anna, *others = submissions(anna=QUICK, ben=SKELETON, cho=EXITS, dan=None)
    given = [
        replace(anna, remark="the name"),
        *others,
        StudentSubmission("eve", "Eve", problem="not a zip"),
    ]
    progress = grade_all(given, tmp_path, pool=LocalPool(2), assignment=assignment, rules=RULES)
    assert (progress.done, progress.failed, progress.known) == (5, 1, 0)
    book = book_of(tmp_path)
    assert {key: entry.report and entry.report.score for key, entry in book.items()} == {
        **dict.fromkeys(["ben", "cho", "dan"], 0),
        "anna": 40,
        "eve": None,
    }
    assert (book["anna"].report.file_remark, book["ben"].report.file_remark) == ("the name", "")
    assert book["dan"].report.tests[0].diagnosis == "no-file"
    assert (book["eve"].status, book["eve"].problem) == (UNREADABLE, "not a zip")
    assert (tmp_path / COPIES / "anna" / "submitted.py").read_bytes() == QUICK

    again = grade_all(given, tmp_path, pool=Nothing(), assignment=assignment, rules=RULES)
    assert (again.total, again.known) == (0, 5)

    anew = [given[0], StudentSubmission("ben", "Ben", SKELETON + b"\n# again\n"), *given[2:]]
    assert grade_all(anew, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES).total == 1
    assert book_of(tmp_path)["ben"].digest != book["ben"].digest


def test_only_what_failed_is_tried_again(assignment, tmp_path):
    class Broken:
        def run(self, work, assignment, rules):
            from mp09.classroom.task import Outcome

            return ((key, "", Outcome(key, None, "out of order")) for key, _ in work)

    given = submissions(anna=SKELETON, ben=SKELETON)
    assert grade_all(given, tmp_path, pool=Broken(), assignment=assignment, rules=RULES).failed == 2
    assert {entry.status for entry in book_of(tmp_path).values()} == {FAULT}
    assert grade_all(given, tmp_path, pool=Nothing(), assignment=assignment, rules=RULES).total == 0
    assert (
        grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES, only_failed=True).failed == 0
    )
    assert {entry.status for entry in book_of(tmp_path).values()} == {GRADED}
    late = [*given, *submissions(cho=SKELETON)]
    again = grade_all(late, tmp_path, pool=Nothing(), assignment=assignment, rules=RULES, only_failed=True)
    assert (again.total, again.known) == (0, 2)


def test_one_book_holds_one_set_of_terms(assignment, tmp_path):
    given = submissions(dan=None)
    grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES)
    other = Rules(Settings(device="cpu", threads=1, isolation="process", seed=7, precision="auto"), timeout_s=300)
    with pytest.raises(ClassError, match="seed: 42 there, 7 now"):
        grade_all(given, tmp_path, pool=Nothing(), assignment=assignment, rules=other)
    assert book_of(tmp_path)["dan"].report.seed == 42
    grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=other, regrade=True)
    assert book_of(tmp_path)["dan"].report.seed == 7
    (before,) = tmp_path.glob("gradebook-*.sqlite")  # the old grades are kept
    with Gradebook(before) as book:
        assert book.entries()[0].report.seed == 42


def test_a_forced_precision_is_one_of_the_terms(assignment, tmp_path, monkeypatch):
    given = submissions(dan=None)
    grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES)
    monkeypatch.setenv("MP09_PRECISION", "bfloat16")
    other = Rules(Settings(device="cpu", threads=1, isolation="process"), timeout_s=300)
    with pytest.raises(ClassError, match="precision: auto there, bfloat16 now"):
        grade_all(given, tmp_path, pool=Nothing(), assignment=assignment, rules=other)


def test_a_regrading_that_was_cut_off_goes_on(assignment, tmp_path):
    class CutOff(LocalPool):
        def run(self, work, assignment, rules):
            return super().run(list(work)[:1], assignment, rules)

    given = submissions(dan=None, eve=None)
    grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES)
    grade_all(given, tmp_path, pool=CutOff(1), assignment=assignment, rules=RULES, regrade=True)
    assert grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES).total == 1


def test_a_hanging_submission_costs_itself_only(assignment, tmp_path):
    rules = Rules(RULES.settings, timeout_s=20)
    grade_all(submissions(mallory=HANGS, zoe=QUICK), tmp_path, pool=LocalPool(1), assignment=assignment, rules=rules)
    book = book_of(tmp_path)
    assert (book["mallory"].report.score, book["zoe"].report.score) == (0, 40)
    assert {test.diagnosis for test in book["mallory"].report.tests} == {"ended-time"}


def grading_processes():
    return [p for p in psutil.Process().children() if p.status() != "zombie" and "spawn_main" in " ".join(p.cmdline())]


def kill_grading_process():
    while not (found := grading_processes()):  # between fork and exec it has this process' command line
        time.sleep(0.01)
    found[0].kill()


def test_a_grading_process_that_dies_is_replaced(assignment):
    events = LocalPool(1).run([("anna", QUICK), ("ben", SKELETON)], assignment, RULES)
    assert next(events) == ("anna", "job 1", None)
    kill_grading_process()
    outcomes = [outcome for _, _, outcome in events if outcome]
    assert {outcome.key: outcome.report.score for outcome in outcomes} == {"anna": 40, "ben": 0}
    assert not grading_processes()


def test_a_grading_process_that_dies_twice_is_a_fault_and_leaves_nothing(assignment, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcomes = []
    for _, _, outcome in LocalPool(1).run([("anna", QUICK)], assignment, RULES):
        if outcome is None:
            kill_grading_process()
        else:
            outcomes.append(outcome)
    assert [(outcome.report, outcome.problem) for outcome in outcomes] == [(None, "the grading process ended, 2 times")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_run_leaves_no_process_and_goes_on(small_data, tmp_path):
    for number in range(6):
        folder = tmp_path / "class" / f"student-{number}"
        folder.mkdir(parents=True)
        (folder / "submitted.py").write_bytes(SKELETON)
    out = tmp_path / "grades"
    options = ["--out", out, "--data", small_data, "--device", "cpu", "--jobs", "1", "--isolation", "process"]
    command = [sys.executable, "-m", "mp09", "grade-all", tmp_path / "class", *options]
    (temporary := tmp_path / "tmp").mkdir()
    own = {**os.environ, "TMPDIR": str(temporary)}
    grader = subprocess.Popen(command, cwd=ROOT, env=own, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not (out / BOOK).exists() or not _count(out):
        assert time.monotonic() < limit
        time.sleep(0.1)
    family = psutil.Process(grader.pid).children(recursive=True)
    scratch = set(temporary.glob("mp09-*"))
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    assert family
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert scratch
    assert not set(temporary.glob("mp09-*"))
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
    assert len(book_of(out)) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("whole_group", [False, True])
def test_a_run_that_is_told_to_end_does_so_in_order(small_data, tmp_path, number, code, whole_group):
    folder, out, scratch = tmp_path / "class", tmp_path / "grades", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    sources = {"anna": SKELETON, "ben": SKELETON, "cho": HANGS, "dan": HANGS, "eve": SKELETON}
    for name, source in sources.items():
        (folder / f"{name}.py").write_bytes(source)
    options = ["--out", out, "--data", small_data, "--device", "cpu", "--jobs", "2", "--isolation", "process"]
    grader = subprocess.Popen(
        [sys.executable, "-m", "mp09", "grade-all", folder, *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in a shell's background ignore it
    )
    limit = time.monotonic() + 240
    while not (out / BOOK).exists() or _count(out) < 2:
        assert time.monotonic() < limit
        time.sleep(0.1)
    family = psutil.Process(grader.pid).children(recursive=True)
    os.killpg(grader.pid, number) if whole_group else grader.send_signal(number)
    words = grader.communicate(timeout=120)[1].splitlines()
    assert (grader.returncode, words[-1]) == (code, "terminated" if code == 143 else "interrupted")
    assert not [line for line in words if "Traceback" in line or "Error" in line]
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert not list(scratch.iterdir())
    assert {key: entry.report.score for key, entry in book_of(out).items()} == {"anna": 0, "ben": 0}


def test_a_copy_that_cannot_be_written_is_one_students_problem(assignment, tmp_path):
    (tmp_path / COPIES).mkdir()
    (tmp_path / COPIES / "anna").write_text("a file in its assignment")
    given = submissions(anna=SKELETON, ben=SKELETON)
    assert grade_all(given, tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES).failed == 1
    book = book_of(tmp_path)
    assert (book["anna"].status, book["ben"].status) == (FAULT, GRADED)
    assert "could not be written" in book["anna"].problem


def test_a_key_that_is_another_students_is_graded_anew(assignment, tmp_path):
    grade_all([StudentSubmission("a_b", "a@b")], tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES)
    assert (
        grade_all(
            [StudentSubmission("a_b", "a b")], tmp_path, pool=LocalPool(1), assignment=assignment, rules=RULES
        ).total
        == 1
    )
    assert book_of(tmp_path)["a_b"].name == "a b"


def _count(out: Path) -> int:
    try:
        return len(book_of(out))
    except ClassError:  # the book is still being made
        return 0


@pytest.mark.skipif(sys.platform != "linux", reason="Ray is tested on Linux")
@pytest.mark.proof  # features/test_on_ray.py is the sample of what needs Ray
@pytest.mark.usefixtures("untraced")
def test_a_ray_cluster_gives_the_same(assignment, tmp_path):
    pytest.importorskip("ray")
    given = submissions(anna=QUICK, ben=SKELETON, cho=EXITS)
    grade_all(given, tmp_path / "local", pool=LocalPool(1), assignment=assignment, rules=RULES)
    grade_all(given, tmp_path / "ray", pool=RayPool(), assignment=assignment, rules=RULES)
    local, ray = book_of(tmp_path / "local"), book_of(tmp_path / "ray")
    assert {k: (e.status, e.report.tests) for k, e in local.items()} == {
        k: (e.status, e.report.tests) for k, e in ray.items()
    }


def test_jobs_and_threads_use_each_core_once():
    assert 1 <= default_jobs() <= usable_cores()
    assert default_threads(1) == usable_cores()
    assert default_threads(usable_cores()) == 1
    assert default_threads(100) == 1


def test_the_memory_limit_is_the_same_for_fewer_jobs():
    assert default_memory_mib(1) == default_memory_mib(usable_cores()) >= default_memory_mib(1000)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda folder: None, [], "no submissions"),
        (lambda folder: folder.rmdir(), [], "no such folder"),
        (lambda folder: (folder / "submitted.py").write_text(""), [], "is one submission"),
        (lambda folder: (folder / "a.py").write_text(""), ["--jobs", "0"], "--jobs"),
        (lambda folder: (folder / "a.py").write_text(""), ["--seed", "-1"], "--seed"),
        (lambda folder: (folder / "a.py").write_text(""), ["--timeout", "nan"], "--timeout"),
        (lambda folder: (folder / "a.py").write_text(""), ["--data", "/nowhere"], "/nowhere"),
        (lambda folder: (folder / "a.py").write_text(""), ["--require-isolation"], 'below the required "sandboxed"'),
    ],
)
def test_bad_input_is_one_line(small_data, tmp_path, capsys, make, options, message):
    folder = tmp_path / "class"
    folder.mkdir()
    make(folder)
    base = ["grade-all", str(folder), "--out", str(tmp_path / "grades"), "--isolation", "process"]
    assert main([*base, *(["--data", str(small_data)] if "--data" not in options else []), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "grades" / BOOK).exists()


def test_a_folder_that_cannot_be_made(assignment, tmp_path):
    (tmp_path / "grades").write_text("a file")
    with pytest.raises(ClassError, match="grades"):
        grade_all(submissions(dan=None), tmp_path / "grades", pool=Nothing(), assignment=assignment, rules=RULES)


def test_collected_and_graded_by_the_command(small_data, tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "anna.py").write_bytes(SKELETON)
    (folder / "ben.zip").write_bytes(b"broken")
    options = ["--out", str(tmp_path / "grades"), "--data", str(small_data), "--jobs", "1", "--device", "cpu"]
    assert [submission.key for submission in collect(folder)[0]] == ["anna", "ben"]
    assert main(["grade-all", str(folder), *options]) == 1
    assert "graded 1, failed 1, as before 0" in capsys.readouterr().out
    assert book_of(tmp_path / "grades")["anna"].report.sandbox in ("sandboxed", "process")
