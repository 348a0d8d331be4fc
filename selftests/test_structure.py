"""Test that the folder tree explains the program: who may import whom, and what starts without heavy libraries."""

import argparse
import ast
import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import mp09
from benchmarks.code_figures import FOR_STUDENTS, functions, reused_names
from mp09 import cli
from mp09.classroom.batch import BOOK
from mp09.classroom.gradebook import Gradebook
from selftests.conftest import ROOT

# For each package or module of mp09: what it may import of mp09, and what of third parties. All may import the standard
# library, themselves and EVERYWHERE.
PACKAGES = {
    "errors": (set(), set()),
    "files": (set(), set()),
    "trees": (set(), set()),
    "precision": (set(), set()),
    "device": (set(), {"torch", "numpy", "models"}),
    "cluster": (set(), {"ray"}),
    "plot_text": (set(), {"matplotlib"}),
    "data": (set(), {"numpy", "PIL"}),
    "nets": ({"device"}, {"torch", "torchvision", "safetensors", "models"}),
    "training": (
        {"device", "plot_text"},
        {"torch", "torchvision", "safetensors", "numpy", "matplotlib"},
    ),
    "features": (
        {"device", "training", "cluster"},
        {"torch", "torchvision", "sklearn", "numpy", "ray", "openvino", "nncf"},
    ),
    "tuning": ({"features", "training"}, {"ax", "torch", "numpy", "matplotlib"}),
    "inference": ({"data", "device", "plot_text"}, {"torch", "numpy", "cv2", "matplotlib"}),
    "compare": ({"device", "plot_text"}, {"torch", "numpy", "scipy", "psutil", "matplotlib"}),
    "streaming": (
        {"data", "device", "nets"},
        {"improv", "numpy", "torch", "yaml", "zmq", "psutil", "PIL", "matplotlib"},
    ),
    "recipes": (
        {"device", "cluster", "data", "nets", "training", "features", "tuning", "inference", "compare"},
        {"torch", "numpy"},
    ),
    "grading": ({"data"}, {"numpy", "psutil", "rich", "gradescope_utils"}),
    "release": ({"data", "grading"}, {"rich"}),
    "classroom": ({"cluster", "data", "grading"}, {"rich", "psutil", "yaml", "ray", "jinja2", "copydetect"}),
    "cli": (
        {
            *("cluster", "data", "grading", "release", "classroom"),
            *("recipes", "nets", "inference", "compare", "streaming"),
            *("training", "features"),  # for records of options
        },
        {"rich"},
    ),
    "__main__": ({"cli"}, set()),
    "__init__": (  # only type checkers see these imports
        {"data", "device", "nets", "training", "features", "tuning", "inference", "streaming", "recipes"},
        set(),
    ),
}
EVERYWHERE = {"errors", "files", "trees", "precision", "__version__"}
WORKER = {
    "worker.py": {"numpy", "torch", "torchvision"},
    "session.py": {"numpy", "torch"},
    "evaluation.py": {"numpy", "torch", "torchvision"},
    "training_watch.py": {"torch"},
    "interventions.py": {"torch"},  # for type checkers alone
    "plain_values.py": {"numpy", "torch"},
    "forkserver.py": {"torch"},
    "syscalls.py": {"pyseccomp"},
}
ROOT_FILES = {
    "models.py": {"torch"},
    "hubconf.py": set(),
    "submitted.py": {"torch", "torchvision", "numpy", "matplotlib", "models"},
    "grade.py": {"mp09", "rich"},
    "tests/test_visible.py": {"mp09", "gradescope_utils"},
    "tests/test_hidden.py": {"mp09", "gradescope_utils"},
}
# An actor of one's own has to import the class that it extends in improv's environment, and nothing but improv.
DEEP_IMPORTS = {"mp09.streaming.actors"}
WITHOUT_ERRORS = {  # public functions that raise no error of ours
    *("crop_and_flip", "make_head", "seed_everything"),
    *("curves", "confusion_matrix", "mistakes", "best_so_far"),  # of plots and tuning
}


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command of `python -m mp09`."""
    parsers = argparse.ArgumentParser().add_subparsers()
    for package in cli.COMMANDS:
        import_module(f"mp09.cli.{package}").add(parsers)
    return parsers.choices


def imports(path: Path) -> set[str]:
    """Return the dotted names of all that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def foreign(names: set[str]) -> set[str]:
    """Return the packages among these names that are not of the standard library."""
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names


def test_every_package_stands_in_the_table():
    entries = (ROOT / "mp09").iterdir()
    packages = {path.stem for path in entries if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert packages == set(PACKAGES)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "mp09").rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_packages_import_only_what_they_may(path):
    package = path.relative_to(ROOT / "mp09").parts[0].removesuffix(".py")
    ours, foreign_ones = PACKAGES[package]
    names = imports(path)
    used = {name.split(".")[1] for name in names if name.startswith("mp09.")}
    assert used - {package} - EVERYWHERE <= ours
    assert foreign(names) - {"mp09"} <= WORKER.get(path.name, foreign_ones)


def test_improv_is_imported_where_it_runs_and_nowhere_else():
    using = {path.name for path in (ROOT / "mp09").rglob("*.py") if "improv" in foreign(imports(path))}
    assert using == {"base_actor.py", "server.py"}


@pytest.mark.parametrize("name", ROOT_FILES)
def test_root_files_import_only_what_they_may(name):
    names = imports(ROOT / name)
    assert foreign(names) <= ROOT_FILES[name]
    assert all(n.startswith(("mp09.grading", "mp09.errors", "mp09.precision")) for n in names if n.startswith("mp09"))


@pytest.mark.parametrize(
    "command", [["grade.py", "--help"], ["-m", "mp09", "--help"], ["-m", "mp09", "data", "--help"]]
)
def test_help_starts_without_heavy_libraries(command):
    done = subprocess.run([sys.executable, "-X", "importtime", *command], cwd=ROOT, capture_output=True, text=True)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "usage" in done.stdout
    assert imported.isdisjoint({"torch", "torchvision", "ray", "improv"})


def test_importing_the_package_loads_no_library():
    code = "import sys, mp09; dir(mp09); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "numpy", "mp09.errors"}.isdisjoint(done.stdout.split())


def test_public_names_are_there_and_type_checkers_know_them():
    known = {path for path in imports(ROOT / "mp09" / "__init__.py") if path.startswith("mp09.")}
    things = {name: getattr(mp09, name) for name in mp09.__all__}
    modules = mp09._MODULES
    assert known == {
        modules[name] if inspect.ismodule(thing) else f"{modules[name]}.{name}" for name, thing in things.items()
    }
    assert set(things) <= set(dir(mp09))
    assert (ROOT / "mp09" / "py.typed").exists()


def test_a_name_that_is_not_public_is_an_error():
    with pytest.raises(ImportError, match="cannot import name 'fits' from 'mp09'"):
        from mp09 import fits  # noqa: F401


def test_labs_and_documents_import_public_names_only():
    labs = [json.loads(path.read_text())["cells"] for path in (ROOT / "labs").glob("*.ipynb")]
    texts = ["".join(cell["source"]) for cells in labs for cell in cells]
    texts += [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    imported = r"^ *(?:from|import) +(mp09[.\w]*)(?: import (\([^)]*\)|.*))?"
    found = re.findall(imported, "\n".join(texts), re.MULTILINE)
    names = {name for module, some in found if module == "mp09" for name in re.findall(r"\w+", some)}
    assert {module for module, _ in found} == {"mp09", *DEEP_IMPORTS}
    assert names <= set(mp09.__all__)
    assert len(names) > 20


def test_every_public_name_is_explained_in_the_package_and_on_the_page_on_labs():
    page = (ROOT / "docs" / "labs.md").read_text().partition("## As a library")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", "\n".join(rows))) == set(mp09.__all__)
    assert set(re.findall(r"`(\w+)`", mp09.__doc__)) == set(mp09.__all__)


def public_things() -> list:
    """Return the public classes and functions, with the functions of public modules in place of these."""
    things = []
    for thing in (getattr(mp09, name) for name in mp09.__all__):
        inside = [one for one in vars(thing).values() if inspect.isfunction(one) and one.__module__ == thing.__name__]
        things += [one for one in inside if one.__name__[0] != "_"] if inspect.ismodule(thing) else [thing]
    return things


def missing_in_docstring(thing) -> list[str]:
    """Return the sections that the docstring of a class or function lacks, and the arguments without a line in them."""
    text, signature = inspect.getdoc(thing), inspect.signature(thing)
    sections = ["Attributes:" if is_dataclass(thing) else "Args:"]
    if inspect.isfunction(thing):
        sections += ["Returns:"] if signature.return_annotation is not None else []
        sections += ["Raises:"] if thing.__name__ not in WITHOUT_ERRORS else []
    unexplained = [name for name in signature.parameters if not re.search(rf"^ +([\w, ]+, )?{name}\b.*: ", text, re.M)]
    return unexplained + [section for section in sections if f"\n{section}\n" not in text]


def test_public_docstrings_have_the_sections_that_they_need():
    things = [thing for thing in public_things() if thing is not mp09.Mp09Error]
    assert {thing.__name__: missing_in_docstring(thing) for thing in things} == {thing.__name__: [] for thing in things}


def test_help_takes_less_than_half_a_second():
    def seconds() -> float:
        """Measure the processor's time only, as other tests may run at the same time."""
        before = os.times()
        subprocess.run([sys.executable, "grade.py", "--help"], cwd=ROOT, capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.parametrize("path", ["mp09", "selftests", "tests", "README.md", "docs", "Makefile"])
def test_no_path_of_one_machine(path):
    files = [ROOT / path] if (ROOT / path).is_file() else (ROOT / path).rglob("*")
    texts = [file.read_text() for file in files if file.suffix in {".py", ".md", ".toml"} or file.name == "Makefile"]
    assert not any(f"/{folder}/" in text for text in texts for folder in ("work", "root"))


@pytest.mark.parametrize(
    ("older", "name", "value"),
    [
        (["train", "--network", "alexnet"], "model", "alexnet"),
        (["export", "--net", "alexnet"], "model", "alexnet"),
        (["classify", "0", "--net", "alexnet"], "model", "alexnet"),
        (["compare", "--networks", "alexnet"], "models", "alexnet"),
        (["stream", "--images", "images", "--model", "file.pt"], "exported", Path("file.pt")),
        (["train", "--batch", "5", "--valid-batch", "6"], "batch_size", 5),
        (["compare", "--batch", "5"], "batch_size", 5),
        (["validate", "--json", "file.json"], "out", Path("file.json")),
    ],
)
def test_older_names_of_options_are_accepted_and_not_shown(older, name, value):
    command, *arguments = older
    parser = commands()[command]
    assert getattr(parser.parse_args(arguments), name) == value
    assert "--net" not in parser.format_help()


def test_an_option_takes_a_value_in_all_commands_or_in_none():
    kinds: dict[str, dict[str, bool]] = {}
    for command, parser in commands().items():
        for action in parser._actions:
            for option in action.option_strings if action.help != argparse.SUPPRESS else ():
                kinds.setdefault(option, {})[command] = action.nargs != 0
    assert {option: found for option, found in kinds.items() if len(set(found.values())) > 1} == {}


def test_the_page_on_architecture_names_every_module():
    page = (ROOT / "docs" / "architecture.md").read_text()
    modules = {path.relative_to(ROOT / "mp09").as_posix() for path in (ROOT / "mp09").rglob("*.py")}
    assert {name for name in modules if not name.endswith("__init__.py") and f"`{name}`" not in page} == set()


def test_no_name_stands_for_two_things():
    assert reused_names(ROOT) == {}


def test_functions_are_short_simple_and_have_few_arguments():
    found = [f for f in functions(ROOT) if not f.name.startswith(FOR_STUDENTS)]
    assert [f for f in found if f.lines > 60 or f.complexity > 12 or f.arguments >= 10] == []


def test_the_documents_name_every_command_and_no_other_option():
    parsers = commands()
    text = "\n".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    lines = re.findall(r"python -m mp09 ([a-z-]+)([^\n`|]*)", text)
    assert {name for name, _ in lines} == set(parsers)
    for name, rest in lines:
        options = re.findall(r"--[a-z0-9-]+", rest.split("#")[0])
        assert set(options) <= set(re.findall(r"--[a-z0-9-]+", parsers[name].format_help())), name


def test_a_missing_package_is_named_with_what_installs_it(tmp_path):
    Gradebook(tmp_path / BOOK, create=True).__exit__()
    code = "import sys; sys.modules['jinja2'] = None; from mp09.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "report", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    words = "error: the package jinja2 is not installed: pip install -e '.[instructor,labs]'\n"
    assert (done.returncode, done.stderr) == (2, words)
