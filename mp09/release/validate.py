"""Proves that the rubric works here: every control, mutant and attack must get exactly what it must get.

A folder of submissions holds

    correct/*.py     controls: solutions that differ in structure
    mutants.py       MUTANTS: mistakes, as edits of the reference
    attacks/*/*.py   what a submission may try, by group; attacks/shapes.py builds those that are not one text file

Controls and attacks say in their first comment lines what they must get:

    # Kills the grader.
    # points: 40            exactly; controls: 100 unless they say otherwise
    # either: 10            so many points fewer will do, where accuracy can't be kept clear of a step; say why
    # base: untrained       this text follows the reference ("reference"), one that trains briefly ("brief"), or one
                            whose run_model() does not train ("untrained", 40 points)
    # seconds: 20           time limit for the whole grading
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
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mp09 import precision
from mp09.data.prepare import make_batches
from mp09.data.sources import from_synthetic
from mp09.errors import GradingError, ReleaseError
from mp09.files import scratch_folder
from mp09.grading import rubric
from mp09.grading.grade import grade, private_parts
from mp09.grading.isolation import PROCESS, SHARED_MEMORY
from mp09.grading.leftovers import FOR_EVERYBODY
from mp09.grading.report import GradeReport
from mp09.grading.sandbox import Sandbox, Settings
from mp09.release.strip import strip

CONTROLS, MUTANTS, ATTACKS = "controls", "mutants", "attacks"
MARKER = "mp09_attack"  # in the name of every file that an attack tries to leave behind; see `_marker`
BRIEF = (("num_samples=6400", "num_samples=1600"), ('{"lr": 3e-3}', '{"lr": 5e-3}'))
UNTRAINED = (
    ("    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model", "    return model"),
    ("features = self.backbone(x.to(memory_format=torch.channels_last))", "features = x.flatten(1)[:, :512]"),  # quick
)
ATTACK_SECONDS = 60.0
MEMORY_MIB = 3072  # small, that several may run into it at a time
GRACE_SECONDS = 20.0  # for ending processes and writing results after the time limit
SAMPLE_POINTS = 25.0  # of the reference with --only dataset
MARGIN = 0.02  # that accuracies keep from the steps, so that processors with other arithmetic give the same points


@dataclass(frozen=True)
class Case:
    """One submission and what must come of it.

    build: writes it into an empty folder; points: exactly; diagnosis: a key that must be named, "" for any;
    advice: words that must be said; counts: False when the rubric can't tell it from a correct solution;
    either: so many points fewer are right too.
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
class Row:
    """What came of a case. problem: "" when all is as it must be.

    margin: how far the accuracy is from the nearest step that decides about points; None when none was measured.
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
    """All rows, and where they came from."""

    rows: tuple[Row, ...]
    isolation: str
    seconds: float
    remarks: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row.kind == kind]

    def as_json(self) -> dict[str, Any]:
        tables = {
            kind: {"total": len(rows), "ok": sum(row.ok for row in rows), "rows": [asdict(row) for row in rows]}
            for kind, rows in ((kind, self.of(kind)) for kind in (CONTROLS, MUTANTS, ATTACKS))
        }
        return {"isolation": self.isolation, "seconds": self.seconds, "remarks": list(self.remarks), **tables}


def table(validation: Validation) -> Table:
    """One line a case, for the terminal."""
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
    """All cases of a folder of submissions. Raises ReleaseError when one says nothing about its points."""
    source = reference.read_text(encoding="utf-8")
    brief = edited(source, BRIEF)
    bases = {"reference": source, "brief": brief, "untrained": edited(source, UNTRAINED)}
    cases = [_control("reference", source, bases), _skeleton(source)]
    for path in sorted(folder.glob("correct/*.py")):
        cases.append(_control(path.stem, path.read_text(encoding="utf-8"), bases))
    for mutant in _module(folder / "mutants.py").MUTANTS:
        text = edited(brief, mutant.edits)
        fields = {"diagnosis": mutant.diagnosis, "advice": mutant.advice, "counts": not mutant.equivalent}
        cases.append(Case(MUTANTS, mutant.name, _file(text), mutant.points, **fields))
    for path in sorted(folder.glob("attacks/*/*.py")):
        cases.append(_attack(f"{path.parent.name}/{path.stem}", path.read_text(encoding="utf-8"), bases))
    if (shapes := folder / "attacks" / "shapes.py").exists():
        for name, (points, build) in _module(shapes).SHAPES.items():
            cases.append(Case(ATTACKS, f"shape/{name}", _shape(build, bases), points, seconds=ATTACK_SECONDS))
    return cases


def edited(source: str, edits: Iterable[tuple[str, str]]) -> str:
    """The source with each (old, new) replaced. Raises ReleaseError when one does not apply exactly once."""
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
    progress: Callable[[Row, int, int], None] | None = None,
) -> Validation:
    """Grade every case, `jobs` at a time, and check what came of it.

    Without `data`, on a small drawn set (400 pictures a file, 240 held out), where accuracies must keep MARGIN from
    the steps that decide.
    Attacks need level "sandboxed": at level "process" they are left out, and a remark says so.
    """
    started = time.monotonic()
    if data is None:
        with scratch_folder() as folder:  # workers with a user id of their own pass through it
            data = folder / "cifar10_batches"
            # A known secret: the same held-out images on every run. Among several, these keep the reference far
            # from the steps: what is validated is the rubric, not how well the reference does.
            make_batches(data, from_synthetic(0), per_file=400, holdout=240, secret=14)
            options = {"jobs": jobs, "threads": threads, "isolation": isolation, "progress": progress}
            found = validate(cases, kit=kit, tests=tests, data=data, **options)
            return replace(found, rows=tuple(map(_clear_of_steps, found.rows)))
    settings = Settings(device="cpu", threads=threads, memory_mib=MEMORY_MIB, isolation=isolation)
    guarded = private_parts(kit, tests, data)
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
            row = run_case(case, sandbox, kit=kit, tests=tests, data=data)
        finally:
            with lock:
                idle.append(sandbox)
        with lock:
            rows.append(row)
            if progress:
                progress(row, len(rows), len(cases))

    try:
        with ThreadPoolExecutor(jobs) as pool:
            # The long ones first, then in a mixed order: attacks, many of which wait, beside trainings.
            mixed = random.Random(0).sample(cases, len(cases))
            list(pool.map(run, sorted(mixed, key=lambda case: case.kind != CONTROLS)))
    finally:
        for sandbox in idle:
            sandbox.close()
    order = {(case.kind, case.name): i for i, case in enumerate(cases)}
    rows.sort(key=lambda row: order[row.kind, row.name])
    return Validation(tuple(rows), level, round(time.monotonic() - started, 1), tuple(remarks))


def run_case(case: Case, sandbox: Sandbox, *, kit: Path, tests: Path, data: Path) -> Row:
    """Grade one case, and look at what it left behind."""
    started = time.monotonic()
    options = {"kit": kit, "tests": tests, "data": data, "sandbox": sandbox}
    with tempfile.TemporaryDirectory(prefix="mp09-case-") as scratch:
        folder, out = Path(scratch) / "submission", Path(scratch) / "results" / "results.json"
        folder.mkdir()
        out.parent.mkdir()
        case.build(folder)
        report, problems = None, []
        try:
            report = grade(folder, out=out, timeout_s=case.seconds, **options)
            problems += _wrong(case, report)
            problems += _wrong_file(out, report)
        except GradingError as error:
            problems.append(f"the grader could not run: {error}")
        seconds = time.monotonic() - started
        if seconds > case.seconds + GRACE_SECONDS:
            problems.append(f"took {seconds:.0f} s, {case.seconds:.0f} allowed")
    if case.kind == ATTACKS:
        problems += _left_behind(sandbox, kit, _marker(case.name))
        problems += _next_one(options)
    return Row(
        kind=case.kind,
        name=case.name,
        ok=not problems,
        points=report and report.score,
        expected=case.points,
        diagnoses=tuple(sorted({test.diagnosis for test in report.tests if test.diagnosis})) if report else (),
        seconds=round(seconds, 1),
        problem="; ".join(problems),
        margin=None if case.either else report and _margin(report),
    )


def _margin(report: GradeReport) -> float | None:
    """How far the accuracy is from the nearest step that decides about points."""
    if report.accuracy is None:
        return None
    steps = (rubric.TRAINED_ACCURACY, *rubric.ACCURACY_STEPS)
    if "not-a-function" in {test.diagnosis for test in report.tests}:  # the last step's points are lost at any accuracy
        steps = steps[:-1]
    return round(min(abs(report.accuracy - step) for step in steps), 4)


def _clear_of_steps(row: Row) -> Row:
    """A row whose points another processor's arithmetic may change is not as it must be."""
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
    """The results file must be ours, and say what the report says."""
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


def _next_one(options: dict[str, Any]) -> list[str]:
    """The reference's data tests, in the same warm process, must be unimpressed."""
    report = grade(options["kit"] / "submitted.py", only="dataset", **options)
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
    """An attack's own marker: others run beside it."""
    return f"{MARKER}_{name.replace('/', '_')}"


def _header(text: str) -> dict[str, str]:
    """The `# key: value` lines among the first comment lines."""
    comments = re.match(r"(#[^\n]*\n)*", text)[0]
    return dict(re.findall(r"^# (points|either|base|seconds|diagnosis): (\S+)", comments, re.MULTILINE))


def _file(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "submitted.py").write_text(text, encoding="utf-8") and None


def _shape(build: Callable[[Path, str], None], bases: dict[str, str]) -> Callable[[Path], None]:
    return lambda folder: build(folder, bases["untrained"])


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(f"submissions_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
