"""Choose the level of isolation that submissions run at, and start workers: this is what `Sandbox` does.

Level "process" (anywhere) gives a worker a process, session, working folder and scrubbed environment of its own, limits
on time, memory, disk and output, and a complete end. It keeps accidents away from the grader. It is not a security
boundary, because the submission can read what its user can read.

Level "user" (Linux, as root) adds an unused user id without any power. It keeps a submission away from all that is
readable by root alone, and needs nothing that a container or an old kernel might lack.

Level "sandboxed" (Linux) adds the kernel's Landlock, which says which files there are for a submission. Without root
it stands in for the user id.

A level above "process" is in force when a probe from inside has shown that it holds (see `probe`).
"""

import glob
import importlib.util
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from mp09 import trees
from mp09.errors import GradingError
from mp09.files import keep_private, scratch_folder
from mp09.grading import rubric
from mp09.grading.sandbox import probe
from mp09.grading.sandbox.cgroup import MemoryGroup
from mp09.grading.sandbox.conversation import WorkerSettings
from mp09.grading.sandbox.host import Limits, Worker
from mp09.grading.sandbox.isolation import AUTO, LEVELS, PROCESS, SHARED_MEMORY, USER, Policy
from mp09.grading.sandbox.machine import usable_memory
from mp09.grading.sandbox.packets import Fork
from mp09.grading.sandbox.processes import Spawned, inherited_environment
from mp09.grading.sandbox.usage import Meter
from mp09.grading.sandbox.warm import Warm
from mp09.precision import VARIABLE, forced

# Besides Python, programs on Linux read libraries, the processor's features, the time zone, fonts and user names.
SYSTEM_FILES = (
    *("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo"),
    *("/proc/stat", "/proc/self", "/proc/sys", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/mime.types", "/etc/passwd"),
    *("/etc/group", "/etc/nsswitch.conf", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs"),
    *("/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted/pem"),
    *("/etc/locale.alias", "/etc/matplotlibrc"),
)
SYSTEM_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
GPU_FILES = ("/proc/driver/nvidia*", "/proc/devices", "/sys/module/nvidia*", "/sys/bus/pci", "/sys/devices")
GPU_DEVICES = ("/dev/nvidia*", "/dev/dxg")
THREADS = "/proc/self/task"  # NVIDIA's driver names its threads there, and gives up when it can't
# A local socket's path has at most 108 characters, and DataLoader workers add 35 to the temporary folder's.
SHORT_PATH, SHORT_PATHS_IN = 60, "/tmp"


@dataclass(frozen=True)
class Settings:
    """Says how workers run.

    Attributes:
        device: "auto", "cpu" or "cuda".
        threads: Number of threads that torch uses.
        seed: Seed for random numbers, which is set before every request.
        memory_mib: MiB of memory that a worker may use, and at most 80 % of what this machine has.
        disk_mib: MiB of files that a worker may keep.
        isolation: One of LEVELS, or "auto" for the highest that this machine offers.
        least: One of LEVELS; no lower level is taken.
        precision: What workers find in MP09_PRECISION (see `models.fast_dtype`); by default what this process finds
            there.

    Raises:
        DeviceError: By default, when MP09_PRECISION holds a word that is no precision.
    """

    device: str = "auto"
    threads: int = 1
    seed: int = rubric.SEED
    memory_mib: int = rubric.MEMORY_LIMIT_MIB
    disk_mib: int = rubric.DISK_LIMIT_MIB
    isolation: str = AUTO
    least: str = PROCESS
    precision: str = field(default_factory=forced)

    def levels(self) -> list[str]:
        """Return the levels that will do, from the highest."""
        enough = LEVELS[LEVELS.index(self.least) :]
        return [level for level in reversed(enough) if self.isolation in (AUTO, level)]


class Sandbox:
    """Starts workers, all at one level of isolation. Use it as a context manager, or call `close`.

    Attributes:
        settings: How workers run.
        limits: The memory and the disk that each worker may use.
        level: The level that is in force for all of them.
        remarks: What this machine lacks, in words.
    """

    def __init__(self, settings: Settings, *, guarded: Sequence[Path] = (), close: bool = False):
        """Start the warm process (Linux), choose the level, and see that the device is there.

        Args:
            settings: How workers run.
            guarded: Files and folders that the probe must fail to read and to write, as far as they exist: the rubric,
                private labels, the results.
            close: Whether to take the permissions on these from everybody but their owner, before level "user" is
                tried.

        Raises:
            GradingError: This machine offers none of the levels that `settings` allow, or the probe got out of them. Or
                it has too little memory, which would cost a student points. Or `settings.device` is "cuda", and PyTorch
                finds no GPU where submissions run.
        """
        if not settings.levels():
            raise GradingError(f'isolation level "{settings.isolation}" is below the required "{settings.least}".')
        if (memory_mib := usable_memory() >> 20) < rubric.MEMORY_FLOOR_MIB:
            raise GradingError(
                f"{memory_mib} MiB of memory, at least {rubric.MEMORY_FLOOR_MIB} are needed: "
                "choose a larger machine or container (on Gradescope: 1 CPU, 1.5 GB)."
            )
        self.settings = settings
        self.limits = Limits(min(settings.memory_mib << 20, int(0.8 * usable_memory())), settings.disk_mib << 20)
        self._warm = Warm() if sys.platform == "linux" else None
        try:
            self.level, self.remarks = self._choose_level([p.resolve() for p in guarded if p.exists()], close)
            self._need_device()
        except BaseException:
            self.close()
            raise

    def _choose_level(self, guarded: list[Path], close: bool) -> tuple[str, list[str]]:
        """Return the highest level that the probe can't get out of, and the remarks about it."""
        reasons: list[str] = []
        for level in self.settings.levels():
            if level == PROCESS:
                return level, reasons
            try:
                if not self._warm:
                    raise GradingError(f"the kernel's isolation is for Linux; this is {sys.platform}")
                if close and level == USER:
                    keep_private(guarded)
                return level, [*reasons, *probe.examine(partial(self._start, level), guarded)]
            except (GradingError, OSError) as error:
                reasons = list(dict.fromkeys([*reasons, str(error)]))
        wanted = " or ".join(f'"{level}"' for level in self.settings.levels())
        raise GradingError(f"isolation level {wanted} is not to be had here: {'; '.join(reasons)}")

    def _need_device(self) -> None:
        if self.settings.device != "cuda":
            return
        with scratch_folder() as scratch, self.start(scratch) as worker:
            if worker.about.device == "cpu":
                raise GradingError("device cuda: PyTorch finds no GPU in the process that submissions run in.")

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._warm:
            self._warm.close()
            self._warm = None

    def start(self, folder: Path, readable: Sequence[Path] = ()) -> Worker:
        """Start a worker.

        Args:
            folder: The folder that it works in and may write to.
            readable: Files and folders that it may read besides.

        Raises:
            GradingError: The worker could not start.
        """
        return self._start(self.level, folder, readable)

    def _start(self, level: str, folder: Path, readable: Sequence[Path] = ()) -> Worker:
        settings = WorkerSettings(self.settings.seed, self.settings.threads)
        short, forget = _short(folder)
        environment = _environment(folder, short, self.settings)
        warm = self._warm
        if not warm:
            spawned = Spawned(folder, settings, environment)
            return Worker(spawned, Meter(spawned.pid, folder), self.limits, forget)
        group = MemoryGroup.make()
        policy = self._policy(warm, level, folder, readable)
        try:
            process = warm.fork(Fork(str(folder), settings, environment, policy, str(group.folder) if group else None))
        except BaseException:
            forget()
            if group:
                group.remove()
            raise
        return Worker(process, Meter(process.pid, folder, group, warm.look), self.limits, forget)

    def leftovers(self) -> int:
        """Return the number of workers' processes that are still there, which is 0 when all are closed."""
        return self._warm.count() if self._warm else 0

    def _policy(self, warm: Warm, level: str, folder: Path, readable: Sequence[Path]) -> Policy:
        """Let a worker read Python, the system's libraries and `readable`, and write to `folder` and /dev/shm."""
        read = _python_files() | {*SYSTEM_FILES, *(str(path) for path in readable)}
        devices = [*SYSTEM_DEVICES]
        if self.settings.device != "cpu":
            read |= {path for pattern in GPU_FILES for path in glob.glob(pattern)}
            if gpus := [path for pattern in GPU_DEVICES for path in glob.glob(pattern)]:
                devices += [THREADS, *gpus]
        return Policy(
            level=level,
            read=tuple(sorted(read)),
            write=(str(folder), SHARED_MEMORY),
            devices=tuple(devices),
            outside=(os.getpid(), os.getppid(), warm.pid),
            open_files=warm.open_files,
            shared_bytes=self.limits.memory_bytes,
            files=rubric.FILE_COUNT_LIMIT,
        )


@cache
def _python_files() -> set[str]:
    """Return the folders of the interpreter and of its packages, under their usual names and with links resolved."""
    torch = importlib.util.find_spec("torch")
    assert torch is not None  # the warm process has imported it
    assert torch.origin is not None
    called = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *site.getsitepackages()}
    called.add(os.path.dirname(os.path.dirname(torch.origin)))
    return called | {os.path.realpath(path) for path in called}


def _environment(folder: Path, temporary: Path, settings: Settings) -> dict[str, str]:
    environment = inherited_environment()
    threads = str(settings.threads)
    environment |= {"HOME": str(folder), "MPLBACKEND": "Agg", VARIABLE: settings.precision}
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if settings.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _short(folder: Path) -> tuple[Path, Callable[[], None]]:
    """Return a name for the folder that is short enough for a socket's path, and what takes the name back."""
    if len(str(folder)) <= SHORT_PATH or not os.access(SHORT_PATHS_IN, os.W_OK):
        return folder, lambda: None
    around = Path(tempfile.mkdtemp(prefix="mp09-", dir=SHORT_PATHS_IN))
    around.chmod(0o711)
    (around / "t").symlink_to(folder)
    return around / "t", lambda: trees.remove(around)
