"""Keep the two workers of a submission, and ask each question once.

One worker is asked about data and one about the model. A worker that crashed is replaced for the next question; only a
trained model is lost with its worker. An answer is remembered, even if it is a failure.
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from mp09.data.cifar import write_batch
from mp09.errors import GradingError, ProtocolError
from mp09.grading import replies, rubric
from mp09.grading.diagnose import calls
from mp09.grading.diagnose.record import Failed
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.conversation import LOAD, About, Question, Record
from mp09.grading.sandbox.host import Worker, WorkerEnded
from mp09.grading.sandbox.protocol import Message
from mp09.grading.sandbox.sandbox import Sandbox
from mp09.grading.working_copy import CHECKPOINT, DATA_FOLDER, READABLE, make_working_copy, new_folder

Waiting = Callable[[str, float], None]  # is called with the operation and the seconds that it has taken so far


class WorkerPair:
    """Holds a submission's workers "data" and "model", each of which starts with the first question to it.

    Attributes:
        checkpoint: the true tensors of the kit's checkpoint, by name; empty before the worker "model" has started.
        about: what the latest worker said about itself.
        accounting: what counted its memory, "control group" or "processes"; "" before.
        remark: what is to be said about the submission's file; "" before, and where there is nothing to be said.
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
    ):
        """Make the folder of questions; no worker starts yet.

        Args:
            source: submitted.py, or a folder with it; see `working_copy.read_submission`.
            kit: the folder with the grader's own models.py and resnet18.pt.
            data: the folder with the batch files.
            scratch: an empty folder for working copies.
            sandbox: starts the workers.
            deadline: when the time for the whole submission is over, on the clock of time.monotonic().
            waiting: is called again and again while a question is waiting for its answer.
        """
        self._source, self._kit, self._data, self._scratch = source, kit, data, scratch
        self._sandbox, self._deadline, self._waiting = sandbox, deadline, waiting
        self._questions = scratch / "questions"  # a submission may read it, and write nothing there
        new_folder(self._questions)
        self._workers: dict[str, Worker] = {}
        self._answers: dict[str, Message[object] | Failed] = {}
        self.checkpoint: dict[str, np.ndarray] = {}
        self.about, self.accounting, self.remark = About(), "", ""
        self._peak_memory = 0

    def close(self) -> None:
        """End the workers, and forget their answers, because a model's tensors are large."""
        self._answers.clear()
        self.checkpoint.clear()
        with ExitStack() as stack:
            for group in list(self._workers):
                stack.callback(self._end, group)

    @property
    def peak_memory(self) -> int:
        """Return the most memory that a worker took, with all its processes, in bytes."""
        return max(self._peak_memory, *(worker.peak_memory for worker in self._workers.values()), 0)

    @property
    def left_s(self) -> float:
        """Return how many seconds are left for the whole submission."""
        return max(0.0, self._deadline - time.monotonic())

    def _end(self, group: str) -> None:
        self._peak_memory = self.peak_memory
        self._workers.pop(group).close()

    def ask(self, group: str, question: Question[Record], key: str = "") -> Message[Record]:
        """Ask a question once, and remember its answer or failure.

        Args:
            group: "data" or "model".
            question: what is asked.
            key: tells two questions of one operation apart.

        Raises:
            Failed: the submission's code does not do what was asked.
            GradingError: the worker could not be started.
        """
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
        limit_s, left_s = rubric.LIMITS_S[operation], self.left_s
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
                self.checkpoint = self._trusted(worker)
            self._answers.pop("load", None)
            self._remember(LOAD, "", lambda: worker)
        except BaseException:
            worker.close()
            raise
        self._workers[group] = worker
        return worker

    def write_question(self, group: str, name: str, images: np.ndarray) -> str:
        """Write a batch file with dummies for labels, and return its path for the group's worker.

        Args:
            group: "data" or "model".
            name: COUNTED, SCORED, REPEATED or SAMPLED. A file that is there already is kept.
            images: uint8 (N, 3, 32, 32).
        """
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

    def _trusted(self, worker: Worker) -> dict[str, np.ndarray]:
        question = conversation.checkpoint(CHECKPOINT)
        try:
            return replies.checked(question, worker.request(question, timeout_s=rubric.START_LIMIT_S)).arrays
        except replies.Raised as raised:
            raise GradingError(f"{self._kit / CHECKPOINT} could not be read: {raised.error.message}") from raised

    def _folder(self, group: str) -> Path:
        """Return the group's working copy, which is made when it is first needed."""
        folder = self._scratch / group
        if not folder.exists():
            self.remark = make_working_copy(
                folder, self._source, kit=self._kit, data=self._data, questions=self._questions
            )
        return folder
