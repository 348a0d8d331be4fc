"""Reads the graph of a pipeline, which is improv's YAML, and completes it for one run."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from mp09.errors import StreamError

REPEATED = "Processor"
ACTORS = ("Acquirer", REPEATED, "Writer")
# The ends of links that our actors use. The other ends may have any name.
ENDS = ("Acquirer.q_in", "Processor.q_in", "Processor.q_out", "Writer.q_out")


def read_graph(graph: str) -> dict[str, Any]:
    """Read a graph and check that a run can use it.

    Args:
        graph: "demo", "timing", or the path of a YAML file.

    Raises:
        StreamError: there is no such file, or it lacks an actor or a link that a run needs, or a link leads nowhere.
    """
    ours = resources.files("mp09.streaming") / "graphs" / f"{graph}.yaml"
    try:
        value = yaml.safe_load((ours if ours.is_file() else Path(graph)).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StreamError(f"{graph}: expected demo, timing or the path of a graph ({error}).") from error
    if not isinstance(value, dict) or not (_has_actors(value.get("actors")) and _are_links(value.get("connections"))):
        raise StreamError(
            f"{graph}: expected the actors {', '.join(ACTORS)}, and connections from one link to a list of links."
        )
    ends = {end for source, drains in value["connections"].items() for end in (source, *drains)}
    if missing := [end for end in ENDS if end not in ends]:
        raise StreamError(f"{graph}: expected connections of {', '.join(ENDS)}; missing: {', '.join(missing)}.")
    if unknown := [end for end in sorted(ends) if end.partition(".")[0] not in value["actors"]]:
        raise StreamError(f"{graph}: expected links ACTOR.NAME of its actors, got {', '.join(unknown)}.")
    return value


def _has_actors(actors: object) -> bool:
    return isinstance(actors, dict) and all(isinstance(actors.get(name), dict) for name in ACTORS)


def _are_links(connections: object) -> bool:
    return isinstance(connections, dict) and all(
        isinstance(source, str) and isinstance(drains, list) and all(isinstance(drain, str) for drain in drains)
        for source, drains in connections.items()
    )


def complete(graph: dict[str, Any], *, processors: int, options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the graph with several processors, and with options for its actors.

    Whatever names the processor is repeated for each of them: `Processor1`, `Processor2`, ...

    Args:
        graph: as `read_graph` returns it.
        processors: how many there are.
        options: options by the name of their actor; those under "" are for every actor that is not named.
    """

    def copies(*names: str) -> Iterable[str]:
        several = any(REPEATED in name for name in names)
        return [f"{REPEATED}{i + 1}" for i in range(processors)] if several else [REPEATED]

    return {
        **graph,
        "actors": {
            name.replace(REPEATED, copy): {**actor, **options.get(name, options.get("", {}))}
            for name, actor in graph["actors"].items()
            for copy in copies(name)
        },
        "connections": {
            source.replace(REPEATED, copy): [drain.replace(REPEATED, copy) for drain in drains]
            for source, drains in graph["connections"].items()
            for copy in copies(source, *drains)
        },
    }
