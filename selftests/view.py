"""Run a command in its own view of the machine, as an ordinary user who owns the checkout, or as root.

    python selftests/view.py [--as-root] [--share FOLDER] COMMAND ...

It needs Linux, and must be started as root. An ordinary user has an id that nobody else has. In a mount namespace of
its own the command sees:

    the checkout              a copy, so that whatever happens to it is gone afterwards
    what everybody may write  folders of its own, empty at first: /tmp (but for the user's home), /var/tmp, /dev/shm,
                              /run/lock
    what root alone may enter folders for everybody, empty but for Python and --share where these lie there
    control groups            with --as-root: none, as in most containers
    --share FOLDER            the folder as it is

Nothing changes outside. At the end the user's files and queues are gone, and so are the processes that the command left
behind.
"""

import argparse
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_COPIED = (
    *(".git", ".venv*", "__pycache__", ".*_cache", ".coverage*"),
    *("cifar10_batches*", "dist", "grades", "features", "runs"),
)
FIRST_USER = 1_890_000_000  # beyond the ids that workers take (mp09/grading/sandbox/isolation/users.py)
IN_MEMORY = ("/dev/shm", "/run/lock")
CONTROL_GROUPS = "/sys/fs/cgroup"
HOME = "/tmp/home"
OPEN_FILES = 1024  # as many as a login allows at first; root in a container often has more
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000  # linux/sched.h
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 1, 1 << 12, 1 << 14, 1 << 18  # linux/mount.h
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as-root", action="store_true")
    parser.add_argument("--share", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    user = 0 if args.as_root else FIRST_USER + os.getpid()
    scratch = Path(tempfile.mkdtemp(prefix="mp09-user-"))
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what the command leaves behind becomes this one's child
    try:
        lay_out(scratch, user)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command, whose end is waited for
        if (pid := os.fork()) == 0:
            become(user, scratch, [path.resolve() for path in args.share], args.command)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        end_processes(user)
        subprocess.run(["rm", "-rf", scratch], check=False)  # removes deeper folders than Python can


def lay_out(scratch: Path, user: int) -> None:
    """Make the user's copy of the checkout, and its folders for temporary files."""
    shutil.copytree(ROOT, scratch / "checkout", symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (scratch / "tmp" / "home").mkdir(parents=True)
    (scratch / "var").mkdir()
    subprocess.run(["chown", "-R", f"{user}:{user}", scratch], check=True)
    for folder in (scratch / "tmp", scratch / "var"):
        folder.chmod(0o1777)


def become(user: int, scratch: Path, shared: list[Path], command: list[str]) -> None:
    """In a child, see what the user sees, be the user, and run the command. This does not return."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        here = os.getcwd()
        private_mounts(scratch, shared)
        if not user and os.path.isdir(CONTROL_GROUPS):
            mount("tmpfs", CONTROL_GROUPS, MS_RDONLY)
        os.chdir(here)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        if user:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        environment = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TEMP", "TMP")}
        os.execvpe(command[0], command, environment | {"HOME": HOME})
    except OSError as error:
        print(f"a view of its own is not to be had here: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def private_mounts(scratch: Path, shared: list[Path]) -> None:
    """Cover what the user must not see, and put what it needs back to where it was."""
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
    mount("none", "/", MS_REC | MS_PRIVATE)
    os.umask(0o022)
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.base_prefix))}
    needed = {path: path for path in (*python, *shared)} | {ROOT: scratch / "checkout"}
    needed |= {Path("/tmp"): scratch / "tmp", Path("/var/tmp"): scratch / "var"}
    opened = {path: os.open(source, os.O_PATH) for path, source in needed.items()}
    closed = {folder for path in needed for folder in path.parents if not folder.stat().st_mode & 0o001}
    for folder in sorted(closed):
        if folder.exists():  # it is gone if it lies in another that is covered already
            mount("tmpfs", str(folder), 0, b"mode=711")
    for place in filter(os.path.isdir, IN_MEMORY):
        mount("tmpfs", place, 0, b"mode=1777")
    for path, descriptor in sorted(opened.items()):
        path.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", str(path), MS_BIND | MS_REC)
        os.close(descriptor)


def mount(source: str, target: str, flags: int, options: bytes | None = None) -> None:
    kind = b"tmpfs" if source == "tmpfs" else None
    check(LIBC.mount(source.encode(), target.encode(), kind, ctypes.c_ulong(flags), options), f"mount {target}")


def check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def end_processes(user: int) -> None:
    """Kill whatever the command has left behind, and wait until it is gone.

    What an ordinary user still runs is killed all at once. Root also runs what has nothing to do with the command, so
    this process's children are killed, and then their children, which become its own.
    """
    if user and os.fork() == 0:
        try:
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    with suppress(ChildProcessError):
        while True:
            for child in () if user else Path("/proc/thread-self/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            os.wait()


if __name__ == "__main__":
    sys.exit(main())
