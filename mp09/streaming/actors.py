"""The actors of a pipeline.

improv makes them in its server and forks a process for each. Heavy libraries are imported only after that.
"""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from queue import Empty

import numpy as np
from improv.actor import ManagedActor, RunManager

from mp09.errors import Mp09Error, StreamError
from mp09.streaming.image_folder import Stream, StreamFrame, groups
from mp09.streaming.messages import Answer, Group, Likeliest
from mp09.streaming.posts import PostBox
from mp09.streaming.run_files import Records
from mp09.streaming.timing import TimeTable

SIGNAL_S = 2e-3  # seconds to wait for a signal; improv's own 1e-6 would keep a core busy
STEP_S = 0.05  # seconds that an actor works, or waits for work, before it looks for signals
TOP = 5


class Actor(ManagedActor):
    """An actor whose errors end the run; improv itself would only log them.

    Args:
        folder: the folder of the run.
        timing: whether to keep a table of times in that folder.
    """

    def __init__(self, *args: object, folder: str = "", timing: bool = False):
        super().__init__(*args)
        self.folder, self.timing = Path(folder), timing
        self.table: TimeTable | None = None
        self.frames = 0
        self.actions = {
            "setup": self._watched(self._begin),
            "run": self._watched(self.runStep),
            "stop": self._watched(self.stop),
        }

    def run(self) -> None:
        self.post, self.state = PostBox(self.folder / "actors", self.name), "running"
        self.post.put("started", self.frames)
        with RunManager(self.name, self.actions, self.links, timeout=SIGNAL_S):
            pass

    def runStep(self) -> None:  # noqa: N802 (improv's name)
        """Work while there is something to do, but look for signals after STEP_S."""
        until = time.monotonic() + STEP_S
        while self.step() and time.monotonic() < until:
            pass
        if self.state == "running":
            self.post.put("running", self.frames)

    def step(self) -> bool:
        """Do one piece of work, and return False when there was none to do."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Get ready for the first frame. This happens in the actor's own process."""

    def stop(self) -> None:
        if self.table:
            self.table.close()
        self.post.put("stopped", self.frames)

    def links_named(self, start: str) -> list:
        """Return the links whose names begin with `start`, e.g. `to_Processor1` and `to_Processor2`, by number."""
        names = [name for name in self.links if name.startswith(start)]
        return [self.links[name] for name in sorted(names, key=lambda name: (len(name), name))]

    def put(self, array: np.ndarray, name: str) -> object:
        """Put an array into the store and return its id.

        Raises:
            StreamError: the store did not take it, where improv itself returns None.
        """
        array = np.ascontiguousarray(array)  # the store copies any other array slowly
        if (key := self.client.put(array, name)) is None:
            raise StreamError(
                f"improv's store did not take {array.nbytes / 1e6:.1f} MB. Is it full? Give it more: --store."
            )
        return key

    def get(self, key: object) -> np.ndarray:
        """Return the array that has this id. Raises StreamError when the store does not have it."""
        try:
            return self.client.getID(key)
        except Exception as error:  # improv means to raise an error of its own, and fails to make it
            raise StreamError("improv's store has lost an array. Give it more: --store.") from error

    def times(self, first: int, rows: Iterable[Iterable[float]]) -> None:
        """Add the seconds of the frames from `first` on to the table, if there is one."""
        if self.table:
            self.table.add(first, rows)

    def _begin(self) -> None:
        if self.timing:
            self.table = TimeTable(self.folder / f"{self.name}.csv")
        self.prepare()
        self.post.put("ready", self.frames)

    def _watched(self, action: Callable[[], None]) -> Callable[[], None]:
        def watched() -> None:
            try:
                action()
            except Exception as error:
                self.actions["run"] = lambda: time.sleep(STEP_S)
                words = str(error) if isinstance(error, Mp09Error) else f"{type(error).__name__}: {_reason(error)}"
                try:
                    self.post.put("failed", self.frames, words)
                except OSError:  # e.g. a full disk: the driver sees at least that this process is gone
                    os._exit(1)
                raise  # for improv to log

        return watched


def _reason(error: Exception) -> str:
    """Return one line of an error: the first, but of TorchScript's the last, as those above only say where it was."""
    lines = str(error).strip().splitlines() or ["no more is known"]
    return lines[-1].removeprefix("RuntimeError: ") if "TorchScript" in lines[0] else lines[0]


class Acquirer(Actor):
    """Reads images in groups, and hands the groups to the processors in turn.

    Args:
        images, labels, frames: as in `Stream`.
        first: the number of the first frame.
        size: the number of frames in a group.
        ahead: how many groups may be on their way at most.
        budget: how many bytes of images may be on their way at most.
        folder, timing: as in `Actor`.
    """

    def __init__(
        self,
        *args: object,
        images: str = "",
        labels: str | None = None,
        frames: int = 0,
        first: int = 0,
        size: int = 1,
        ahead: int = 2,
        budget: int = 0,
        folder: str = "",
        timing: bool = False,
    ):
        super().__init__(*args, folder=folder, timing=timing)
        self.stream = Stream(Path(images), Path(labels) if labels else None, frames)
        self.frames, self.size, self.ahead, self.budget = first, size, ahead, budget

    def prepare(self) -> None:
        self.outputs = cycle(self.links_named("to_"))
        self.groups = groups(self.stream, self.frames, self.size)
        self.under_way: deque[int] = deque()  # bytes of each group that is not written yet, the oldest first
        self.group: list[StreamFrame] = []  # a group that is read, and waits for room in the store
        self.free = 0.0  # when the last group was handed on, or the first step began

    def step(self) -> bool:
        self.free = self.free or time.monotonic()
        if len(self.under_way) >= self.ahead and not self._one_is_written():
            return False
        self.group = self.group or next(self.groups, [])
        if not self.group:
            time.sleep(STEP_S)
            return False
        size = sum(frame.image.nbytes for frame in self.group if frame.image is not None)
        if size > self.budget:
            raise StreamError(
                f"{self.group[0].name}: {size / 1e6:.1f} MB of pixels a group, and half of the store is "
                f"{self.budget / 1e6:.1f} MB. Give it more (--store), or make smaller groups (--group)."
            )
        while sum(self.under_way) + size > self.budget:
            if not self._one_is_written():
                return False
        self._hand_on(size)
        return True

    def _one_is_written(self) -> bool:
        """Wait a moment for the writer to report a group, and return whether it did."""
        try:
            self.q_in.get(timeout=STEP_S)
        except Empty:
            return False
        self.under_way.popleft()
        return True

    def _hand_on(self, size: int) -> None:
        frames, self.group = self.group, []
        began = time.monotonic()
        images = [frame.image for frame in frames if frame.image is not None]
        key = self.put(np.stack(images), frames[0].name) if images else None
        sent = time.monotonic()
        group = Group(
            frames[0].number,
            tuple(frame.name for frame in frames),
            tuple(frame.label for frame in frames),
            tuple(frame.started for frame in frames),
            frames[0].error,
            key,
            sent,
        )
        waited = max(0.0, began - self.free - sum(frame.seconds for frame in frames))
        shares = waited / len(frames), (sent - began) / len(frames)
        self.times(group.first, [(frame.seconds, *shares) for frame in frames])
        next(self.outputs).put(group)
        self.under_way.append(size)
        self.frames += len(frames)
        self.free = time.monotonic()


class Processor(Actor):
    """Computes a model's features and class probabilities for each group.

    Args:
        model: a file that `export` wrote.
        shape: the shape (N, H, W, 3) of the first group; grey images of this shape warm the model up.
        warm_up: how many times.
        device: as in `choose_device`.
        threads: how many threads PyTorch uses; 0 leaves that to PyTorch.
        names: the class names, where the model's file does not say them.
        folder, timing: as in `Actor`.
    """

    def __init__(
        self,
        *args: object,
        model: str = "",
        shape: Sequence[int] = (),
        warm_up: int = 3,
        device: str = "auto",
        threads: int = 0,
        names: Sequence[str] = (),
        folder: str = "",
        timing: bool = False,
    ):
        super().__init__(*args, folder=folder, timing=timing)
        self.names = names
        self.file, self.shape, self.warm_up = Path(model), tuple(shape), warm_up
        self.device_name, self.threads = device, threads

    def prepare(self) -> None:
        import torch

        from mp09.device import choose_device
        from mp09.nets.export import load_exported

        if self.threads:
            torch.set_num_threads(self.threads)
        self.device = choose_device(self.device_name)
        exported = load_exported(self.file, self.device)
        self.model, self.softmax = exported.model, exported.card["softmax"]
        self.names = exported.card["classes"] or self.names
        self.indices = {name: index for index, name in enumerate(self.names)}
        for _ in range(self.warm_up):
            self._answer(np.full(self.shape, 128, np.uint8))

    def step(self) -> bool:
        try:
            group: Group = self.q_in.get(timeout=STEP_S)
        except Empty:
            return False
        count, taken = len(group.names), time.monotonic()
        top: list[Likeliest] = [[]]
        right: list[bool | None] = [None]
        features, times = None, (0.0, 0.0)
        if not group.error:
            top, array, times = self._answer(self.get(group.images))
            right = [self._is_right(label, row[0][0]) for label, row in zip(group.labels, top, strict=True)]
            answered = time.monotonic()
            features = self.put(array, f"features {group.first}")
        sent = time.monotonic()
        shares = (taken - group.sent, *times, 0.0 if group.error else sent - answered)
        self.times(group.first, [[share / count for share in shares]] * count)
        self.q_out.put(Answer(group, self.name, top, right, features, sent))
        self.frames += count
        return True

    def _answer(self, array: np.ndarray) -> tuple[list[Likeliest], np.ndarray, tuple[float, float]]:
        """Run the model on images, uint8 (N, H, W, 3), values 0 to 255.

        Returns:
            for each image its likeliest classes (index, name, probability 0 to 1); features float32 (N, D); and the
            seconds of the way to the device and of the model.
        """
        import torch

        from mp09.device import synchronize

        began = time.monotonic()
        with torch.inference_mode():
            # A copy, as the store's array is read-only.
            images = torch.from_numpy(array.copy()).to(self.device).permute(0, 3, 1, 2)
            synchronize(self.device)
            there = time.monotonic()
            features, scores = self.model(images)
            probabilities = scores if self.softmax else scores.softmax(dim=1)
            values, indices = probabilities.float().topk(min(TOP, scores.shape[1]))
            values, indices, features = values.tolist(), indices.tolist(), features.float().cpu().numpy()
        done = time.monotonic()
        top = [[(i, self._name(i), p) for i, p in zip(*row, strict=True)] for row in zip(indices, values, strict=True)]
        return top, features, (there - began, done - there)

    def _name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else str(index)

    def _is_right(self, label: str | None, index: int) -> bool | None:
        """Return whether a label means the class with this index; None where it names no class of the model.

        A label is the name of a class or, when no class has that name, the number of one.
        """
        if label in self.indices:
            return self.indices[label] == index
        return int(label) == index if label and label.isdecimal() else None


class Writer(Actor):
    """Writes the processors' answers in the order of the frames.

    Args:
        first: the number of the first frame.
        total: how many frames there are when all are written.
        folder, timing: as in `Actor`.
    """

    def __init__(self, *args: object, first: int = 0, total: int = 0, folder: str = "", timing: bool = False):
        super().__init__(*args, folder=folder, timing=timing)
        self.frames, self.total = first, total

    def prepare(self) -> None:
        self.inputs = cycle(self.links_named("from_"))
        self.input = next(self.inputs)
        self.records = Records(self.folder, self.total)
        self.began, self.written = math.inf, 0.0

    def step(self) -> bool:
        if self.frames == self.total:
            if self.state != "done":
                self.state = "done"
                self.post.put("done", self.frames, seconds=self.written - self.began)
            time.sleep(STEP_S)
            return False
        try:
            answer: Answer = self.input.get(timeout=STEP_S)
        except Empty:
            return False
        taken = time.monotonic()
        group, count = answer.group, len(answer.group.names)
        if group.first != self.frames:
            raise StreamError(f"frame {self.frames} is missing: {answer.processor} sent {group.first}.")
        features = None if answer.features is None else self.get(answer.features)
        self.take(answer, features)
        self.written = written = time.monotonic()
        queue, write = (taken - answer.sent) / count, (written - taken) / count
        self.times(group.first, [(queue, write, written - started) for started in group.started])
        self.records.commit()
        self.began = min(self.began, group.started[0])
        self.q_out.put(group.first)
        self.input = next(self.inputs)
        self.frames += count
        return True

    def take(self, answer: Answer, features: np.ndarray | None) -> None:
        """Record an answer and its features, float32 (N, D), or None where the image can't be read."""
        self.records.add(answer, features)

    def stop(self) -> None:
        self.records.close()
        super().stop()
