"""Runs a pipeline: completes its graph, drives improv, watches the actors, and sums up."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from mp09.errors import StreamError
from mp09.files import checksum, write_json, write_text
from mp09.streaming.graph import complete, read_graph
from mp09.streaming.pictures import Stream, groups
from mp09.streaming.posts import Post, read_posts
from mp09.streaming.process import Server
from mp09.streaming.records import PREDICTIONS, cut_back
from mp09.streaming.summary import Summary, sum_up

STORE = 256  # MB, or what the machine has for it
SHARED = Path("/dev/shm")  # where improv's store lies on Linux
SHARE = 0.8  # of what is free there
WARM_UP = 3
STALLED_S = 120.0  # without a frame
MEMORY_EVERY_S = 2.0
WATCH_S = 0.1

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """graph: demo, timing or a path. group: frames a message. store: MB."""

    graph: str = "demo"
    processors: int = 1
    group: int = 1
    warm_up: int = WARM_UP
    device: str = "auto"
    store: int = STORE


def run(
    stream: Stream,
    model: Path,
    out: Path,
    options: Options = Options(),
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Stream all pictures through a network, and write `out`.

    model: a file of `export`.
    resume: go on after the last frame that `out` has.
    Raises StreamError when something is missing, an actor fails or ends, or nothing happens for STALLED_S.
    """
    out = Path(out).absolute()
    first = _begin(stream, Path(model), out, resume=resume)
    total, seconds, memory = len(stream), 0.0, 0
    if first < total:
        graph, store = _graph(stream, Path(model).absolute(), out, first, options)
        beside = Path(options.graph).absolute().parent  # actors of one's own lie beside their graph
        with Server(graph, store=store, log=out / "improv.log", actors=beside) as server:
            actors = list(yaml.safe_load(graph.read_text())["actors"])
            seconds, memory = _drive(server, out / "actors", actors, total, progress)
    return sum_up(out, first=first, seconds=seconds, memory=memory)


def _begin(stream: Stream, model: Path, out: Path, *, resume: bool) -> int:
    """Make the folder, or the one of a run that broke off ready; the number of the first frame."""
    if not model.is_file():
        raise StreamError(f"{model}: no such file. `python -m mp09 export` writes one.")
    names = hashlib.sha256("\0".join(path.name for path in stream.files).encode()).hexdigest()
    identity = {"frames": len(stream), "pictures": names, "labels": bool(stream.labels), "model": checksum(model)}
    card, before = out / "run.json", (out / PREDICTIONS).exists()
    if before and not resume:
        raise StreamError(f"{out}: holds a run. It goes on with --resume; or choose another --out.")
    if any(_works_on(out, post.pid) for post in read_posts(out / "actors").values()):
        raise StreamError(f"{out}: a run in it is under way.")
    if before:
        there = json.loads(card.read_text()) if card.exists() else {}
        if other := [name for name in identity if there.get(name) != identity[name]]:
            raise StreamError(f"{out}: that run had other {' and '.join(other)}. Choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(card, identity)
        shutil.rmtree(out / "actors", ignore_errors=True)
        (out / "actors").mkdir()
        (out / "improv.log").unlink(missing_ok=True)
        return cut_back(out)
    except OSError as error:
        raise StreamError(f"{out}: can't be written to ({error.strerror}).") from error


def _graph(stream: Stream, model: Path, out: Path, first: int, options: Options) -> tuple[Path, int]:
    """The completed graph as a file, and the bytes of its store."""
    group = next(groups(stream, first, options.group))
    shape = [] if group[0].image is None else [len(group), *group[0].image.shape]
    store = options.store * 10**6
    if SHARED.is_dir():
        store = min(store, int(SHARE * shutil.disk_usage(SHARED).free))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    common = {"folder": str(out)}
    completed = complete(
        read_graph(options.graph),
        processors=options.processors,
        options={
            "Acquirer": {
                **common,
                "images": str(Path(stream.images).absolute()),
                "labels": str(Path(stream.labels).absolute()) if stream.labels else None,
                "frames": len(stream),
                "first": first,
                "size": options.group,
                "ahead": 2 * options.processors,  # a processor has one to work on and one that waits
                "room": store // 2,  # the other half: what nobody needs any more, until improv's store drops it
            },
            "Processor": {
                **common,
                "model": str(model),
                "shape": shape,
                "warm_up": options.warm_up if shape else 0,
                "device": options.device,
                "threads": max(1, cores // options.processors) if options.processors > 1 else 0,
            },
            "Writer": {**common, "first": first, "total": len(stream)},
        },
    )
    path = out / "graph.yaml"
    write_text(path, yaml.safe_dump(completed, sort_keys=False))
    return path, store


def _drive(server: Server, posts: Path, actors: list[str], total: int, progress: Progress | None) -> tuple[float, int]:
    """From setup to stop; the seconds it took, and the most memory that was seen, in bytes."""

    def all_are(state: str) -> bool:
        said = read_posts(posts)
        _check(said)
        return said.keys() >= set(actors) and all(said[name].state == state for name in actors)

    server.wait_for(lambda: all_are("started"), "its actors to start")
    server.send("setup")
    server.wait_for(lambda: all_are("ready"), "its actors to get ready")
    memory, frames, moved, weighed = 0, -1, time.monotonic(), 0.0
    while True:
        server.check()
        said, now = read_posts(posts), time.monotonic()
        _check(said)
        writer = said["Writer"]
        if writer.state == "done":
            break
        if writer.state == "ready":  # improv refuses this until it has heard from all
            server.send("run")
        if writer.frames != frames:
            frames, moved = writer.frames, now
            if progress:
                progress("frames", frames, total)
        elif now > moved + STALLED_S:
            raise StreamError(f"no frame for {STALLED_S:.0f} s, after {frames}. {_go_on(frames)}")
        if now > weighed + MEMORY_EVERY_S:
            memory, weighed = max(memory, server.memory()), now
        time.sleep(WATCH_S)
    if progress:
        progress("frames", total, total)
    memory = max(memory, server.memory())
    server.send("stop")
    server.wait_for(lambda: all_are("stopped"), "its actors to stop")
    return writer.seconds, memory


def _check(posts: dict[str, Post]) -> None:
    """Raise StreamError for an actor that failed or is no more."""
    written = posts["Writer"].frames if "Writer" in posts else 0
    for name, post in posts.items():
        if post.state == "failed":
            raise StreamError(f"{name}: {post.error} {_go_on(written)}")
        if not _alive(post.pid):
            raise StreamError(f"{name} (process {post.pid}) has ended by itself or was killed. {_go_on(written)}")


def _works_on(out: Path, pid: int) -> bool:
    try:
        return str(out) in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _go_on(frames: int) -> str:
    return f"{frames} frames are written; --resume goes on from there."
