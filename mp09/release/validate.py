"""Proves that the rubric works on this machine: each of many known submissions must get exactly its expected points.

The folder of these submissions holds three kinds of cases:

    correct/*.py     controls: correct solutions that differ in structure
    mutants.py       MUTANTS: mistakes that students make, as edits of the reference solution
    attacks/*/*.py   what a malicious submission may try, by group; attacks/shapes.py builds those that are not one
                     text file

Controls and attacks say in their first comment lines what they must get:

    # Kills the grader.
    # points: 40            exactly so many; controls must get 100 unless they say otherwise
    # either: 10            for controls: so many points fewer are right, too, where the accuracy can't be kept clear of
                            a step; say why
    # base: untrained       this text is put behind the reference ("reference"), behind one that trains briefly
                            ("brief"), or behind one whose run_model() does not train ("untrained", 40 points)
    # diagnosis: syntax     a diagnosis that must be named
    # seconds: 20           for attacks: time limit for the whole grading (60 unless they say otherwise)
"""

import importlib.util
import json
import random
import re
import site
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.table import Table
from rich.text import Text

from mp09 import precision
from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.errors import GradingError, ReleaseError
from mp09.files import scratch_folder
from mp09.grading import rubric
from mp09.grading.assignment import Assignment, GradeOptions
from mp09.grading.grade import grade
from mp09.grading.report import GradeReport
from mp09.grading.sandbox.isolation import PROCESS, SHARED_MEMORY
from mp09.grading.sandbox.leftovers import FOR_EVERYBODY
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.release.strip import strip

CONTROLS, MUTANTS, ATTACKS = "controls", "mutants", "attacks"
MARKER = "mp09_attack"  # every file that an attack tries to leave behind has it in its name; see `_marker`
BRIEF = (("num_samples=6400", "num_samples=1600"), ('{"lr": 3e-3}', '{"lr": 5e-3}'))
UNTRAINED = (
    ("    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model", "    return model"),
    ("features = self.backbone(x.to(memory_format=torch.channels_last))", "features = x.flatten(1)[:, :512]"),  # quick
)
ATTACK_SECONDS = 60.0
MEMORY_MIB = 3072  # small, so that several submissions may run into it at the same time
GRACE_SECONDS = 20.0  # after the time limit, for ending processes and writing results
SAMPLE_POINTS = 25.0  # the reference gets these with --only dataset
MARGIN = 0.02  # accuracies must be so far from the steps that other processors' arithmetic gives the same points


@dataclass(frozen=True)
class Case:
    """Describes one submission and the result that it must get.

    Attributes:
        kind: CONTROLS, MUTANTS or ATTACKS.
        name: the case's name, unique among its kind.
        build: writes the submission into an empty folder.
        points: what it must get, exactly.
        diagnosis: the key of a diagnosis that must be named; "" for any or none.
        advice: words that must be in the advice; "" for any or none.
        seconds: the time limit for the whole grading.
        counts: False when the rubric can't tell it from a correct solution.
        either: so many points fewer are right, too.
    """

    kind: str
    name: str
    build: Callable[[Path], None]
    points: float
    diagnosis: str = ""
    advice: str = ""
    seconds: float = 900.0
    counts: bool = True
    either: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Holds the result of a case.

    Attributes:
        kind, name: the case's.
        ok: whether all is as it must be.
        points: what the submission got; None when the grader could not run.
        expected: what it must get.
        diagnoses: the keys of the diagnoses that were named, sorted.
        seconds: how long the grading took.
        problem: what is not as it must be; "" if `ok`.
        margin: how far the accuracy is from the nearest step that decides about points; None when it was not measured,
            or when the case allows two results (`either`).
    """

    kind: str
    name: str
    ok: bool
    points: float | None
    expected: float
    diagnoses: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    margin: float | None = None


@dataclass(frozen=True)
class Validation:
    """Holds the results of all cases, the level of isolation, the duration in seconds, and remarks."""

    rows: tuple[Verdict, ...]
    isolation: str
    seconds: float
    remarks: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def of(self, kind: str) -> list[Verdict]:
        return [row for row in self.rows if row.kind == kind]

    def as_json(self) -> dict[str, Any]:
        tables = {
            kind: {"total": len(rows), "ok": sum(row.ok for row in rows), "rows": [asdict(row) for row in rows]}
            for kind, rows in ((kind, self.of(kind)) for kind in (CONTROLS, MUTANTS, ATTACKS))
        }
        return {"isolation": self.isolation, "seconds": self.seconds, "remarks": list(self.remarks), **tables}


def table(validation: Validation) -> Table:
    """Return a table for the terminal, with one line for each case."""
    title = f"isolation: {validation.isolation}"
    table = Table("", "case", "points", "must be", "margin", "diagnoses", "s", title=title)
    for kind in (CONTROLS, MUTANTS, ATTACKS):
        rows = validation.of(kind)
        for row in rows:
            got = "none" if row.points is None else f"{row.points:g}"
            mark = Text("✓", "green") if row.ok else Text("✗", "bold red")
            words = ", ".join(row.diagnoses) if row.ok else row.problem
            margin = "" if row.margin is None else f"{row.margin:.3f}"
            name, seconds = f"{kind[:-1]} {row.name}", f"{row.seconds:.0f}"
            table.add_row(mark, name, got, f"{row.expected:g}", margin, words, seconds)
        if rows:
            table.add_row("", f"{sum(row.ok for row in rows)} of {len(rows)} {kind}", end_section=True)
    table.caption = "; ".join([f"{validation.seconds:.0f} s", *validation.remarks])
    return table


def load_cases(folder: Path, reference: Path) -> list[Case]:
    """Load all cases of a folder of submissions; the reference itself and its skeleton are controls, too.

    Args:
        folder: has the layout that is described at the top of this file.
        reference: the reference solution.

    Raises:
        ReleaseError: an attack says nothing about its points, or an edit does not fit the reference.
    """
    source = reference.read_text(encoding="utf-8")
    brief = edited(source, BRIEF)
    bases = {"reference": source, "brief": brief, "untrained": edited(source, UNTRAINED)}
    cases = [_control("reference", source, bases), _skeleton(source)]
    for path in sorted(folder.glob("correct/*.py")):
        cases.append(_control(path.stem, path.read_text(encoding="utf-8"), bases))
    for mutant in _module(folder / "mutants.py").MUTANTS:
        text = edited(brief, mutant.edits)
        cases.append(
            Case(
                MUTANTS,
                mutant.name,
                _file(text),
                mutant.points,
                diagnosis=mutant.diagnosis,
                advice=mutant.advice,
                counts=not mutant.equivalent,
            )
        )
    for path in sorted(folder.glob("attacks/*/*.py")):
        cases.append(_attack(f"{path.parent.name}/{path.stem}", path.read_text(encoding="utf-8"), bases))
    if (shapes := folder / "attacks" / "shapes.py").exists():
        for name, (points, build) in _module(shapes).SHAPES.items():
            cases.append(Case(ATTACKS, f"shape/{name}", _shape(build, bases), points, seconds=ATTACK_SECONDS))
    return cases


# Called with the result of a case, the number of finished cases, and the number of all.
Told = Callable[[Verdict, int, int], None]


def edited(source: str, edits: Iterable[tuple[str, str]]) -> str:
    """Return the source after all edits, each a pair (old text, new text).

    Raises ReleaseError when an old text does not occur exactly once.
    """
    for old, new in edits:
        if source.count(old) != 1:
            raise ReleaseError(f"{source.count(old)} places for {old!r}, expected 1: the reference has changed.")
        source = source.replace(old, new)
    return source


def validate(
    cases: list[Case],
    *,
    kit: Path,
    tests: Path,
    data: Path | None = None,
    jobs: int = 1,
    threads: int = 1,
    isolation: str = "auto",
    progress: Told | None = None,
) -> Validation:
    """Grade every case and check the results.

    At level "process" attacks are left out, and a remark says so, because that level is no security boundary.

    Args:
        cases: what to grade.
        kit: the repository.
        tests: the folder with the rubric's tests.
        data: a data folder. By default a small synthetic one is made, with 400 images in each file and 240 held out;
            on that one, accuracies must also keep MARGIN from the steps that decide about points.
        jobs: how many cases are graded at a time.
        threads: PyTorch's threads in each grading.
        isolation: the level of isolation, or "auto" for the highest that this machine offers.
        progress: called with the result of a case, the number of finished cases, and the number of all.

    Raises:
        GradingError: this machine does not offer the level of isolation.
        DataError: the data folder is missing or damaged.
    """
    if data is not None:
        return _validate(cases, Assignment(kit, tests, data), jobs, threads, isolation, progress)
    with scratch_folder() as folder:  # workers with a user id of their own can pass through it
        data = folder / "cifar10_batches"
        # The secret is fixed, so that every run has the same held-out images. It was chosen among several because
        # with it the reference is far from the steps: the rubric is validated, not how good the reference is.
        make_batches(data, from_synthetic(0), per_file=400, holdout=240, secret=14)
        found = _validate(cases, Assignment(kit, tests, data), jobs, threads, isolation, progress)
        return replace(found, rows=tuple(map(_clear_of_steps, found.rows)))


def _validate(
    cases: list[Case],
    assignment: Assignment,
    jobs: int,
    threads: int,
    isolation: str,
    progress: Told | None,
) -> Validation:
    started = time.monotonic()
    settings = Settings(device="cpu", threads=threads, memory_mib=MEMORY_MIB, isolation=isolation)
    guarded = assignment.private_parts
    idle: list[Sandbox] = [Sandbox(settings, guarded=guarded, close=True) for _ in range(jobs)]
    level, remarks = idle[0].level, list(idle[0].remarks)
    if settings.precision != precision.AUTO:
        remarks.append(f"precision: {settings.precision}, forced")
    if level == PROCESS:
        remarks.append('attacks were left out: level "process" is no security boundary')
        cases = [case for case in cases if case.kind != ATTACKS]
    rows, lock = [], threading.Lock()

    def run(case: Case) -> None:
        with lock:
            sandbox = idle.pop()
        try:
            row = run_case(case, sandbox, assignment)
        finally:
            with lock:
                idle.append(sandbox)
        with lock:
            rows.append(row)
            if progress:
                progress(row, len(rows), len(cases))

    try:
        with ThreadPoolExecutor(jobs) as pool:
            # Controls take longest and come first. The others are mixed, so that attacks, many of which only wait,
            # run beside submissions that train.
            mixed = random.Random(0).sample(cases, len(cases))
            list(pool.map(run, sorted(mixed, key=lambda case: case.kind != CONTROLS)))
    finally:
        for sandbox in idle:
            sandbox.close()
    order = {(case.kind, case.name): i for i, case in enumerate(cases)}
    rows.sort(key=lambda row: order[row.kind, row.name])
    return Validation(tuple(rows), level, round(time.monotonic() - started, 1), tuple(remarks))


def run_case(case: Case, sandbox: Sandbox, assignment: Assignment) -> Verdict:
    """Grade one case and check the result; for an attack, also what it left behind, and that the next one is unharmed.

    Args:
        case: what to grade.
        sandbox: where it runs.
        assignment: where the repository, the rubric's tests and the data lie.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mp09-case-") as scratch:
        folder, out = Path(scratch) / "submission", Path(scratch) / "results" / "results.json"
        folder.mkdir()
        out.parent.mkdir()
        case.build(folder)
        report, problems = None, []
        try:
            report = grade(folder, assignment, GradeOptions(timeout_s=case.seconds), out=out, sandbox=sandbox)
            problems += _wrong(case, report)
            problems += _wrong_file(out, report)
        except GradingError as error:
            problems.append(f"the grader could not run: {error}")
        seconds = time.monotonic() - started
        if seconds > case.seconds + GRACE_SECONDS:
            problems.append(f"took {seconds:.0f} s, {case.seconds:.0f} allowed")
    if case.kind == ATTACKS:
        problems += _left_behind(sandbox, assignment.kit, _marker(case.name))
        problems += _next_one(sandbox, assignment)
    return Verdict(
        kind=case.kind,
        name=case.name,
        ok=not problems,
        points=report.score if report else None,
        expected=case.points,
        diagnoses=tuple(sorted({test.diagnosis for test in report.tests if test.diagnosis})) if report else (),
        seconds=round(seconds, 1),
        problem="; ".join(problems),
        margin=_margin(report) if report and not case.either else None,
    )


def _margin(report: GradeReport) -> float | None:
    """Return how far the accuracy is from the nearest step that decides about points, or None without an accuracy."""
    if report.accuracy is None:
        return None
    steps: tuple[float, ...] = (rubric.TRAINED_ACCURACY, *rubric.ACCURACY_STEPS)
    if "not-a-function" in {test.diagnosis for test in report.tests}:  # it loses the last step's points at any accuracy
        steps = steps[:-1]
    return round(min(abs(report.accuracy - step) for step in steps), 4)


def _clear_of_steps(row: Verdict) -> Verdict:
    """Mark a result as wrong if another processor's arithmetic might change its points."""
    if row.margin is None or row.margin >= MARGIN:
        return row
    words = f"the accuracy is {row.margin:.4f} from a step, expected {MARGIN:g} or more"
    return replace(row, ok=False, problem="; ".join(filter(None, [row.problem, words])))


def _wrong(case: Case, report: GradeReport) -> list[str]:
    problems = []
    if not case.points - case.either <= report.score <= case.points:
        problems.append(f"{report.score:g} points, expected {case.points:g}")
    if report.status != "graded":
        problems.append(f"the grader reports a fault of its own: {[t.output for t in report.tests if t.status][:1]}")
    if case.diagnosis and case.diagnosis not in {test.diagnosis for test in report.tests}:
        problems.append(f"diagnosis {case.diagnosis} not named")
    if case.advice and not any(case.advice in text for test in report.tests for text in test.advice):
        problems.append(f"advice not given: {case.advice}")
    return problems


def _wrong_file(out: Path, report: GradeReport) -> list[str]:
    """Check that the results file was written by the grader, and agrees with the report."""
    try:
        written = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"results.json: {error}"]
    same = (written["score"], len(written["tests"])) == (report.score, len(report.tests))
    return [] if same else ["results.json is not the report"]


def _left_behind(sandbox: Sandbox, kit: Path, marker: str) -> list[str]:
    problems = [f"{count} processes survive"] if (count := sandbox.leftovers()) else []
    shared = [Path(place) for place in (SHARED_MEMORY, *FOR_EVERYBODY)]
    places = [Path(tempfile.gettempdir()), *shared, Path.home(), Path.cwd(), kit, kit.parent]
    places += [Path(json.__file__).parent, *(Path(path) for path in site.getsitepackages())]
    found = {str(path) for place in places if place.is_dir() for path in place.glob(f"*{marker}*")}
    return problems + [f"left behind: {path}" for path in sorted(found)]


def _next_one(sandbox: Sandbox, assignment: Assignment) -> list[str]:
    """Check that the reference still passes its data tests in the same sandbox after an attack."""
    report = grade(assignment.kit / "submitted.py", assignment, GradeOptions(only="dataset"), sandbox=sandbox)
    return [] if report.score == SAMPLE_POINTS else [f"the next submission got {report.score:g} of {SAMPLE_POINTS:g}"]


def _control(name: str, text: str, bases: dict[str, str]) -> Case:
    header = _header(text)
    text = _on_base(header, text, bases)
    points, either = float(header.get("points", 100)), float(header.get("either", 0))
    return Case(CONTROLS, name, _file(text), points, header.get("diagnosis", ""), either=either)


def _skeleton(source: str) -> Case:
    return Case(CONTROLS, "skeleton", _file(strip(source)), 0.0, "not-written")


def _attack(name: str, text: str, bases: dict[str, str]) -> Case:
    header = _header(text)
    if "points" not in header:
        raise ReleaseError(f"{name}: says nothing about its points.")
    seconds = float(header.get("seconds", ATTACK_SECONDS))
    text = _on_base(header, text, bases).replace(MARKER, _marker(name))
    return Case(ATTACKS, name, _file(text), float(header["points"]), header.get("diagnosis", ""), seconds=seconds)


def _on_base(header: dict[str, str], text: str, bases: dict[str, str]) -> str:
    return f"{bases[header['base']]}\n\n{text}" if "base" in header else text


def _marker(name: str) -> str:
    """Return the marker of one attack. Each has its own, because others run beside it."""
    return f"{MARKER}_{name.replace('/', '_')}"


def _header(text: str) -> dict[str, str]:
    """Return the `# key: value` lines among the first comment lines, as a dict."""
    comments = takewhile(lambda line: line.startswith("#"), text.split("\n"))
    found = [re.match(r"# (points|either|base|seconds|diagnosis): (\S+)", line) for line in comments]
    return {match[1]: match[2] for match in found if match}


def _file(text: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "submitted.py").write_text(text, encoding="utf-8")

    return build


def _shape(build: Callable[[Path, str], None], bases: dict[str, str]) -> Callable[[Path], None]:
    return lambda folder: build(folder, bases["untrained"])


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"submissions_{path.stem}", path)
    assert spec is not None  # the path is that of a .py file
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module there
    spec.loader.exec_module(module)
    return module
