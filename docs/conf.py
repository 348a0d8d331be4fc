"""Configure the documentation site, which `make docs` builds from the pages in this folder and from the code."""

import argparse
import os
import re
import sys
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ["COLUMNS"] = "90"  # the width of the commands' usage

# improv lives in an environment of its own. To read our actors' docstrings, these names of it are enough.
sys.modules["improv"] = sys.modules["improv.actor"] = ModuleType("improv.actor")
vars(sys.modules["improv.actor"]).update(ManagedActor=object, RunManager=object)

import grade  # noqa: E402
import mp09  # noqa: E402
from mp09 import cli  # noqa: E402

for name in getattr(mp09, "__all__", ()):  # Autodoc sees no name that waits for its first use
    setattr(mp09, name, getattr(mp09, name))

project, version = "CNN Image Classifier", mp09.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
nitpicky = True
sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "mp09").rglob("*.py"))
type_variables = "|".join(set(re.findall(r"^(\w+) = TypeVar\(", sources, re.MULTILINE)))
# Not looked up: names of other libraries, as that needs a network; private names; type variables.
nitpick_ignore_regex = [("py:.*", rf"(?!mp09\.).*|.*\._.*|mp09\..*\.({type_variables})")]
suppress_warnings = ["ref.python"]  # a name that `mp09` itself offers is known twice: there, and in its module
default_role = "py:obj"  # in a docstring, single backticks make code, and a link where the name is known

highlight_language = "none"  # most examples are commands and what they print

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_theme_options = {"light_css_variables": {"code-font-size": "0.75rem"}}  # 100 columns beside each other

myst_heading_anchors = 4  # an anchor is made of its heading's words, as on GitHub

add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
python_trailing_comma_in_multi_line_signatures = False
viewcode_follow_imported_members = False  # otherwise a source's links back lead to the module that imports it
napoleon_custom_sections = [("Attributes", "params_style")]  # the default takes no two names on one line

# The pages at the top of the repository, and the pages of the site that include them.
INCLUDED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(\[[^]]+\])\(([^)#:]+)(#[^)]*)?\)")
ON_SITE = (".md", ".png")  # pages, and the images that they show
API = DOCS / "api"


def setup(app) -> None:
    app.connect("builder-inited", lambda app: write_api_pages())
    app.connect("source-read", lambda app, page, text: on_site(text, DOCS))
    app.connect("include-read", lambda app, path, page, text: on_site(text, ROOT))
    app.connect("source-read", add_commands)
    app.connect("autodoc-skip-member", skip_values)
    app.connect("autodoc-process-docstring", mark, priority=400)  # before Napoleon, which has 500


def on_site(text: list[str], folder: Path) -> None:
    """Make links to pages lead to the pages of the site, and links to other files and to folders plain text.

    A link to a file would offer a copy of it, and so the reference solution, on a site that students read.

    Args:
        text: The page's text, alone in a list, where it is replaced.
        folder: The page's folder on GitHub.
    """

    def link(match: re.Match) -> str:
        words, target, anchor = match.groups("")
        path = (folder / target).resolve()
        if path.suffix not in ON_SITE:
            return words[1:-1]
        name = INCLUDED.get(path.relative_to(ROOT).as_posix()) or os.path.relpath(path, DOCS)
        return f"{words}({name}{anchor})"

    text[0] = LINK.sub(link, text[0])


def write_api_pages() -> None:
    """Write a page for each package, with all of its modules. What `mp09` itself offers is on the page of the API."""
    API.mkdir(exist_ok=True)
    for package in sorted(path.parent for path in (ROOT / "mp09").rglob("__init__.py")):
        name = ".".join(package.relative_to(ROOT).parts)
        modules = sorted(path.stem for path in package.glob("*.py") if not path.stem.startswith("__"))
        parts = [f"{name}\n{'=' * len(name)}\n", "" if name == "mp09" else members(name)]
        parts += [f"{module}\n{'-' * len(module)}\n\n{members(f'{name}.{module}')}" for module in modules]
        if name != "mp09.cli":  # the commands have a page of their own
            (API / f"{name}.rst").write_text("\n".join(parts), encoding="utf-8")


def members(module: str) -> str:
    return f".. automodule:: {module}\n   :members:\n   :undoc-members:\n"


def add_commands(app, page: str, text: list[str]) -> None:
    """Add all commands with their options to the page of commands."""
    if page == "commands":
        text[0] += command("python grade.py", grade.make_parser()) + command("python -m mp09", cli.make_parser())


def command(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the section about a command, and those about its sub-commands, as Markdown."""
    parser.prog = name
    formatter = parser._get_formatter()
    parts = [
        f"\n## {name}",
        parser.description or "",
        f"```text\n{parser.format_usage()}```",
        f"```{{program}} {name}\n```",
    ]
    below = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += [command(f"{name} {key}", one) for key, one in action.choices.items()]
        elif action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            about = re.sub(r"([<*])", r"\\\1", formatter._expand_help(action) if action.help else "")
            parts.append(f"```{{option}} {formatter._format_action_invocation(action)}\n{about}\n```")
    return "\n\n".join([*parts, parser.epilog or "", *below])


def skip_values(app, kind: str, name: str, value, skip: bool, options) -> bool | None:
    """Leave out constants, and the fields of records, which the records' docstrings explain."""
    return None if callable(value) or isinstance(value, property) else True


def mark(app, kind: str, name: str, value, options, lines: list[str]) -> None:
    """Mark what reStructuredText would not recognise in a docstring.

    Code is an indented block, as in Markdown: below a blank line, which is below a line without indent. A property's
    docstring begins with text, even where that has a colon.
    """
    for i in range(len(lines) - 1, 1, -1):
        if lines[i].startswith("    ") and not lines[i - 1] and lines[i - 2][:1].strip():
            lines[i - 1 : i] = ["", "::", ""]
    if kind == "property":
        lines.insert(0, "\\")  # a line end that is escaped, and so nothing
