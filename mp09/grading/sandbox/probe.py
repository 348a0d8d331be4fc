"""Show that a level of isolation holds, by trying from inside a worker what must fail.

The attempts are the same at every level that is probed, which are "user" and "sandboxed".
"""

import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from mp09.errors import GradingError, ProtocolError
from mp09.files import scratch_folder
from mp09.grading import replies, rubric
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.attempts import ABSTRACT, DATAGRAM, OTHERS_MEMORY, SIGNAL, TCP, Targets
from mp09.grading.sandbox.host import Worker
from mp09.grading.sandbox.isolation import SHARED_MEMORY, Confined
from mp09.grading.sandbox.isolation.landlock import SCOPED_ABI

NOT_PROMISED = "a submission can read what every user of this machine can, and open sockets that have a path"


def examine(start: Callable[[Path], Worker], guarded: Sequence[Path]) -> list[str]:
    """Try to get out of a worker, and return remarks about what this machine can't prevent.

    Args:
        start: Starts a worker in a folder.
        guarded: Files and folders that the worker must fail to read and to write.

    Raises:
        GradingError: Isolation does not hold, or a worker can't start.
    """
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0mp09-{uuid.uuid4().hex}")
        abstract.listen()
        shared = stack.enter_context(_private_file(SHARED_MEMORY))
        inside, outside = scratch / "inside", scratch / "outside"
        inside.mkdir()
        outside.write_text("private")
        outside.chmod(0o600)
        unchanged = _attributes(outside)
        worker = stack.enter_context(start(inside))
        targets = Targets(
            paths=[*map(str, guarded), str(outside), str(scratch)],
            outside=str(outside),
            grader=os.getpid(),
            threads=[int(thread) for thread in os.listdir("/proc/self/task")],
            port=tcp.getsockname()[1],
            abstract=abstract.getsockname()[1:].decode(),
            shared=shared.name,
        )
        confined = worker.about.isolation
        question = conversation.probe(targets)
        try:
            reply = replies.checked(question, worker.request(question, timeout_s=rubric.START_LIMIT_S))
        except (ProtocolError, replies.Raised) as error:
            raise GradingError(f"the probe failed: {error}") from error
        got_out = reply.fields.succeeded
        if _attributes(outside) != unchanged:
            got_out.append("change the attributes of a file that is not its own")
    weak = [what for what in got_out if what in _allowed(confined)]
    if got_out := [what for what in got_out if what not in weak]:
        closed = "" if confined.landlock_abi else "; close what is private to everybody else: chmod -R go-rwx"
        raise GradingError(f"from inside it was possible to {', '.join(got_out)}{closed}")
    return _remarks(confined, weak)


def _allowed(confined: Confined) -> set[str]:
    """Return the attempts that may succeed because the machine lacks something.

    Those that do succeed become a remark.
    """
    allowed = set()
    if confined.landlock_abi < SCOPED_ABI:
        allowed |= {ABSTRACT} if confined.user is not None else {ABSTRACT, SIGNAL}
    if not confined.seccomp:
        allowed |= {TCP, DATAGRAM}
    if confined.user is None and not confined.own_shared_memory:
        allowed |= {OTHERS_MEMORY}
    return allowed


def _remarks(confined: Confined, weak: list[str]) -> list[str]:
    remarks = [NOT_PROMISED] if not confined.landlock_abi else []
    if weak:
        lacks = f"Landlock ABI {confined.landlock_abi}" if confined.landlock_abi else "no Landlock"
        lacks += "" if confined.seccomp else ", no seccomp"
        lacks += ", no /dev/shm of its own" if OTHERS_MEMORY in weak else ""
        remarks.append(f"{lacks}: a submission can {' and '.join(weak)}")
    return remarks


def _private_file(folder: str) -> IO[bytes]:
    """Create a named file that only this user may read: in the folder, or elsewhere where there is no such folder."""
    return tempfile.NamedTemporaryFile(prefix="mp09-probe-", dir=folder if os.path.isdir(folder) else None)


def _attributes(path: Path) -> tuple[int, int, list[str]]:
    status = path.stat()
    return status.st_mode, status.st_mtime_ns, os.listxattr(path)
