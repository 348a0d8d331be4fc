"""The actors of a pipeline.

improv makes them in its server and forks a process for each. Heavy libraries are imported only after that.
"""

import math
import time
from collections import deque
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from queue import Empty

import numpy as np

from mp09.errors import StreamError
from mp09.streaming.base_actor import STEP_S, Actor
from mp09.streaming.image_folder import Stream, StreamFrame, groups
from mp09.streaming.messages import Answer, Group, Likeliest
from mp09.streaming.run_files import Records
from mp09.streaming.stream_model import StreamModel


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
        self.model = StreamModel(self.file, self.device_name, self.threads, self.names)
        for _ in range(self.warm_up):
            self.model(np.full(self.shape, 128, np.uint8))

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
            top, array, times = self.model(self.get(group.images))
            right = [self.model.is_right(label, row[0][0]) for label, row in zip(group.labels, top, strict=True)]
            answered = time.monotonic()
            features = self.put(array, f"features {group.first}")
        sent = time.monotonic()
        shares = (taken - group.sent, *times, 0.0 if group.error else sent - answered)
        self.times(group.first, [[share / count for share in shares]] * count)
        self.q_out.put(Answer(group, self.name, top, right, features, sent))
        self.frames += count
        return True


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
