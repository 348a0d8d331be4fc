"""What a test may ask about a submission: `Submission` answers with numbers that the grader itself can check.

Questions about data and about the model have a worker each, and one that crashed is replaced for the next question.
Every question is asked once and its answer remembered, failures too.
"""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch, write_batch
from mp09.data.imageset import ImageSet
from mp09.data.source import holdout_file
from mp09.errors import GradingError, ProtocolError
from mp09.files import list_inside, open_inside, read_at_most
from mp09.grading import replies, rubric
from mp09.grading.diagnose import calls, model
from mp09.grading.diagnose.data import Samples
from mp09.grading.diagnose.record import Failed
from mp09.grading.host import Worker, WorkerEnded, arrays_of
from mp09.grading.orders import Orders, Pass
from mp09.grading.protocol import Message
from mp09.grading.sandbox import Sandbox

DATA_FOLDER = "cifar10_batches"
COUNTED, SCORED, REPEATED = "counted_batch", "scored_batch", "repeated_batch"
CHECKPOINT = "resnet18.pt"
SUBMITTED = "submitted.py"
READABLE = 0o644  # for a worker's own user, whatever the umask
SAMPLED_FILES = TRAIN_FILES[:2]  # two, so that a dataset of several files is seen
Waiting = Callable[[str, float], None]  # (operation, seconds so far)


class Submission:
    """The proxy that tests talk to.

    Every method raises `Failed`, with a diagnosis, when the submission's code does not do what was asked,
    and GradingError when the grader can't do its own part.
    """

    def __init__(
        self,
        source: Path,
        *,
        kit: Path,
        data: Path,
        scratch: Path,
        sandbox: Sandbox,
        deadline: float,
        waiting: Waiting | None = None,
        orders: Orders | None = None,
    ):
        """
        Args:
            source: the submission: submitted.py, or a folder with it.
            kit: the folder with our models.py and resnet18.pt.
            data: the folder with the batch files.
            scratch: an empty folder for working copies.
            deadline: on the clock of time.monotonic().
            orders: what is chosen at random; default: by a new secret.
        """
        self._source, self._kit, self._data, self._scratch = source, kit, data, scratch
        self._sandbox, self._deadline, self._waiting = sandbox, deadline, waiting
        self._orders = orders or Orders()
        self._questions = scratch / "questions"  # of ours alone: a submission may read it, and write nothing there
        _new_folder(self._questions)
        self._workers: dict[str, Worker] = {}
        self._answers: dict[str, Message | Failed] = {}
        self._read_truth()
        self.about: dict = {}
        self._peak_memory = 0
        self.measured_accuracy: float | None = None

    def close(self) -> None:
        """End the workers, and forget their answers: a network's tensors are large."""
        self._answers.clear()
        with ExitStack() as stack:
            for group in list(self._workers):
                stack.callback(self._end, group)

    @property
    def peak_memory(self) -> int:
        """Bytes that a worker with all its processes took at most."""
        return max(self._peak_memory, *(worker.peak_memory for worker in self._workers.values()), 0)

    def _end(self, group: str) -> None:
        self._peak_memory = self.peak_memory
        self._workers.pop(group).close()

    # What tests ask -------------------------------------------------------------------------------------------------

    def dataset_lengths(self) -> list[tuple[int, int]]:
        """(pictures in the file, len(build_dataset([file]))) for test_batch, and for a file of another length."""
        return [
            (count, self._ask("data", "length", key=file, files=[file]).fields["length"])
            for file, count in self._counted_files()
        ]

    def loader_batches(self) -> list[tuple[int, int]]:
        """(pictures in the file, batches of a loader over it with batch size 64) for the same files."""
        return [
            (count, self._ask("data", "batches", key=file, files=[file], batch_size=rubric.BATCH_SIZE).fields["count"])
            for file, count in self._counted_files()
        ]

    def first_batch(self) -> list[str]:
        """What the loader's first batch consists of, in words."""
        reply = self._ask("data", "first_batch", files=self._files(TEST_FILE), batch_size=rubric.BATCH_SIZE)
        return reply.fields["parts"]

    def samples(self) -> Samples:
        """Items of build_dataset([two train files], transform=ToTensor()) at positions of this run."""
        truth = self._sampled
        wanted = self._orders.samples(self._sampled_lengths)
        reply = self._ask("data", "samples", files=self._files(*SAMPLED_FILES), indices=wanted.tolist())
        given = wanted[wanted < reply.fields["length"]]
        if not len(given) == len(reply.fields["images"]) == len(reply.fields["labels"]):
            raise Failed(calls.ended("samples", "protocol", "other items came than were asked for", ""))
        return Samples(
            expected_length=len(truth),
            expected_images=truth.images[given],
            expected_labels=truth.labels[given],
            length=reply.fields["length"],
            image_kinds=reply.fields["images"],
            images=arrays_of(reply, "images", len(given)),
            label_kinds=reply.fields["labels"],
            labels=arrays_of(reply, "labels", len(given)),
        )

    def backbone(self) -> model.Backbone:
        """Where the checkpoint's tensors are in the model that run_model() returns."""
        self._train()
        return self._backbone

    @cached_property
    def _backbone(self) -> model.Backbone:
        reply = self._ask("model", "tensors")
        return model.compare_backbone(self._answers["checkpoint"].arrays, reply.arrays, reply.fields["types"])

    def predictions(self) -> np.ndarray:
        """int64 (N,): the trained model's class for each of the `scored` pictures."""
        asked = self._orders.scored(len(self.scored))
        classes = np.empty(len(self.scored), dtype=np.int64)
        classes[asked.positions] = self._predict(SCORED, asked)
        return classes

    def repeated(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of some `scored` pictures, int64 (M,), and their classes when they are asked in other batches."""
        asked = self._orders.repeated(len(self.scored))
        return asked.positions, self._predict(REPEATED, asked)

    def accuracy(self) -> float:
        """Share of `scored` pictures that are predicted rightly, 0..1; of two passes that disagree, the worse."""
        positions, repeated = self.repeated()
        first = float(np.mean(self.predictions() == self.scored.labels))
        again = float(np.mean(repeated == self.scored.labels[positions]))
        self.measured_accuracy = first if self.agreement() >= rubric.AGREEMENT else min(first, again)
        return self.measured_accuracy

    def agreement(self) -> float:
        """Share of the repeated pictures that got the same class both times, 0..1."""
        positions, repeated = self.repeated()
        return float(np.mean(self.predictions()[positions] == repeated))

    def _predict(self, name: str, asked: Pass) -> np.ndarray:
        """Classes of `scored` pictures, asked with a batch file that holds dummies for labels."""
        self._train()
        file = self._question("model", name, self.scored.images[asked.positions])
        fields = {"file": file, "count": len(asked.positions), "batch_size": asked.batch_size}
        predictions = self._ask("model", "predict", key=name, **fields).arrays["predictions"]
        if predictions.shape != asked.positions.shape:
            raise Failed(model.prediction_count(len(asked.positions), predictions.shape))
        return predictions

    def _counted_files(self) -> list[tuple[str, int]]:
        """test_batch, and a file that nobody has seen."""
        count = self._orders.counted(len(self.public))
        file = self._question("data", COUNTED, self.public.images[:count])
        return [(self._files(TEST_FILE)[0], len(self.public)), (file, count)]

    def _question(self, group: str, name: str, images: np.ndarray) -> str:
        """The path, for the group's worker, of a batch file with these pictures and dummies for labels."""
        path = self._questions / name
        if not path.exists():
            dummies = np.zeros(len(images), dtype=np.int64)  # the labels stay here
            names = [f"{i}.png" for i in range(len(dummies))]
            write_batch(path, images, dummies, label="question", filenames=names)
            path.chmod(READABLE)
        link = f"{DATA_FOLDER}/{name}"  # a relative path, as students write them; but it lies where they may change it
        still_ours = os.path.realpath(self._folder(group) / link) == os.path.realpath(path)
        return link if still_ours else str(path)

    def test_value(self) -> float | None:
        """What the submission's test() returns for some public pictures; None when it is not a number or raises."""
        try:
            self._train()
            return self._ask("model", "tested", file=self._files(TEST_FILE)[0], count=rubric.TESTED).fields["value"]
        except Failed:
            return None

    # What the grader itself knows -----------------------------------------------------------------------------------

    def _read_truth(self) -> None:
        """The images of test_batch, those that are scored (held out, or else public), and those of the train files that
        `samples` takes from. They are read before a submission runs.
        """
        self.public = read_batch(self._data / TEST_FILE)
        holdout = holdout_file(self._data)
        self.held_out = holdout.exists()
        self.scored = read_batch(holdout) if self.held_out else self.public
        parts = [read_batch(self._data / name) for name in SAMPLED_FILES]
        images, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "labels"))
        self._sampled = ImageSet(images, labels, parts[0].classes)
        self._sampled_lengths = [len(part) for part in parts]

    # How it is asked ------------------------------------------------------------------------------------------------

    @staticmethod
    def _files(*names: str) -> list[str]:
        return [f"{DATA_FOLDER}/{name}" for name in names]

    def _train(self) -> None:
        self._ask("model", "train")

    def _ask(self, group: str, operation: str, key: str = "", **fields) -> Message:
        """One question, asked once: the answer is remembered, a failure too. key: tells two of an operation apart."""
        return self._remember(
            f"{operation} {key}".strip(), lambda: self._send(self._worker(group), operation, **fields)
        )

    def _remember(self, operation: str, answer: Callable[[], Message]) -> Message:
        if operation not in self._answers:
            try:
                self._answers[operation] = answer()
            except Failed as failed:
                self._answers[operation] = failed
        remembered = self._answers[operation]
        if isinstance(remembered, Failed):
            raise remembered
        return remembered

    def _send(self, worker: Worker, operation: str, **fields) -> Message:
        limit_s, left_s = rubric.LIMITS_S[operation], max(0.0, self._deadline - time.monotonic())
        tick = (lambda seconds: self._waiting(operation, seconds)) if self._waiting else None
        try:
            reply = worker.request(operation, timeout_s=min(limit_s, left_s), waiting=tick, **fields)
        except WorkerEnded as ended:
            # What was left differs from run to run, and what a student reads must not.
            late = ended.kind == "time" and left_s < limit_s
            words = "no answer before the time for the whole submission was over" if late else str(ended)
            raise Failed(calls.ended(operation, ended.kind, words, worker.log)) from ended
        try:
            return replies.checked(operation, reply)
        except ProtocolError as error:
            raise Failed(calls.ended(operation, "protocol", str(error), worker.log)) from error
        except replies.Raised as raised:
            raise Failed(calls.raised(operation, raised.error)) from raised

    def _worker(self, group: str) -> Worker:
        """The group's worker, with the submission loaded."""
        if isinstance(self._answers.get("load"), Failed):  # it would fail again
            raise self._answers["load"]
        if group in self._workers and self._workers[group].alive:
            return self._workers[group]
        if group == "model" and isinstance(self._answers.get("train"), Message):
            raise Failed(calls.lost_model())
        if group == "model" and "data" in self._workers:  # two workers would need twice the memory
            self._end("data")
        if group in self._workers:
            self._end(group)
        data = self._data.resolve()
        worker = self._sandbox.start(self._folder(group), [*data.iterdir(), data, self._questions])
        self.about = worker.about
        try:
            if group == "model":  # the submission is not loaded yet, so these are the true tensors
                self._answers["checkpoint"] = self._trusted(worker)
            self._answers.pop("load", None)
            self._remember("load", lambda: self._send(worker, "load"))
        except BaseException:
            worker.close()
            raise
        self._workers[group] = worker
        return worker

    def _trusted(self, worker: Worker) -> Message:
        reply = worker.request("checkpoint", timeout_s=rubric.START_LIMIT_S, path=CHECKPOINT)
        if "error" in reply.fields:
            raise GradingError(f"{self._kit / CHECKPOINT} could not be read: {reply.fields['error']['message']}")
        return reply

    def _folder(self, group: str) -> Path:
        """The group's working copy: the submission's one file, our models.py and checkpoint, and the public data."""
        folder = self._scratch / group
        if not folder.exists():
            source = read_submission(self._source)
            _new_folder(folder)
            (folder / SUBMITTED).write_bytes(source)
            for name in ("models.py", CHECKPOINT):
                if not (self._kit / name).is_file():
                    raise GradingError(f"{self._kit / name} is missing.")
                shutil.copyfile(self._kit / name, folder / name)
            for file in folder.iterdir():
                file.chmod(READABLE)
            _new_folder(folder / DATA_FOLDER)
            for file in self._data.resolve().iterdir():
                _link(file, folder / DATA_FOLDER / file.name)
            for name in (COUNTED, SCORED, REPEATED):  # they come later
                _link(self._questions / name, folder / DATA_FOLDER / name)
        return folder


def read_submission(source: Path) -> bytes:
    """submitted.py of a submission: the file itself, in the folder, or in the only folder in it that has one.

    `source` may be a link, which is the grader's own doing; nothing in it may. Raises Failed when there is none, it is
    reached through a link or larger than rubric.SOURCE_LIMIT; GradingError when the system won't let us read it.
    """
    try:
        with _open_submission(source) as file:
            content = read_at_most(file, rubric.SOURCE_LIMIT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failed(calls.linked()) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENXIO):
            raise Failed(calls.no_file(source.name)) from error
        raise GradingError(f"{source}: submitted.py could not be read: {error}") from error
    if content is None:
        raise Failed(calls.too_large())
    return content


def _open_submission(source: Path) -> BinaryIO:
    if source.is_file():
        return open_inside(source.resolve().parent, source.resolve().name)
    try:
        return open_inside(source, SUBMITTED)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENXIO):  # none, or a folder or pipe of this name
            raise
    found, links = [], False
    for name, mode in list_inside(source):
        links |= stat.S_ISLNK(mode)
        if stat.S_ISDIR(mode) and (file := _open_nested(source, name)):
            found.append(file)
    if len(found) == 1:
        return found[0]
    for file in found:
        file.close()
    raise OSError(errno.ELOOP if links and not found else errno.ENOENT, "no file to grade", str(source))


def _open_nested(source: Path, folder: str) -> BinaryIO | None:
    try:
        return open_inside(source, f"{folder}/{SUBMITTED}")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
        return None


def _new_folder(folder: Path) -> None:
    """One that a worker's own user may look into, whatever the umask."""
    folder.mkdir()
    folder.chmod(0o755)


def _link(target: Path, link: Path) -> None:
    try:
        os.symlink(target, link)
    except OSError:  # Windows without the right to make links
        if target.is_file():
            shutil.copyfile(target, link)
