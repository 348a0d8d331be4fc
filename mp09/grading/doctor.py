"""Examines whether grading can work here, and says what to do where it can't."""

import importlib.metadata
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mp09.data.source import read_source, verify
from mp09.errors import Mp09Error
from mp09.grading import sandbox
from mp09.grading.grade import usable_cores
from mp09.grading.submission import CHECKPOINT

SETUP = "make setup, or: python -m pip install -r requirements.txt"


@dataclass(frozen=True)
class Finding:
    """One thing that was examined; `remedy` says what to do when it is not ok."""

    subject: str
    ok: bool
    text: str
    remedy: str = ""


def examine(folder: Path, data: Path) -> list[Finding]:
    """Examine the assignment folder and the data folder. Never raises: what goes wrong becomes a finding."""
    findings = [_python(), *_packages(folder / "requirements.txt"), _data(data)]
    return findings + _worker(folder)


def _python() -> Finding:
    version = sys.version_info
    ok = (3, 10) <= version[:2] <= (3, 13)
    remedy = "" if ok else "Use Python 3.10 to 3.13; PyTorch 2.14.1 has wheels for these."
    return Finding("Python", ok, f"{version.major}.{version.minor}.{version.micro}", remedy)


def _packages(requirements: Path) -> list[Finding]:
    if not requirements.is_file():
        return [Finding("packages", False, f"{requirements} is missing", "Run this in the assignment's folder.")]
    missing, wrong, right = [], [], 0
    for name, version in re.findall(r"^([\w-]+)(?:==(\S+))?", requirements.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if version and installed.split("+")[0] != version:
            wrong.append(f"{name} {installed} (tested with {version})")
        right += 1
    findings = [Finding("packages", not missing, f"{right} of {right + len(missing)} installed", "")]
    if missing:
        findings = [Finding("packages", False, f"missing: {', '.join(missing)}", SETUP)]
    return findings + [
        Finding("packages", True, text, "Other versions usually work; the pinned one is tested.") for text in wrong
    ]


def _data(data: Path) -> Finding:
    try:
        source = read_source(data)
        if source.checksums:
            verify(data)
    except Mp09Error as error:
        return Finding("data", False, str(error), "python -m mp09 data")
    return Finding("data", True, f"{source.name}, {sum(source.counts.values())} pictures in {data}")


def _worker(folder: Path) -> list[Finding]:
    """Start the process in which submissions run, and ask it about itself and the checkpoint."""
    settings = sandbox.Settings(threads=usable_cores())
    try:
        with tempfile.TemporaryDirectory(prefix="mp09-") as scratch, sandbox.Worker(Path(scratch), settings) as worker:
            return [*_about(worker.about), _checkpoint(worker, folder / CHECKPOINT)]
    except Mp09Error as error:
        return [Finding("sandbox", False, str(error), SETUP)]


def _about(about: dict) -> list[Finding]:
    gpu = about["device"] != "cpu"
    return [
        Finding("threads", True, f"{about['threads']} of torch {about['versions']['torch']}"),
        Finding("GPU", True, about["device"] if gpu else "none; the assignment needs none"),
        Finding("sandbox", True, f"isolation level: {sandbox.LEVEL}"),
    ]


def _checkpoint(worker: sandbox.Worker, path: Path) -> Finding:
    remedy = "Take resnet18.pt from the handout again, and put it beside models.py."
    reply = worker.request("checkpoint", timeout_s=60, path=str(path.resolve()))
    if "error" in reply.fields:
        return Finding("checkpoint", False, f"{path}: {reply.fields['error']['message'].splitlines()[0]}", remedy)
    ok = reply.arrays.get("conv1.weight") is not None and reply.arrays["conv1.weight"].shape == (64, 3, 3, 3)
    text = f"{path.name}, {sum(array.size for array in reply.arrays.values()) / 1e6:.1f} million numbers"
    return Finding("checkpoint", ok, text if ok else f"{path.name} is of another network", "" if ok else remedy)
