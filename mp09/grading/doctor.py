"""Check whether grading can work on this machine, and say what to do where it can't."""

import importlib.metadata
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mp09.data.provenance import checked_provenance
from mp09.errors import Mp09Error
from mp09.grading import replies
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.host import Worker, WorkerEnded
from mp09.grading.sandbox.machine import usable_cores
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.grading.working_copy import CHECKPOINT

REQUIREMENT = re.compile(r'^([\w-]+)(?:==([^\s;]+))?[^\n;]*(?:; sys_platform == "(\w+)")?', re.MULTILINE)
SETUP = "make setup, or: python -m pip install -r requirements.txt"


@dataclass(frozen=True)
class Finding:
    """Holds the result of one check.

    Attributes:
        subject: what was checked, e.g. "packages".
        ok: whether grading can work with what was found.
        text: what was found.
        remedy: what to do about it, or what is good to know; "" where there is nothing to say.
    """

    subject: str
    ok: bool
    text: str
    remedy: str = ""


def examine(folder: Path, data: Path) -> list[Finding]:
    """Check Python, the packages, the data, the sandbox, the device and the checkpoint.

    What goes wrong becomes a finding; it raises nothing but an OSError of the system, e.g. when the disk is full.

    Args:
        folder: the assignment's folder, with requirements.txt and resnet18.pt.
        data: the folder with the batch files.
    """
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
    for name, version, system in REQUIREMENT.findall(requirements.read_text(encoding="utf-8")):
        if system not in ("", sys.platform):
            continue
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
        source = checked_provenance(data)
    except Mp09Error as error:
        return Finding("data", False, str(error), "python -m mp09 data")
    return Finding("data", True, f"{source.name}, {sum(source.counts.values())} images in {data}")


def _worker(folder: Path) -> list[Finding]:
    """Start a worker, as submissions run in one, and ask it about itself and about the checkpoint."""
    checkpoint = (folder / CHECKPOINT).resolve()
    try:
        with (
            Sandbox(Settings(threads=usable_cores())) as sandbox,
            tempfile.TemporaryDirectory(prefix="mp09-") as scratch,
            sandbox.start(Path(scratch), [checkpoint]) as worker,
        ):
            return [*_about(worker.about), _sandbox(sandbox), _checkpoint(worker, checkpoint)]
    except (Mp09Error, WorkerEnded) as error:
        return [Finding("sandbox", False, str(error), SETUP)]


def _about(about: conversation.About) -> list[Finding]:
    if about.device != "cpu":
        gpu = Finding("GPU", True, about.device)
    elif Path("/dev/nvidia0").exists():
        gpu = Finding(
            "GPU",
            True,
            "there is one that PyTorch can't use",
            "Is this PyTorch for GPUs, and the driver new enough? The assignment needs none.",
        )
    else:
        gpu = Finding("GPU", True, "none; the assignment needs none")
    return [
        Finding("threads", True, f"{about.threads} of torch {about.versions['torch']}"),
        gpu,
    ]


def _sandbox(sandbox: Sandbox) -> Finding:
    return Finding("sandbox", True, "; ".join([f"isolation level: {sandbox.level}", *sandbox.remarks]))


def _checkpoint(worker: Worker, path: Path) -> Finding:
    remedy = "Take resnet18.pt from the handout again, and put it beside models.py."
    question = conversation.checkpoint(str(path))
    try:
        arrays = replies.checked(question, worker.request(question, timeout_s=60)).arrays
    except replies.Raised as raised:
        reason = f"{raised.error.type} {raised.error.message}".splitlines()[0]
        return Finding("checkpoint", False, f"{path.name}: {reason}", remedy)
    ok = "conv1.weight" in arrays and arrays["conv1.weight"].shape == (64, 3, 3, 3)
    text = f"{path.name}, {sum(array.size for array in arrays.values()) / 1e6:.1f} million numbers"
    return Finding("checkpoint", ok, text if ok else f"{path.name} is of another model", "" if ok else remedy)
