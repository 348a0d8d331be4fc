"""A pipeline's graph: improv's YAML, completed for one run."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from mp09.errors import StreamError

REPEATED = "Processor"
ACTORS = ("Acquirer", REPEATED, "Writer")


def read_graph(graph: str) -> dict[str, Any]:
    """`demo`, `timing`, or a path. Raises StreamError when there is none, or it is no graph of ours."""
    ours = resources.files("mp09.streaming") / "graphs" / f"{graph}.yaml"
    try:
        value = yaml.safe_load((ours if ours.is_file() else Path(graph)).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StreamError(f"{graph}: expected demo, timing or the path of a graph ({error}).") from error
    if not (isinstance(value, dict) and isinstance(value.get("connections"), dict) and _has_actors(value)):
        raise StreamError(f"{graph}: expected connections, and the actors {', '.join(ACTORS)}.")
    return value


def _has_actors(graph: dict[str, Any]) -> bool:
    actors = graph.get("actors")
    return isinstance(actors, dict) and all(isinstance(actors.get(name), dict) for name in ACTORS)


def complete(graph: dict[str, Any], *, processors: int, options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The graph with several processors and with options for its actors.

    What names the processor stands there once for each: `Processor1`, `Processor2`, ...
    """

    def copies(*names: str) -> Iterable[str]:
        several = any(REPEATED in name for name in names)
        return [f"{REPEATED}{i + 1}" for i in range(processors)] if several else [REPEATED]

    return {
        **graph,
        "actors": {
            name.replace(REPEATED, copy): {**actor, **options.get(name, {})}
            for name, actor in graph["actors"].items()
            for copy in copies(name)
        },
        "connections": {
            source.replace(REPEATED, copy): [drain.replace(REPEATED, copy) for drain in drains]
            for source, drains in graph["connections"].items()
            for copy in copies(source, *drains)
        },
    }
