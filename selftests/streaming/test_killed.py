"""When a part of a run is killed, the run ends soon, says why, leaves nothing behind, and can go on."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from mp09.streaming.posts import read_posts
from mp09.streaming.run_files import read_predictions
from mp09.streaming.timing import read_table
from selftests.conftest import ROOT
from selftests.streaming.conftest import COUNT, graph_with, left_over

END_S = 10.0  # by when a run whose actor was killed must have ended
proof = partial(pytest.param, marks=pytest.mark.proof)


@pytest.fixture
def slow(improv, stream, images, model, tmp_path):
    """Return a command that takes 0.3 s for each group of four, its folder, and a command that goes on with the run."""
    changes = {"package": "selftests.streaming.slow", "class": "SlowProcessor"}
    graph = graph_with(tmp_path / "slow.yaml", "Processor", base="timing", **changes)
    out = tmp_path / "out"
    base = [sys.executable, "-m", "mp09", "stream", "--exported", model, "--images", images / "images"]
    base += ["--labels", images / "labels", "--group", "4", "--out", out]
    return [*base, "--graph", graph], out, [*base, "--graph", "timing", "--resume"]


def started(command: list, out: Path, *, frames: int = 8) -> subprocess.Popen:
    """Start a run, and return its process when it has written some frames."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, **pipes)
    until = time.monotonic() + 90
    while not (out / "actors").is_dir() or getattr(read_posts(out / "actors").get("Writer"), "frames", 0) < frames:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    return process


def victim(process: subprocess.Popen, out: Path, what: str) -> int:
    if what in (posts := read_posts(out / "actors")):
        return posts[what].pid
    if what == "link":
        (server,) = psutil.Process(process.pid).children()
        actors = {post.pid for post in posts.values()}
        return next(p.pid for p in server.children() if p.pid not in actors and "plasma" not in p.name())
    return next(p.pid for p in psutil.Process(process.pid).children(recursive=True) if what in " ".join(p.cmdline()))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("Processor1", r"Processor1 \(process \d+\) has ended by itself or was killed"),
        proof("mp09.streaming.server", "improv's server was killed by signal 9"),
        proof("plasma_store", r"the store \(\d+\) has ended"),
        proof("link", r"the process of a link \(\d+\) has ended"),
    ],
)
def test_a_part_is_killed_and_the_run_ends_in_words_and_goes_on(slow, offline, what, words):
    command, out, go_on = slow
    process = started(command, out)
    pid = victim(process, out, what)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - killed < END_S
    assert process.returncode == 2
    assert re.search(words, errors)
    assert "Traceback" not in errors
    assert left_over(out) == []
    before = len(read_predictions(out))
    assert 8 <= before < COUNT
    done = subprocess.run(go_on, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"went on after {before} frames" in done.stdout
    lines = read_predictions(out)
    assert [line["frame"] for line in lines] == list(range(COUNT))
    assert [line["predicted"] for line in lines] == offline[0]
    assert not np.isnan(np.load(out / "features.npy")).any()
    rows = {path.stem: read_table(path)["frame"] for path in out.glob("*.csv")}
    assert rows == {actor: list(range(COUNT)) for actor in ("Acquirer", "Processor1", "Writer")}
    plots = "histogram.png, latency.png, predictions.jsonl, stages.png"
    assert done.stdout.endswith(f"written: {out}: Acquirer.csv, Processor1.csv, Writer.csv, features.npy, {plots}\n")


@pytest.mark.parametrize("after_s", [proof(0.0), 0.2, proof(0.7)])
def test_when_the_command_is_killed_at_once_nothing_is_left(slow, after_s):
    command, out, _ = slow
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not psutil.Process(process.pid).children():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(after_s)
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    psutil.wait_procs(started, timeout=END_S)
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize("number", [proof(signal.SIGKILL), signal.SIGINT])
def test_when_the_command_itself_ends_nothing_is_left(slow, number):
    command, out, _ = slow
    process = started(command, out)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    until = time.monotonic() + END_S
    while left_over(out) and time.monotonic() < until:
        time.sleep(0.2)
    assert left_over(out) == []


def test_a_server_that_does_not_answer_ends_the_run_in_words(slow):
    command, out, _ = slow
    process = started(command, out)
    (server,) = psutil.Process(process.pid).children()
    server.suspend()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "improv does not answer to stop" in errors
    assert f"{COUNT} frames are written" in errors
    assert left_over(out) == []


def test_a_run_that_is_under_way_is_left_alone(slow):
    command, out, go_on = slow
    process = started(command, out)
    try:
        second = subprocess.run(go_on, cwd=ROOT, capture_output=True, text=True)
        assert second.returncode == 2
        assert "a run in it is under way" in second.stderr
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.mark.proof
def test_a_slow_processor_is_waited_for(slow):
    command, out, _ = slow
    done = subprocess.run([*command, "--frames", "100"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(read_predictions(out)) == 100
    assert int((out / "waiting.txt").read_text()) <= 2  # of 25 groups
