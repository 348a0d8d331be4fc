"""Answer what tests ask about a submission, with numbers that the grader itself can check.

`Submission` uses one worker for questions about data and one for questions about the model. A worker that crashed is
replaced for the next question; only a trained model is lost with its worker. Every question is asked once, and its
answer is remembered, even if it is a failure.
"""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch, write_batch
from mp09.data.imageset import ImageSet
from mp09.data.provenance import holdout_file
from mp09.errors import GradingError, ProtocolError
from mp09.files import list_inside, open_inside, read_at_most
from mp09.grading import replies, rubric
from mp09.grading.diagnose import calls, model
from mp09.grading.diagnose.dataset import Samples
from mp09.grading.diagnose.record import Failed
from mp09.grading.orders import Orders, Pass
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.conversation import LOAD, TENSORS, TRAIN, About, Question, Record
from mp09.grading.sandbox.host import Worker, WorkerEnded, arrays_of
from mp09.grading.sandbox.protocol import Message
from mp09.grading.sandbox.sandbox import Sandbox

DATA_FOLDER = "cifar10_batches"
COUNTED, SCORED, REPEATED = "counted_batch", "scored_batch", "repeated_batch"
CHECKPOINT = "resnet18.pt"
SUBMITTED = "submitted.py"
READABLE = 0o644  # so that a worker's own user can read a file, whatever the umask is
SAMPLED_FILES = TRAIN_FILES[:2]  # two, to see a dataset of several files
Waiting = Callable[[str, float], None]  # is called with the operation and the seconds that it has taken so far


class Submission:
    """Stands for a submission in the tests, which ask it questions.

    Every question raises `Failed`, with a diagnosis, when the submission's code does not do what was asked, and
    GradingError when the grader can't do its own part.

    Attributes:
        public: the images of test_batch.
        held_out: whether there are held-out images.
        scored: the images that the accuracy is measured on: those held out, or else the public ones.
        about: what the latest worker said about itself.
        accounting: what counted its memory, "control group" or "processes"; "" before.
        measured_accuracy: what `accuracy` returned, 0 to 1; None before.
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
        """Read the images and labels that answers are compared with; no code of the submission runs yet.

        Args:
            source: submitted.py, or a folder with it; see `read_submission`.
            kit: the folder with the grader's own models.py and resnet18.pt.
            data: the folder with the batch files.
            scratch: an empty folder for working copies.
            sandbox: starts the workers.
            deadline: when the time for the whole submission is over, on the clock of time.monotonic().
            waiting: is called again and again while a question is waiting for its answer.
            orders: what is chosen at random, by default with a new secret.
        """
        self._source, self._kit, self._data, self._scratch = source, kit, data, scratch
        self._sandbox, self._deadline, self._waiting = sandbox, deadline, waiting
        self._orders = orders or Orders()
        self._questions = scratch / "questions"  # a submission may read it, and write nothing there
        _new_folder(self._questions)
        self._workers: dict[str, Worker] = {}
        self._answers: dict[str, Message[object] | Failed] = {}
        self._checkpoint: dict[str, np.ndarray] = {}
        self._read_truth()
        self.about, self.accounting = About(), ""
        self._peak_memory = 0
        self.measured_accuracy: float | None = None

    def close(self) -> None:
        """End the workers, and forget their answers, because a model's tensors are large."""
        self._answers.clear()
        self._checkpoint.clear()
        with ExitStack() as stack:
            for group in list(self._workers):
                stack.callback(self._end, group)

    @property
    def peak_memory(self) -> int:
        """Return the most memory that a worker took, with all its processes, in bytes."""
        return max(self._peak_memory, *(worker.peak_memory for worker in self._workers.values()), 0)

    def _end(self, group: str) -> None:
        self._peak_memory = self.peak_memory
        self._workers.pop(group).close()

    # Questions that tests ask ---------------------------------------------------------------------------------------

    def dataset_lengths(self) -> list[tuple[int, int]]:
        """Return (images in the file, len(build_dataset([file]))) for test_batch and for a file of another length."""
        return [
            (count, self._ask("data", conversation.length([file]), key=file).fields.length)
            for file, count in self._counted_files()
        ]

    def loader_batches(self) -> list[tuple[int, int]]:
        """Return (images in the file, batches of a loader over it with batch size 64) for the same two files."""
        return [
            (count, self._ask("data", conversation.batches([file], rubric.BATCH_SIZE), key=file).fields.count)
            for file, count in self._counted_files()
        ]

    def first_batch(self) -> list[str]:
        """Return descriptions of the parts of the loader's first batch over test_batch."""
        question = conversation.first_batch(self._files(TEST_FILE), rubric.BATCH_SIZE)
        return self._ask("data", question).fields.parts

    def samples(self) -> Samples:
        """Return items of build_dataset([two train files], transform=ToTensor()), at the positions of this run."""
        truth = self._sampled
        wanted = self._orders.samples(self._sampled_lengths)
        reply = self._ask("data", conversation.samples(self._files(*SAMPLED_FILES), wanted.tolist()))
        kinds = reply.fields
        given = wanted[wanted < kinds.length]
        if not len(given) == len(kinds.images) == len(kinds.labels):
            raise Failed(calls.ended("samples", "protocol", "other items came than were asked for", ""))
        return Samples(
            expected_length=len(truth),
            expected_images=truth.images[given],
            expected_labels=truth.labels[given],
            length=kinds.length,
            image_kinds=kinds.images,
            images=arrays_of(reply, "images", len(given)),
            label_kinds=kinds.labels,
            labels=arrays_of(reply, "labels", len(given)),
        )

    def backbone(self) -> model.BackboneComparison:
        """Return which of the checkpoint's tensors are in the model that run_model() returns, and which changed."""
        self._train()
        return self._backbone

    @cached_property
    def _backbone(self) -> model.BackboneComparison:
        reply = self._ask("model", TENSORS)
        return model.compare_backbone(self._checkpoint, reply.arrays, reply.fields.types)

    def predictions(self) -> np.ndarray:
        """Return the trained model's class for each of the `scored` images, int64 (N,); -1 where an output is NaN."""
        asked = self._orders.scored(len(self.scored))
        classes = np.empty(len(self.scored), dtype=np.int64)
        classes[asked.positions] = self._predict(SCORED, asked)
        return classes

    def repeated(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positions of some `scored` images, int64 (M,), and their classes when asked in other batches, too."""
        asked = self._orders.repeated(len(self.scored))
        return asked.positions, self._predict(REPEATED, asked)

    def accuracy(self) -> float:
        """Return the share of `scored` images that are predicted rightly, 0 to 1; the worse of two that disagree."""
        positions, repeated = self.repeated()
        first = float(np.mean(self.predictions() == self.scored.labels))
        again = float(np.mean(repeated == self.scored.labels[positions]))
        self.measured_accuracy = first if self.agreement() >= rubric.AGREEMENT else min(first, again)
        return self.measured_accuracy

    def agreement(self) -> float:
        """Return the share of the repeated images that got the same class both times, 0 to 1."""
        positions, repeated = self.repeated()
        return float(np.mean(self.predictions()[positions] == repeated))

    def _predict(self, name: str, asked: Pass) -> np.ndarray:
        """Return the classes of `scored` images, which the worker gets in a batch file with dummies for labels."""
        self._train()
        file = self._question("model", name, self.scored.images[asked.positions])
        question = conversation.predict(file, len(asked.positions), asked.batch_size)
        predictions = self._ask("model", question, key=name).arrays["predictions"]
        if predictions.shape != asked.positions.shape:
            raise Failed(model.prediction_count(len(asked.positions), predictions.shape))
        return predictions

    def _counted_files(self) -> list[tuple[str, int]]:
        """Return path and number of images of test_batch, and of a file that nobody has seen."""
        count = self._orders.counted(len(self.public))
        file = self._question("data", COUNTED, self.public.images[:count])
        return [(self._files(TEST_FILE)[0], len(self.public)), (file, count)]

    def _question(self, group: str, name: str, images: np.ndarray) -> str:
        """Write a batch file with these images and dummies for labels; return its path for the group's worker."""
        path = self._questions / name
        if not path.exists():
            dummies = [0] * len(images)  # the labels stay here
            names = [f"{i}.png" for i in range(len(images))]
            write_batch(path, images, dummies, label="question", filenames=names)
            path.chmod(READABLE)
        # Students write relative paths like this one. But the submission may change the folder that the link lies in,
        # in its import at the earliest.
        self._worker(group)
        link = f"{DATA_FOLDER}/{name}"
        still_ours = os.path.realpath(self._folder(group) / link) == os.path.realpath(path)
        return link if still_ours else str(path)

    def test_value(self) -> float | None:
        """Return what the submission's test() gives for some public images; None if that is no number, or it fails."""
        try:
            self._train()
            return self._ask("model", conversation.tested(self._files(TEST_FILE)[0], rubric.TESTED)).fields.value
        except Failed:
            return None

    # What the grader itself knows -----------------------------------------------------------------------------------

    def _read_truth(self) -> None:
        """Read the public images, the scored ones, and those of the train files that `samples` takes from.

        This is done before a submission runs.
        """
        self.public = read_batch(self._data / TEST_FILE)
        holdout = holdout_file(self._data)
        self.held_out = holdout.exists()
        self.scored = read_batch(holdout) if self.held_out else self.public
        parts = [read_batch(self._data / name) for name in SAMPLED_FILES]
        images = np.concatenate([part.images for part in parts])
        labels = np.concatenate([part.labels for part in parts])
        self._sampled = ImageSet(images, labels, parts[0].classes)
        self._sampled_lengths = [len(part) for part in parts]

    # How the submission is asked ------------------------------------------------------------------------------------

    @staticmethod
    def _files(*names: str) -> list[str]:
        return [f"{DATA_FOLDER}/{name}" for name in names]

    def _train(self) -> None:
        self._ask("model", TRAIN)

    def _ask(self, group: str, question: Question[Record], key: str = "") -> Message[Record]:
        """Ask a question once, and remember its answer or failure; `key` tells two of one operation apart."""
        return self._remember(question, key, partial(self._worker, group))

    def _remember(self, question: Question[Record], key: str, worker: Callable[[], Worker]) -> Message[Record]:
        name = f"{question.operation} {key}".strip()
        if name not in self._answers:
            try:
                self._answers[name] = self._send(worker(), question)
            except Failed as failed:
                self._answers[name] = failed
        remembered = self._answers[name]
        if isinstance(remembered, Failed):
            raise remembered
        assert isinstance(remembered.fields, question.answer)
        return Message(remembered.id, remembered.fields, remembered.arrays)

    def _send(self, worker: Worker, question: Question[Record]) -> Message[Record]:
        operation = question.operation
        limit_s, left_s = rubric.LIMITS_S[operation], max(0.0, self._deadline - time.monotonic())
        tick = partial(self._waiting, operation) if self._waiting else None
        try:
            reply = worker.request(question, timeout_s=min(limit_s, left_s), waiting=tick)
        except WorkerEnded as ended:
            # The time that was left differs from run to run, and what a student reads must not differ.
            late = ended.kind == "time" and left_s < limit_s
            words = "no answer before the time for the whole submission was over" if late else str(ended)
            raise Failed(calls.ended(operation, ended.kind, words, worker.log)) from ended
        try:
            return replies.checked(question, reply)
        except ProtocolError as error:
            raise Failed(calls.ended(operation, "protocol", str(error), worker.log)) from error
        except replies.Raised as raised:
            raise Failed(calls.raised(operation, raised.error)) from raised

    def _worker(self, group: str) -> Worker:
        """Return the worker of a group, "data" or "model", with the submission loaded."""
        if isinstance(load := self._answers.get("load"), Failed):  # it would fail once more
            raise load
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
        self.about, self.accounting = worker.about, worker.accounting
        try:
            if group == "model":  # the submission is not loaded yet, so these are the true tensors
                self._checkpoint = self._trusted(worker)
            self._answers.pop("load", None)
            self._remember(LOAD, "", lambda: worker)
        except BaseException:
            worker.close()
            raise
        self._workers[group] = worker
        return worker

    def _trusted(self, worker: Worker) -> dict[str, np.ndarray]:
        question = conversation.checkpoint(CHECKPOINT)
        try:
            return replies.checked(question, worker.request(question, timeout_s=rubric.START_LIMIT_S)).arrays
        except replies.Raised as raised:
            raise GradingError(f"{self._kit / CHECKPOINT} could not be read: {raised.error.message}") from raised

    def _folder(self, group: str) -> Path:
        """Return the group's working copy: submitted.py, the kit's models.py and checkpoint, and the public data."""
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
            for name in (COUNTED, SCORED, REPEATED):  # `_question` writes them later
                _link(self._questions / name, folder / DATA_FOLDER / name)
        return folder


def read_submission(source: Path) -> bytes:
    """Return the content of the submitted.py of a submission.

    Args:
        source: the file itself, a folder that it lies in, or a folder with only one folder in which there is one. It
            may be a link, because that is the grader's own doing, but nothing in it may be.

    Raises:
        Failed: there is no such file, it can only be reached through a link, or it is larger than rubric.SOURCE_LIMIT.
        GradingError: the system does not let the grader read it.
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
        if error.errno not in (errno.ENOENT, errno.ENXIO):  # ENXIO stands for a folder or pipe of this name
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
    """Make a folder that a worker's own user may look into, whatever the umask is."""
    folder.mkdir()
    folder.chmod(0o755)


def _link(target: Path, link: Path) -> None:
    try:
        os.symlink(target, link)
    except OSError:  # Windows without the right to make links
        if target.is_file():
            shutil.copyfile(target, link)
