"""Shows the progress of a class on the terminal: done, failed, rate, time left, and what is being graded."""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from mp09.classroom import batch

SHOWN = 16  # workers that are listed at most
LOG_S = 30.0  # seconds between lines, where the output is not a terminal


class Screen:
    """Shows a progress bar and the busy workers. Use it as a context manager, and call `update` on every event."""

    def __init__(self, console: Console):
        self._console = console
        self._started = self._logged = time.monotonic()
        self._bar = Progress(
            TextColumn("graded"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}")
        )
        self._task = self._bar.add_task("", words="")
        self._progress = batch.ClassProgress(0, 0)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, progress: batch.ClassProgress) -> None:
        self._progress = progress
        if not self._console.is_terminal and time.monotonic() - self._logged > LOG_S:
            self._logged = time.monotonic()
            self._console.print(f"graded {progress.done} of {progress.total}, {self._words()}", highlight=False)

    def _words(self) -> str:
        progress, seconds = self._progress, time.monotonic() - self._started
        words = [f"{progress.failed} failed"] if progress.failed else []
        if progress.done:
            left = seconds / progress.done * (progress.total - progress.done)
            words += [f"{60 * progress.done / seconds:.1f} a minute", f"{left // 60:.0f} min {left % 60:.0f} s left"]
        return ", ".join(words)

    def _render(self) -> Group:
        progress, now = self._progress, time.monotonic()
        self._bar.update(self._task, total=progress.total or None, completed=progress.done, words=self._words())
        lines = [Text(f"  {now - since:4.0f} s  {name}") for name, since in sorted(progress.on.values())[:SHOWN]]
        return Group(self._bar, *lines)
