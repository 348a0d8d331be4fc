"""Where submissions run: `Sandbox` chooses the level of isolation and starts workers, `Worker` asks and watches one.

Level "process" (anywhere): a process, session, working folder and scrubbed environment of its own, limits on time,
memory, disk and output, and a complete end. It keeps accidents away from the grader. It is not a security boundary:
the submission runs as the same user and can read what that user can read.

Level "sandboxed" (Linux): besides, the kernel keeps the worker in (see `isolation`), and a probe from inside has shown
that it does: see `Sandbox._probe`.
"""

import glob
import importlib.util
import os
import queue
import signal
import site
import socket
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mp09.errors import GradingError, ProtocolError
from mp09.files import scratch_folder
from mp09.grading import protocol, rubric
from mp09.grading.machine import usable_memory
from mp09.grading.processes import Forked, Spawned, Warm, inherited_environment
from mp09.grading.usage import SHARED_MEMORY, disk_bytes, family, memory_bytes, shared_bytes, unlinked_bytes
from mp09.precision import VARIABLE, forced

PROCESS, SANDBOXED, AUTO = "process", "sandboxed", "auto"
POLL_S = 0.1
DISK_POLL_S = 1.0
# What programs on Linux read besides Python: libraries, the processor's features, time zone, fonts, user names.
SYSTEM_FILES = (
    *("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo"),
    *("/proc/stat", "/proc/self", "/proc/sys", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/mime.types", "/etc/passwd"),
    *("/etc/group", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/etc/locale.alias", "/etc/matplotlibrc"),
)
SYSTEM_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
GPU_FILES = ("/proc/driver/nvidia*", "/proc/devices", "/sys/module/nvidia*", "/sys/bus/pci", "/sys/devices")
GPU_DEVICES = ("/dev/nvidia*", "/dev/dxg")
THREADS = "/proc/self/task"  # NVIDIA's driver names its threads there, and gives up when it can't


class WorkerEnded(Exception):  # noqa: N818 (an event, not always an error)
    """The worker is gone, in words. `kind`: "died", "time", "memory", "disk", "processes" or "protocol"."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Settings:
    """How workers run.

    device: "auto", "cpu" or "cuda"; threads: of torch; seed: set before every request; isolation: "process",
    "sandboxed", or "auto" for the highest level that this machine offers; precision: what workers find in
    MP09_PRECISION (see `models.fast_dtype`), by default what this process does. DeviceError when that is no precision.
    """

    device: str = "auto"
    threads: int = 1
    seed: int = 42
    memory_mib: int = rubric.MEMORY_LIMIT_MIB
    disk_mib: int = rubric.DISK_LIMIT_MIB
    isolation: str = AUTO
    precision: str = field(default_factory=forced)


class Sandbox:
    """Starts workers. Use as a context manager, or call `close`.

    `level` is in force for all of them; `remarks` say what this machine lacks.
    """

    def __init__(self, settings: Settings, *, guarded: Sequence[Path] = ()):
        """
        Args:
            guarded: files and folders that the probe must fail to read and to write, where they are: the rubric,
                private labels, the results.

        Raises:
            GradingError: `settings.isolation` is "sandboxed", and this machine can't, or the probe got out;
                or it has too little memory, which would cost a student points; or `settings.device` is "cuda", and
                PyTorch finds no GPU where submissions run.
        """
        if (memory_mib := usable_memory() >> 20) < rubric.MEMORY_FLOOR_MIB:
            raise GradingError(
                f"{memory_mib} MiB of memory, at least {rubric.MEMORY_FLOOR_MIB} are needed: "
                "choose a larger machine or container (on Gradescope: 1 CPU, 1.5 GB)."
            )
        self.settings = settings
        self.level, self.remarks = PROCESS, []
        self._warm = Warm() if sys.platform == "linux" else None
        try:
            self._choose_level(guarded)
            self._need_device()
        except GradingError:
            self.close()
            raise

    def _choose_level(self, guarded: Sequence[Path]) -> None:
        if self.settings.isolation == PROCESS:
            return
        try:
            if not self._warm:
                raise GradingError(f"the kernel's isolation is for Linux; this is {sys.platform}")
            self.level = SANDBOXED
            self.remarks = self._probe([str(path.resolve()) for path in guarded if path.exists()])
        except GradingError as error:
            if self.settings.isolation == SANDBOXED:
                raise GradingError(f'isolation level "sandboxed" is not to be had here: {error}') from error
            self.level, self.remarks = PROCESS, [str(error)]

    def _need_device(self) -> None:
        if self.settings.device != "cuda":
            return
        with scratch_folder() as scratch, self.start(scratch) as worker:
            if worker.about["device"] == "cpu":
                raise GradingError("device cuda: PyTorch finds no GPU in the process that submissions run in.")

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._warm:
            self._warm.close()
            self._warm = None

    def start(self, folder: Path, readable: Sequence[Path] = ()) -> "Worker":
        """A worker in `folder`, which it may write to; `readable`: what it may read besides."""
        settings = {"seed": self.settings.seed, "threads": self.settings.threads}
        environment = _environment(folder, self.settings)
        if not self._warm:
            return Worker(Spawned(folder, settings, environment), folder, self.settings)
        plan = {"folder": str(folder), "settings": settings, "environment": environment, "policy": None}
        if self.level == SANDBOXED:
            plan["policy"] = _policy(folder, readable, gpu=self.settings.device != "cpu")
        return Worker(self._warm.fork(plan), folder, self.settings)

    def leftovers(self) -> int:
        """Processes of workers that are still there; 0 when all are closed."""
        return self._warm.count() if self._warm else 0

    def _probe(self, guarded: list[str]) -> list[str]:
        """Try from inside what must fail; returns remarks. Raises GradingError when isolation does not hold."""
        with (
            scratch_folder() as scratch,
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_UNIX) as abstract,
        ):
            abstract.bind(f"\0mp09-{uuid.uuid4().hex}")
            abstract.listen()
            inside = scratch / "inside"
            inside.mkdir()
            (scratch / "outside").write_text("private")
            with self.start(inside) as worker:
                about = worker.about["isolation"]
                got_out = worker.request(
                    "probe",
                    timeout_s=rubric.START_LIMIT_S,
                    paths=[*guarded, f"{scratch}/outside", str(scratch)],
                    parent=os.getpid(),
                    port=tcp.getsockname()[1],
                    abstract=abstract.getsockname()[1:].decode(),
                ).fields
        if "error" in got_out:
            raise GradingError(f"the probe failed: {got_out['error']}")
        got_out = got_out["succeeded"]
        remarks = []
        if about["landlock_abi"] < 6:  # the kernel is older than 6.12
            weak = [what for what in got_out if what in ("signal the grader", "connect to an abstract socket")]
            got_out = [what for what in got_out if what not in weak]
            remarks.append(
                f"Landlock ABI {about['landlock_abi']}: a submission can {' and '.join(weak) or 'do no more'}"
            )
        if got_out:
            raise GradingError(f"from inside the sandbox it was possible to {', '.join(got_out)}")
        return remarks


class Worker:
    """One worker process. Use as a context manager, or call `close`."""

    def __init__(self, process: Spawned | Forked, folder: Path, settings: Settings):
        self._process, self._folder = process, folder
        self._memory = min(settings.memory_mib << 20, int(0.8 * usable_memory()))
        self._disk = settings.disk_mib << 20
        self._disk_checked = 0.0
        self._user: int | None = None
        self.peak_memory = 0  # bytes, of all its processes, as often as it was looked at
        self._log = bytearray()
        self._replies: queue.Queue = queue.Queue(maxsize=1)
        for target in (self._read_replies, self._read_log):
            threading.Thread(target=target, daemon=True).start()
        try:
            self.about = self.request("about", timeout_s=rubric.START_LIMIT_S).fields
            if "error" in self.about:
                raise self._end("died", str(self.about["error"]))
            self._user = self.about["isolation"].get("user")
        except WorkerEnded as error:  # no submission is loaded yet: this is ours
            self.close()
            raise GradingError(f"a worker could not start: {error}. {self.log.strip()}") from error

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def log(self) -> str:
        """The last part of what the worker printed."""
        return bytes(self._log).decode(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(
        self, operation: str, *, timeout_s: float, waiting: Callable[[float], None] | None = None, **fields: Any
    ) -> protocol.Message:
        """Send one request and wait for its reply; `waiting(seconds)` is called while it lasts.

        Raises WorkerEnded when the worker dies, or is ended because it exceeds a limit or answers nonsense.
        """
        identity = uuid.uuid4().hex
        started = time.monotonic()
        try:
            protocol.write(self._process.stdin, protocol.Message(identity, {"operation": operation, **fields}))
        except OSError:
            pass  # the end is reported below, with its reason
        while True:
            try:
                reply = self._replies.get(timeout=POLL_S)
                break
            except queue.Empty:
                passed = time.monotonic() - started
                self._check(passed, timeout_s)
                if waiting:
                    waiting(passed)
        if isinstance(reply, ProtocolError) or (reply is not None and reply.id != identity):
            raise self._end("protocol", f"an answer that was not asked for came ({reply})"[:300])
        if reply is None:
            raise self._end("died", self._last_words())
        return reply

    def close(self) -> None:
        """End the worker and every process that it started, and wait until they are gone."""
        self._process.end()

    def _check(self, passed: float, timeout_s: float) -> None:
        if passed > timeout_s:
            raise self._end("time", f"no answer within {timeout_s:.0f} s")
        processes = family(self._process.pid)
        if len(processes) > rubric.PROCESS_LIMIT:
            raise self._end("processes", f"more than {rubric.PROCESS_LIMIT} processes started")
        used = memory_bytes(processes, self._memory) + shared_bytes(self._user)
        self.peak_memory = max(self.peak_memory, used)
        if used > self._memory:
            raise self._end("memory", f"more than {self._memory >> 20} MiB of memory used")
        if time.monotonic() - self._disk_checked > DISK_POLL_S:
            if disk_bytes(self._folder) + unlinked_bytes(processes) > self._disk:
                raise self._end(
                    "disk", f"files of more than {self._disk >> 20} MiB, or too many, in the working folder"
                )
            self._disk_checked = time.monotonic()

    def _end(self, kind: str, message: str) -> WorkerEnded:
        self.close()
        return WorkerEnded(kind, message)

    def _last_words(self) -> str:
        code = self._process.wait(5)
        if code is None:
            return "it closed its connection"
        if code >= 0:
            return f"it ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        hint = ", as the system does when memory runs out" if -code == getattr(signal, "SIGKILL", None) else ""
        return f"it was ended by signal {names.get(-code, -code)}{hint}"

    def _read_replies(self) -> None:
        try:
            while message := protocol.read(self._process.stdout):
                self._replies.put(message)
        except Exception as error:  # whatever a submission made of the stream
            self._replies.put(error if isinstance(error, ProtocolError) else ProtocolError(str(error)))
        self._replies.put(None)

    def _read_log(self) -> None:
        """Drain what is printed, without end if need be, and keep only the last part."""
        stream = self._process.stderr
        while block := stream.read1(1 << 16):
            self._log += block
            del self._log[: -rubric.LOG_LIMIT]


def arrays_of(message: protocol.Message, prefix: str, count: int) -> list[np.ndarray | None]:
    """The arrays prefix0, prefix1, ... of a reply; None for each that is not there."""
    return [message.arrays.get(f"{prefix}{i}") for i in range(count)]


def _environment(folder: Path, settings: Settings) -> dict[str, str]:
    environment = inherited_environment()
    home = str(folder)
    threads = str(settings.threads)
    environment |= {"HOME": home, "TMPDIR": home, "TEMP": home, "TMP": home, "MPLBACKEND": "Agg"}
    environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, VARIABLE: settings.precision}
    if settings.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _policy(folder: Path, readable: Sequence[Path], *, gpu: bool) -> dict[str, Any]:
    """The fields of an `isolation.Policy`: read Python, the system's libraries and `readable`; write `folder`."""
    torch = importlib.util.find_spec("torch").submodule_search_locations[0]
    python = {
        sys.prefix,
        sys.base_prefix,
        *sysconfig.get_paths().values(),
        *site.getsitepackages(),
        os.path.dirname(torch),
    }
    read = python | {os.path.realpath(path) for path in python}  # as they are called, and as they are
    read |= {*SYSTEM_FILES, *(str(path) for path in readable)}
    devices = [*SYSTEM_DEVICES]
    if gpu:
        read |= {path for pattern in GPU_FILES for path in glob.glob(pattern)}
        if gpus := [path for pattern in GPU_DEVICES for path in glob.glob(pattern)]:
            devices += [THREADS, *gpus]
    return {"read": sorted(read), "write": [str(folder), SHARED_MEMORY], "devices": devices}
