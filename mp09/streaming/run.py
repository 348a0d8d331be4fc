"""Runs a pipeline: completes its graph, drives improv, watches the actors, and sums up the results."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mp09.data.archives import Progress
from mp09.errors import StreamError
from mp09.files import checksum, write_text
from mp09.streaming.graph import complete, read_graph
from mp09.streaming.image_folder import Stream, groups
from mp09.streaming.latency_plots import plot
from mp09.streaming.posts import Post, read_posts
from mp09.streaming.process import START_S, Server, is_alive
from mp09.streaming.run_files import FEATURES, PREDICTIONS, cut_back
from mp09.streaming.run_summary import RunSummary, sum_up

CARD = "run.json"
STORE = 256  # MB; less where the machine has no room for so much
SHARED = Path("/dev/shm")  # the folder in which improv's store lies on Linux
SHARE = 0.8  # the part of what is free there that the store may take
WARM_UP = 3
READY_S = STALLED_S = 600.0  # seconds for the actors to get ready; seconds that may pass without a frame
MEMORY_EVERY_S = 2.0
WATCH_S = 0.1


@dataclass(frozen=True)
class StreamOptions:
    """Options say how a pipeline runs.

    Attributes:
        graph: "demo", "timing", or the path of a YAML file.
        processors: how many processors work side by side.
        group: the number of frames in a message.
        warm_up: how many times each processor runs its model before the first frame.
        device: as in `choose_device`.
        store: the size of improv's store, in MB.
    """

    graph: str = "demo"
    processors: int = 1
    group: int = 1
    warm_up: int = WARM_UP
    device: str = "auto"
    store: int = STORE


def stream_images(
    stream: Stream,
    model: Path,
    out: Path,
    options: StreamOptions = StreamOptions(),
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> RunSummary:
    """Stream all images through a model in improv, and write the results into a folder.

    improv (github.com/project-improv/improv) is a framework of actors, each in a process of its own. Here one reads,
    one or several run the model, and one writes.

    Args:
        stream: the images and their labels.
        model: a file that `export` wrote.
        out: the folder for predictions, features, tables of times, plots and a summary.
        options: how the pipeline runs.
        resume: whether to go on after the last frame that `out` has.
        progress: is called with "frames", the number of frames that are written, and their total.

    Returns:
        what is in `out` in the end: frames, seconds and `rate`, latencies in milliseconds, memory in MB, and how many
        images were classified as their labels say.

    Raises:
        StreamError: something is missing, or an actor fails, ends, or does nothing for too long.
    """
    out, model = Path(out).resolve(), Path(model)
    if not model.is_file():
        raise StreamError(f"{model}: is no file. `python -m mp09 export` writes one, of a folder of train with --run.")
    try:
        with _locked(_folder_of_a_run(out)):
            return _run(stream, model.resolve(), out, options, resume, progress)
    except OSError as error:
        raise StreamError(f"{error.filename or out}: {error.strerror or error}.") from error


def _run(
    stream: Stream, model: Path, out: Path, options: StreamOptions, resume: bool, progress: Progress | None
) -> RunSummary:
    first, seconds, memory = _begin(stream, model, out, resume=resume), 0.0, 0
    if first < len(stream):
        graph, store = _graph(stream, model, out, first, options)
        beside = Path(options.graph).absolute().parent  # where the modules of a user's own actors lie
        try:
            with Server(graph, store=store, log=out / "improv.log", actors=beside) as server:
                actors = list(yaml.safe_load(graph.read_text())["actors"])
                seconds, memory = _drive(server, out / "actors", actors, len(stream), progress)
            if (written := cut_back(out)) < len(stream):
                raise StreamError(f"the graph's Writer wrote lines for {written} of {len(stream)} frames.")
        except KeyboardInterrupt:
            cut_back(out)
            raise
        except StreamError as error:
            if written := cut_back(out):
                words = f"{str(error).rstrip('.')}. {written} frames are written; --resume goes on from there."
                raise StreamError(words) from error
            raise
    summary = sum_up(out, first=first, seconds=seconds, memory=memory)
    plot(out)
    return summary


def _folder_of_a_run(out: Path) -> Path:
    """Make the folder of a run. Raises StreamError when it holds something else."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not (out / CARD).exists():
        raise StreamError(f"{out}: is not empty, and holds no run. Choose another --out.")
    return out


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep other commands out of the folder of a run. Raises StreamError when one of them is at work there."""
    with open(out / CARD, "a") as card:
        try:
            fcntl.flock(card, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StreamError(f"{out}: a run in it is under way.") from error
        yield


def _begin(stream: Stream, model: Path, out: Path, *, resume: bool) -> int:
    """Make the folder ready for a run, new or broken off, and return the number of its first frame."""
    names = hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in stream.files)).hexdigest()
    labels = str(Path(stream.labels).resolve()) if stream.labels else None
    identity = {"frames": len(stream), "images": names, "labels": labels, "model": checksum(model)}
    card, lines = out / CARD, out / PREDICTIONS
    before = lines.exists() and lines.stat().st_size > 0
    if before and not resume:
        raise StreamError(f"{out}: holds a run. It goes on with --resume; or choose another --out.")
    if before:
        try:
            there = json.loads(card.read_text())
        except ValueError:
            there = {}
        if other := [name for name in identity if there.get(name, "") != identity[name]]:
            raise StreamError(f"{out}: that run had other {' and '.join(other)}. Choose another --out.")
    else:
        card.write_text(json.dumps(identity))  # in place and not by renaming: the lock is on this very file
        (out / FEATURES).unlink(missing_ok=True)
    shutil.rmtree(out / "actors", ignore_errors=True)
    (out / "actors").mkdir()
    (out / "improv.log").unlink(missing_ok=True)
    return cut_back(out)


def _graph(stream: Stream, model: Path, out: Path, first: int, options: StreamOptions) -> tuple[Path, int]:
    """Write the completed graph, and return its path and the size of its store in bytes."""
    every = groups(stream, first, options.group)
    shape = next(([len(group), *group[0].image.shape] for group in every if group[0].image is not None), [])
    store = options.store * 10**6
    if SHARED.is_dir():
        store = min(store, int(SHARE * shutil.disk_usage(SHARED).free))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    common = {"folder": str(out)}  # what every actor is given
    completed = complete(
        read_graph(options.graph),
        processors=options.processors,
        options={
            "": common,
            "Acquirer": {
                **common,
                "images": str(Path(stream.images).absolute()),
                "labels": str(Path(stream.labels).absolute()) if stream.labels else None,
                "frames": len(stream),
                "first": first,
                "size": options.group,
                "ahead": 2 * options.processors,  # each processor has one group to work on and one that waits
                "budget": store // 2,  # the other half is for arrays that are done with, until the store drops them
            },
            "Processor": {
                **common,
                "model": str(model),
                "shape": shape,
                "warm_up": options.warm_up if shape else 0,
                "device": options.device,
                "threads": max(1, cores // options.processors) if options.processors > 1 else 0,
                "names": stream.names,
            },
            "Writer": {**common, "first": first, "total": len(stream)},
        },
    )
    path = out / "graph.yaml"
    write_text(path, yaml.safe_dump(completed, sort_keys=False))
    return path, store


def _drive(server: Server, posts: Path, actors: list[str], total: int, progress: Progress | None) -> tuple[float, int]:
    """Take a pipeline from setup to stop.

    Returns:
        the seconds from reading the first frame to writing the last one, and the most memory that was seen, in bytes.
    """

    def all_are(state: str) -> bool:
        said = read_posts(posts)
        _check(said)
        return said.keys() >= set(actors) and all(said[name].state == state for name in actors)

    server.wait_for(lambda: all_are("started"), "its actors to start", START_S)
    server.remember({post.pid for post in read_posts(posts).values()})
    server.send("setup")
    server.wait_for(lambda: all_are("ready"), "its actors to get ready", READY_S)
    memory, frames, moved, weighed = 0, -1, time.monotonic(), 0.0
    while True:
        server.check()
        said, now = read_posts(posts), time.monotonic()
        _check(said)
        writer = said["Writer"]
        if writer.state == "done":
            break
        if writer.state == "ready":  # improv refuses until it has heard from all actors, so this is said again
            server.send("run")
        if writer.frames != frames:
            frames, moved = writer.frames, now
            if progress:
                progress("frames", frames, total)
        elif now > moved + STALLED_S:
            raise StreamError(f"no frame for {STALLED_S:.0f} s.")
        if now > weighed + MEMORY_EVERY_S:
            memory, weighed = max(memory, server.memory()), now
        time.sleep(WATCH_S)
    if progress:
        progress("frames", total, total)
    memory = max(memory, server.memory())
    server.send("stop")
    server.wait_for(lambda: all_are("stopped"), "its actors to stop", START_S)
    return writer.seconds, memory


def _check(posts: dict[str, Post]) -> None:
    """Raise StreamError when an actor has failed or its process is gone."""
    for name, post in posts.items():
        if post.state == "failed":
            raise StreamError(f"{name}: {post.error}")
        if not is_alive(post.pid):
            raise StreamError(f"{name} (process {post.pid}) has ended by itself or was killed.")
