"""Answer what tests ask about a submission, with numbers that the grader itself can check."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.imageset import ImageSet
from mp09.data.provenance import holdout_file
from mp09.grading import rubric
from mp09.grading.diagnose import calls, causes, model
from mp09.grading.diagnose.causes import Evidence
from mp09.grading.diagnose.dataset import Samples
from mp09.grading.diagnose.record import Failed
from mp09.grading.interventions import REFIT, REFIT_IMAGES
from mp09.grading.orders import Orders, Pass
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.conversation import TENSORS, TRAIN, Evaluated, Question, TrainingFacts
from mp09.grading.sandbox.host import arrays_of
from mp09.grading.worker_pair import WorkerPair
from mp09.grading.working_copy import COUNTED, DATA_FOLDER, REPEATED, SAMPLED, SCORED

SAMPLED_FILES = TRAIN_FILES[:2]  # two, to see a dataset of several files


class Submission:
    """Stands for a submission in the tests, which ask it questions.

    Every question raises `Failed`, with a diagnosis, when the submission's code does not do what was asked, and
    GradingError when the grader can't do its own part.

    Attributes:
        public: the images of test_batch.
        held_out: whether there are held-out images.
        scored: the images that the accuracy is measured on: those held out, or else the public ones.
        workers: the processes that run the submission, and their answers.
        measured_accuracy: what `accuracy` returned, 0 to 1; None before.
        evaluated: which transform test images went through.
    """

    def __init__(self, workers: WorkerPair, data: Path):
        """Read the images and labels that answers are compared with; no code of the submission runs yet.

        Args:
            workers: the processes that run the submission.
            data: the folder with the batch files.
        """
        self.workers, self._data, self._orders = workers, data, Orders()  # with a new secret
        self._read_truth()
        self.measured_accuracy: float | None = None
        self.evaluated = Evaluated("", "")
        self._passes: dict[str, np.ndarray] = {}
        self._image_s = 0.0  # seconds that an image took in the slowest pass

    def close(self) -> None:
        """End the workers, and forget their answers."""
        self.workers.close()

    # Questions that tests ask ---------------------------------------------------------------------------------------

    def dataset_lengths(self) -> list[tuple[int, int]]:
        """Return (images in the file, len(build_dataset([file]))) for test_batch and for a file of another length."""
        return [
            (count, self.workers.ask("data", conversation.length([file]), key=file).fields.length)
            for file, count in self._counted_files()
        ]

    def loader_batches(self) -> list[tuple[int, int]]:
        """Return (images in the file, batches of a loader over it with batch size 64) for the same two files."""
        return [
            (count, self.workers.ask("data", conversation.batches([file], rubric.BATCH_SIZE), key=file).fields.count)
            for file, count in self._counted_files()
        ]

    def first_batch(self) -> list[str]:
        """Return descriptions of the parts of the loader's first batch over test_batch."""
        question = conversation.first_batch(self._files(TEST_FILE), rubric.BATCH_SIZE)
        return self.workers.ask("data", question).fields.parts

    def samples(self) -> Samples:
        """Return items of build_dataset([two train files], transform=ToTensor()), at the positions of this run."""
        truth = self._sampled
        wanted = self._orders.samples(self._sampled_lengths)
        reply = self.workers.ask("data", conversation.samples(self._files(*SAMPLED_FILES), wanted.tolist()))
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
        reply = self.workers.ask("model", TENSORS)
        return model.compare_backbone(self.workers.checkpoint, reply.arrays, reply.fields.types)

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

    @property
    def evidence(self) -> Evidence:
        """What costs accuracy, found by experiment; no cause where nothing is missing, or nothing explains it."""
        accuracy = self.accuracy()
        missing = accuracy < rubric.ACCURACY_STEPS[-1] or self.agreement() < rubric.AGREEMENT
        return self._evidence if missing else Evidence(accuracy)

    @cached_property
    def _evidence(self) -> Evidence:
        """Make the experiments when all that gives points was asked: one that takes too long costs the worker."""
        sample = self._orders.experiments(len(self.scored))
        classes, labels = self.predictions()[sample], self.scored.labels[sample]
        accuracy, unsteady = self.accuracy(), self.agreement() < rubric.AGREEMENT
        try:
            old_head = self._backbone.old_head
            file = self.workers.write_question("model", SAMPLED, self.scored.images[sample])
        except Failed:
            return Evidence(accuracy)
        started = time.monotonic()
        # All single changes together need less than an evaluation, on however slow a machine.
        first_s = max(rubric.FIRST_EXPERIMENTS_S, self._image_s * len(self.scored))

        def ask(
            changes: Sequence[str], count: int = rubric.SCREENING_IMAGES, batch_size: int = rubric.BATCH_SIZE
        ) -> np.ndarray | None:
            count = min(count, len(sample))
            limit_s = first_s if len(changes) < 2 and REFIT.key not in changes else rubric.EXPERIMENTS_S
            worst_s = rubric.LIMITS_S["experiment"]
            images = count + (REFIT_IMAGES if REFIT.key in changes else 0)
            if self.workers.left_s < 2 * worst_s or time.monotonic() - started > limit_s:
                return None
            if images * self._image_s > worst_s / 2:  # it might end the worker
                return None
            train = self._files(*TRAIN_FILES)
            question = conversation.experiment(file, count, batch_size, list(changes), train)
            with suppress(Failed):
                key = " ".join([*changes, str(count), str(batch_size)])
                found = self.workers.ask("model", question, key=key).arrays["predictions"]
                return found if found.shape == (count,) else None
            return None

        def facts() -> TrainingFacts | None:
            with suppress(Failed):
                return self.workers.ask("model", conversation.facts(file, min(len(sample), rubric.BATCH_SIZE))).fields
            return None

        found = Evidence(accuracy)
        if accuracy < rubric.ACCURACY_STEPS[-1]:
            found = causes.find(ask, facts, classes, labels, old_head=old_head)
        if unsteady and not (found.cause and found.cause.key in causes.FOUND):
            found = replace(found, cause=causes.steadying(ask, len(sample)) or found.cause)
        return found

    def agreement(self) -> float:
        """Return the share of the repeated images that got the same class both times, 0 to 1."""
        positions, repeated = self.repeated()
        return float(np.mean(self.predictions()[positions] == repeated))

    def _predict(self, name: str, asked: Pass) -> np.ndarray:
        """Return the classes of `scored` images, which the worker gets in a batch file with dummies for labels.

        They are kept, because the worker may end later.
        """
        if name not in self._passes:
            self._train()
            file = self.workers.write_question("model", name, self.scored.images[asked.positions])
            question = conversation.predict(file, len(asked.positions), asked.batch_size)
            started = time.monotonic()
            reply = self.workers.ask("model", question, key=name)
            self._image_s = max(self._image_s, (time.monotonic() - started) / len(asked.positions))
            predictions, self.evaluated = reply.arrays["predictions"], reply.fields
            if predictions.shape != asked.positions.shape:
                raise Failed(model.prediction_count(len(asked.positions), predictions.shape))
            self._passes[name] = predictions
        return self._passes[name]

    def _counted_files(self) -> list[tuple[str, int]]:
        """Return path and number of images of test_batch, and of a file that nobody has seen."""
        count = self._orders.counted(len(self.public))
        file = self.workers.write_question("data", COUNTED, self.public.images[:count])
        return [(self._files(TEST_FILE)[0], len(self.public)), (file, count)]

    @cached_property
    def tested(self) -> model.Tested | None:
        """What the submission's test() gives for some public images; None where it fails."""
        file, count = self._files(TEST_FILE)[0], min(rubric.TESTED, len(self.public))
        try:
            self._train()
            value = self.workers.ask("model", conversation.tested(file, count)).fields.value
        except Failed:
            return None
        in_train_mode = conversation.experiment(file, count, rubric.BATCH_SIZE, ["cause-train-mode"], [])
        right = self._right(conversation.predict(file, count, rubric.BATCH_SIZE), count)
        return None if right is None else model.Tested(value, right, self._right(in_train_mode, count))

    def _right(self, question: Question[Evaluated], count: int) -> np.ndarray | None:
        """Return which of the first public images are named rightly, bool (count,); None when there is no answer."""
        with suppress(Failed):
            classes = self.workers.ask("model", question, key="tested").arrays["predictions"]
            return classes == self.public.labels[:count] if classes.shape == (count,) else None
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

    @staticmethod
    def _files(*names: str) -> list[str]:
        return [f"{DATA_FOLDER}/{name}" for name in names]

    def _train(self) -> None:
        self.workers.ask("model", TRAIN)
