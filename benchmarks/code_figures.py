"""Measures the code itself: how long and how complex its functions are, which names are used twice, what mypy says.

    python -m benchmarks.code_figures [--root DIR] [--types] [--tests]

Prints one line for each figure. `--root` names another checkout of this repository, so that two states can be compared.
`--types` also counts the errors that mypy finds, and `--tests` runs `make coverage`, which takes some minutes, and adds
its time and the share of lines that it reaches.

Does not cover: the self-tests and the notebooks; only mp09/, benchmarks/ and the files beside them are measured.
"""

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONG_FILE = 250  # lines
TYPE_NAME = re.compile(r"([A-Z][a-z]+)+")
COMPLEXITY = re.compile(r"\((\d+) >")  # in a message of ruff
FOR_STUDENTS = ("submitted.py",)  # its functions have the arguments that the assignment asks for


@dataclass(frozen=True)
class Function:
    """One function or method: where it stands, its lines without the docstring, its arguments without self, and its
    complexity."""

    name: str
    lines: int
    arguments: int
    complexity: int


def measured_files(root: Path) -> list[Path]:
    """The Python files of the product below `root`, without the self-tests."""
    folders = [path for name in ("mp09", "benchmarks") for path in (root / name).rglob("*.py")]
    return sorted([*folders, *root.glob("*.py")])


def functions(root: Path) -> list[Function]:
    """Every function and method of the measured files, nested ones included."""
    complexities = _complexities(root)
    found = []
    for path in measured_files(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{path.relative_to(root).as_posix()}:{node.name}"
                given = node.args
                arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
                arguments = [argument for argument in arguments if argument.arg not in ("self", "cls")]
                lines = _lines(node) - (0 if ast.get_docstring(node) is None else _lines(node.body[0]))
                place = (path.resolve(), node.lineno)
                found.append(Function(name, lines, len(arguments), complexities.get(place, 1)))
    return found


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None  # the parser sets it
    return node.end_lineno - node.lineno + 1


def _complexities(root: Path) -> dict[tuple[Path, int], int]:
    """(file, line of the def) -> McCabe's number, as ruff computes it."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "C901", "--output-format", "json"]
    command += ["--config", "lint.mccabe.max-complexity=0", "--exit-zero", *map(str, measured_files(root))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        (Path(found["filename"]).resolve(), found["location"]["row"]): int(COMPLEXITY.findall(found["message"])[0])
        for found in json.loads(done.stdout)
    }


def reused_names(root: Path) -> dict[str, list[str]]:
    """Names of files and packages, classes and type aliases that stand for two things in mp09 -> where they stand."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((root / "mp09").rglob("*.py")):
        module = path.relative_to(root).as_posix()
        if path.name == "__init__.py":
            places[f"{path.parent.name}.py"].add(module)
        elif path.parent.name not in ("cli", path.stem):  # a command's file is called as the package that it calls
            places[path.name].add(module)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(module)
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                for name in filter(TYPE_NAME.fullmatch, names):
                    places[name].add(module)
    return {name: sorted(modules) for name, modules in sorted(places.items()) if len(modules) > 1}


def type_errors(root: Path) -> str:
    """What mypy says in its last line."""
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=root, capture_output=True, text=True)
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]


def tested(root: Path) -> str:
    """Minutes of `make coverage` in a checkout, and the share of lines that it reaches."""
    started = time.monotonic()
    done = subprocess.run(["make", "coverage"], cwd=root, capture_output=True, text=True)
    total = re.search(r"^TOTAL .* (\S+%)$", done.stdout, re.MULTILINE)
    share = total[1] if total else f"make coverage ended with {done.returncode}"
    return f"{(time.monotonic() - started) / 60:.1f} minutes, {share}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure (default: this one)")
    parser.add_argument("--types", action="store_true", help="also count the errors that mypy finds")
    parser.add_argument("--tests", action="store_true", help="also run the tests and measure what they reach")
    args = parser.parse_args()
    files = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in measured_files(args.root)}
    every = functions(args.root)
    asked = [function for function in every if not function.name.startswith(FOR_STUDENTS)]
    longest = max(every, key=lambda function: function.lines)
    widest = max(asked, key=lambda function: function.arguments)
    hardest = max(every, key=lambda function: function.complexity)
    long_files = [path for path, lines in files.items() if lines > LONG_FILE]
    reused = reused_names(args.root)
    print(f"lines                        {sum(files.values()):,} in {len(files)} files")
    print(f"files over {LONG_FILE} lines         {len(long_files)}")
    print(f"functions                    {len(every):,}, median {statistics.median(f.lines for f in every):.0f} lines")
    print(f"longest function             {longest.lines} lines ({longest.name})")
    print(f"functions over 60 lines      {sum(f.lines > 60 for f in every)}")
    print(f"most arguments               {widest.arguments} ({widest.name})")
    print(f"functions with 10 and more   {sum(f.arguments >= 10 for f in asked)}")
    print(f"highest complexity           {hardest.complexity} ({hardest.name})")
    print(f"functions above 12           {sum(f.complexity > 12 for f in every)}")
    print(f"names for two things         {len(reused)}: {', '.join(reused)}")
    if args.types:
        print(f"type errors                  {type_errors(args.root)}")
    if args.tests:
        print(f"tests                        {tested(args.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
