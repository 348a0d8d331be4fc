"""The actors. improv makes them in its server and forks a process for each; what is heavy is imported after that."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from queue import Empty

import numpy as np
from improv.actor import ManagedActor, RunManager

from mp09.errors import Mp09Error, StreamError
from mp09.streaming.messages import Answer, Group
from mp09.streaming.pictures import Frame, Stream, groups
from mp09.streaming.posts import PostBox
from mp09.streaming.records import Records
from mp09.streaming.timing import Table

SIGNAL_S = 2e-3  # how long a signal is waited for; improv's 1e-6 keeps a core busy
STEP_S = 0.05  # how long an actor works, or waits for work, before it looks for signals
TOP = 5


class Actor(ManagedActor):
    """An actor whose errors end the run instead of only being logged.

    folder: of the run. timing: whether to keep a table of times.
    """

    def __init__(self, *args, folder: str = "", timing: bool = False):
        super().__init__(*args)
        self.folder, self.timing = Path(folder), timing
        self.table: Table | None = None
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
        """Work while there is something to do."""
        until = time.monotonic() + STEP_S
        while self.step() and time.monotonic() < until:
            pass
        if self.state == "running":
            self.post.put("running", self.frames)

    def step(self) -> bool:
        """Do one piece of work; False when there was none to do."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Get ready, in the actor's own process."""

    def stop(self) -> None:
        if self.table:
            self.table.close()
        self.post.put("stopped", self.frames)

    def links_named(self, start: str) -> list:
        """The links `to_Processor1`, `to_Processor2`, ... in the order of their numbers."""
        names = [name for name in self.links if name.startswith(start)]
        return [self.links[name] for name in sorted(names, key=lambda name: (len(name), name))]

    def put(self, array: np.ndarray, name: str):
        """An array into the store: its id. Raises StreamError; improv itself gives None."""
        array = np.ascontiguousarray(array)  # of others the store makes a slow copy
        if (key := self.client.put(array, name)) is None:
            raise StreamError(
                f"improv's store did not take {array.nbytes / 1e6:.1f} MB. Is it full? Give it more: --store."
            )
        return key

    def get(self, key) -> np.ndarray:
        """The array of an id. Raises StreamError."""
        try:
            return self.client.getID(key)
        except Exception as error:  # improv's own can't be made by its own code
            raise StreamError("improv's store has lost an array. Give it more: --store.") from error

    def times(self, first: int, rows: Iterable[Iterable[float]]) -> None:
        """Seconds of the frames from `first` on, for the table."""
        if self.table:
            self.table.add(first, rows)

    def _begin(self) -> None:
        if self.timing:
            self.table = Table(self.folder / f"{self.name}.csv")
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
                except OSError:  # such as a full disk: the driver sees at least that it is gone
                    os._exit(1)
                raise  # improv logs it

        return watched


def _reason(error: Exception) -> str:
    """One line: the first, but of TorchScript's errors the last, above which stands where it was."""
    lines = str(error).strip().splitlines() or ["no more is known"]
    return lines[-1].removeprefix("RuntimeError: ") if "TorchScript" in lines[0] else lines[0]


class Acquirer(Actor):
    """Reads pictures, and hands them to the processors in turn.

    images, labels, frames: a Stream's
    first: number of the first frame
    size: frames a group
    ahead: so many groups are on their way at most
    room: and so many bytes of pictures
    """

    def __init__(self, *args, images="", labels=None, frames=0, first=0, size=1, ahead=2, room=0, **options):
        super().__init__(*args, **options)
        self.stream = Stream(Path(images), Path(labels) if labels else None, frames)
        self.frames, self.size, self.ahead, self.room = first, size, ahead, room

    def prepare(self) -> None:
        self.outputs = cycle(self.links_named("to_"))
        self.groups = groups(self.stream, self.frames, self.size)
        self.under_way: deque[int] = deque()  # bytes of each group that is not written yet
        self.group: list[Frame] = []  # read, and waiting for room
        self.free = 0.0  # since when the actor has nothing to read or hand on

    def step(self) -> bool:
        self.free = self.free or time.monotonic()
        if len(self.under_way) >= self.ahead and not self._one_is_written():
            return False
        self.group = self.group or next(self.groups, [])
        if not self.group:
            time.sleep(STEP_S)
            return False
        size = sum(frame.image.nbytes for frame in self.group if frame.image is not None)
        if size > self.room:
            raise StreamError(
                f"{self.group[0].name}: {size / 1e6:.1f} MB of pixels a group, and half of the store is "
                f"{self.room / 1e6:.1f} MB. Give it more (--store), or make smaller groups (--group)."
            )
        while sum(self.under_way) + size > self.room:
            if not self._one_is_written():
                return False
        self._hand_on(size)
        return True

    def _one_is_written(self) -> bool:
        """Wait a moment for the writer to say so."""
        try:
            self.q_in.get(timeout=STEP_S)
        except Empty:
            return False
        self.under_way.popleft()
        return True

    def _hand_on(self, size: int) -> None:
        frames, self.group = self.group, []
        began = time.monotonic()
        error = frames[0].error
        images = None if error else self.put(np.stack([frame.image for frame in frames]), frames[0].name)
        sent = time.monotonic()
        group = Group(
            frames[0].number,
            tuple(frame.name for frame in frames),
            tuple(frame.label for frame in frames),
            tuple(frame.started for frame in frames),
            error,
            images,
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
    """A network's features and classes of each group.

    model: a file of `export`
    shape: of the first group, (N, H, W, 3); the network is warmed up on such ones, `warm_up` times
    threads: of PyTorch; 0: as it likes
    names: of the classes, where the network's file does not say them
    """

    def __init__(self, *args, model="", shape=(), warm_up=3, device="auto", threads=0, names=(), **options):
        super().__init__(*args, **options)
        self.names = names
        self.model, self.shape, self.warm_up = Path(model), tuple(shape), warm_up
        self.device_name, self.threads = device, threads

    def prepare(self) -> None:
        import torch

        from mp09.device import choose_device
        from mp09.nets.export import load_exported

        if self.threads:
            torch.set_num_threads(self.threads)
        self.device = choose_device(self.device_name)
        exported = load_exported(self.model, self.device)
        self.network, self.softmax = exported.network, exported.card["softmax"]
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
        top, right, features, times = [[]], [None], None, (0.0, 0.0)
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

    def _answer(self, array: np.ndarray):
        """uint8 (N, H, W, 3) -> likeliest classes, features (N, D), seconds (to the device, of the network)."""
        import torch

        from mp09.device import synchronize

        began = time.monotonic()
        with torch.inference_mode():
            images = torch.from_numpy(array.copy()).to(self.device).permute(0, 3, 1, 2)  # the store's is read-only
            synchronize(self.device)
            there = time.monotonic()
            features, scores = self.network(images)
            probabilities = scores if self.softmax else scores.softmax(dim=1)
            values, indices = probabilities.float().topk(min(TOP, scores.shape[1]))
            values, indices, features = values.tolist(), indices.tolist(), features.float().cpu().numpy()
        done = time.monotonic()
        top = [[(i, self._name(i), p) for i, p in zip(*row, strict=True)] for row in zip(indices, values, strict=True)]
        return top, features, (there - began, done - there)

    def _name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else str(index)

    def _is_right(self, label: str | None, index: int) -> bool | None:
        """A label is a class' name or, where there is none of that name, its number."""
        if label in self.indices:
            return self.indices[label] == index
        return int(label) == index if label and label.isdecimal() else None


class Writer(Actor):
    """Writes what the processors say, in the frames' order.

    first: number of the first frame. total: how many there are in the end.
    """

    def __init__(self, *args, first=0, total=0, **options):
        super().__init__(*args, **options)
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
        """Do what is to be done with an answer; features float32 (N, D), None where the picture can't be read."""
        self.records.add(answer, features)

    def stop(self) -> None:
        self.records.close()
        super().stop()
