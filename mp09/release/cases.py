"""Loads the submissions whose points are known, each with the points that it must get.

The folder of these submissions holds four kinds of cases:

    correct/*.py     controls: correct solutions that differ in structure
    mutants.py       MUTANTS: mistakes that students make, as edits of the reference solution
    causes.py        CAUSES: what costs accuracy, as such edits, with the causes that must be named
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
    # alone: disk           for attacks: nothing else is graded meanwhile, because the free space of the disk counts
"""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import ModuleType

from mp09.errors import ReleaseError
from mp09.release.strip import strip

CONTROLS, MUTANTS, ATTACKS, CAUSES = "controls", "mutants", "attacks", "causes"
MARKER = "mp09_attack"  # stands in the text of attacks; see `marker_of`
BRIEF = (("num_samples=6400", "num_samples=1600"), ('{"lr": 3e-3}', '{"lr": 5e-3}'))
UNTRAINED = (
    ("    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model", "    return model"),
    ("features = self.backbone(x.to(memory_format=torch.channels_last))", "features = x.flatten(1)[:, :512]"),  # quick
)
ATTACK_SECONDS = 60.0


@dataclass(frozen=True)
class Case:
    """Describes one submission and the result that it must get.

    Attributes:
        kind: CONTROLS, MUTANTS, ATTACKS or CAUSES.
        name: the case's name, unique among its kind.
        build: writes the submission into an empty folder.
        points: what it must get, exactly; None if only the causes matter.
        diagnosis: the key of a diagnosis that must be named; "" for any or none.
        advice: words that must be in the advice; "" for any or none.
        seconds: the time limit for the whole grading.
        counts: False when the rubric can't tell it from a correct solution.
        either: so many points fewer are right, too.
        causes: what must be named as costing accuracy: a set of keys for each mistake, any one of which is right.
        alone: whether nothing else may be graded meanwhile.
    """

    kind: str
    name: str
    build: Callable[[Path], None]
    points: float | None
    diagnosis: str = ""
    advice: str = ""
    seconds: float = 900.0
    counts: bool = True
    either: float = 0.0
    causes: tuple[frozenset[str], ...] = ()
    alone: bool = False


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
    if (causes := folder / "causes.py").exists():
        for mistake in _module(causes).CAUSES:
            text = edited(brief, mistake.edits)
            cases.append(Case(CAUSES, mistake.name, _file(text), None, causes=mistake.causes))
    for path in sorted(folder.glob("attacks/*/*.py")):
        cases.append(_attack(f"{path.parent.name}/{path.stem}", path.read_text(encoding="utf-8"), bases))
    if (shapes := folder / "attacks" / "shapes.py").exists():
        for name, (points, build) in _module(shapes).SHAPES.items():
            cases.append(Case(ATTACKS, f"shape/{name}", _shape(build, bases), points, seconds=ATTACK_SECONDS))
    return cases


def edited(source: str, edits: Iterable[tuple[str, str]]) -> str:
    """Return the source after all edits, each a pair (old text, new text).

    Raises ReleaseError when an old text does not occur exactly once.
    """
    for old, new in edits:
        if source.count(old) != 1:
            raise ReleaseError(f"{source.count(old)} places for {old!r}, expected 1: the reference has changed.")
        source = source.replace(old, new)
    return source


def marker_of(name: str) -> str:
    """Return what every file that an attack tries to leave behind has in its name.

    Each attack has a marker of its own, because others run beside it.
    """
    return f"{MARKER}_{name.replace('/', '_')}"


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
    text = _on_base(header, text, bases).replace(MARKER, marker_of(name))
    return Case(
        ATTACKS,
        name,
        _file(text),
        float(header["points"]),
        header.get("diagnosis", ""),
        seconds=seconds,
        alone="alone" in header,
    )


def _on_base(header: dict[str, str], text: str, bases: dict[str, str]) -> str:
    return f"{bases[header['base']]}\n\n{text}" if "base" in header else text


def _header(text: str) -> dict[str, str]:
    """Return the `# key: value` lines among the first comment lines, as a dict."""
    comments = takewhile(lambda line: line.startswith("#"), text.split("\n"))
    found = [re.match(r"# (points|either|base|seconds|diagnosis|alone): (\S+)", line) for line in comments]
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
