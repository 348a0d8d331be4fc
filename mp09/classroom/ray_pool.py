"""Runs `grade_source` on a Ray cluster, with one task for each submission. It needs the extra `cluster`.

models.py, the checkpoint, tests, data and held-out images go to each node once, through Ray's object store, into a
folder of the user who grades. When a task's process or node is lost, the task runs again elsewhere. Results come back
to the driver, which alone writes the gradebook.
"""

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mp09.classroom.pool import Event, Work
from mp09.classroom.task import Outcome, Rules, grade_source
from mp09.cluster import connected
from mp09.data.provenance import holdout_file
from mp09.errors import ClassError
from mp09.grading.assignment import Assignment

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 3  # how often a submission is tried again when its process or node is lost


class RayPool:
    """Grades on a Ray cluster.

    Args:
        address: of a running cluster, e.g. "auto" or "ray://host:10001"; None starts one on this machine.
    """

    def __init__(self, address: str | None = None):
        self._address = address

    def run(self, work: Iterable[Work], assignment: Assignment, rules: Rules) -> Generator[Event, None, None]:
        """Grade submissions; yield an event when one is handed to Ray, and another when it is done, in any order.

        No more of them are handed over at a time than the cluster has cores for.

        Raises:
            ClassError: no node has as many cores as a grading needs.
            ClusterError: Ray is not installed, or the cluster can't be reached.
        """
        bundle = _bundle(assignment)
        digest = hashlib.sha256(bundle).hexdigest()[:16]
        threads = rules.settings.threads
        with connected(self._address) as ray:
            try:
                cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
                slots = sum(count // threads for count in cores)
                if not slots:
                    raise ClassError(f"no node has {threads} cores for a grading: give --threads.")
                stored = ray.put(bundle)
                task = ray.remote(_grade).options(num_cpus=threads, max_retries=RETRIES)
                pending: dict[ObjectRef[Outcome], str] = {}  # the keys of the submissions that are graded
                left = iter(work)
                while True:
                    while len(pending) < slots and (next_one := next(left, None)):
                        key, source = next_one
                        pending[task.remote(key, source, [stored], digest, rules)] = key
                        yield key, key, None
                    if not pending:
                        break
                    for reference in ray.wait(list(pending))[0]:
                        key = pending.pop(reference)
                        try:
                            outcome = ray.get(reference)
                        except ray.exceptions.RayError as error:
                            outcome = Outcome(key, None, f"Ray: {str(error).strip().splitlines()[0]}")
                        yield key, key, outcome
            finally:
                if not self._address:
                    shutil.rmtree(_folder(digest), ignore_errors=True)


def _bundle(assignment: Assignment) -> bytes:
    """Return a zip with all the files that a node needs."""
    files = {f"kit/{name}": assignment.kit / name for name in ("models.py", "resnet18.pt")}
    files |= {f"tests/{path.name}": path for path in assignment.tests.glob("test_*.py")}
    files |= {f"data/{path.name}": path for path in assignment.data.iterdir() if path.is_file()}
    if (private := holdout_file(assignment.data)).exists():
        files[f"data_holdout/{private.name}"] = private
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return content.getvalue()


def _grade(key: str, source: bytes | None, bundle: "list[ObjectRef[bytes]]", digest: str, rules: Rules) -> Outcome:
    """Grade one submission on a node.

    `bundle` is a list with one reference. Ray does not fetch what a reference in a list stands for, so the files travel
    only to a node that does not have them yet.
    """
    folder = _unpacked(bundle[0], digest)
    return grade_source(key, source, Assignment(folder / "kit", folder / "tests", folder / "data"), rules)


def _unpacked(bundle: "ObjectRef[bytes]", digest: str) -> Path:
    """Return the node's folder with the bundle's files; the first task there makes it, in one step."""
    folder = _folder(digest)
    if not folder.exists():
        import ray

        building = Path(tempfile.mkdtemp(prefix="mp09-node-"))
        with zipfile.ZipFile(io.BytesIO(ray.get(bundle))) as archive:
            archive.extractall(building)
        for name in ("tests", "data_holdout"):
            if (building / name).exists():
                (building / name).chmod(0o700)
        building.chmod(0o711)
        try:
            building.rename(folder)
        except OSError:  # another task was first
            shutil.rmtree(building)
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        raise ClassError(f"{folder}: belongs to somebody else")
    return folder


def _folder(digest: str) -> Path:
    return Path(tempfile.gettempdir()) / f"mp09-node-{digest}"
