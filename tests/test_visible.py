"""Run the tests whose results students see at once. The visible rubric: 30 points, and practice checks for 0 points.

    dataset length 15    loader batches 15

The practice checks look at the same things as the hidden tests. `self.submission` answers questions about submitted.py,
which runs in a process of its own; `diagnose` compares the answer with what the files hold, and explains a difference.
"""

from gradescope_utils.autograder_utils.decorators import number, tags, visibility, weight

from mp09.grading import rubric
from mp09.grading.diagnose import dataset, model
from mp09.grading.testcase import SubmissionTest


class Visible(SubmissionTest):
    @number("1.1")
    @weight(rubric.DATASET_LENGTH)
    @visibility("visible")
    @tags("dataset")
    def test_dataset_length(self):
        """build_dataset gives one item for each image of test_batch"""
        for images, length in self.submission.dataset_lengths():
            self.expect(dataset.length(images, length))

    @number("1.2")
    @weight(rubric.LOADER_BATCHES)
    @visibility("visible")
    @tags("dataloader")
    def test_loader_batches(self):
        """build_dataloader cuts test_batch into batches of 64"""
        for images, batches in self.submission.loader_batches():
            self.expect(dataset.batches(-(-images // rubric.BATCH_SIZE), batches, items=images))


class Practice(SubmissionTest):
    @number("2.1")
    @weight(rubric.PRACTICE)
    @visibility("visible")
    @tags("dataset")
    def test_items(self):
        """Practice: images and labels are those of the files"""
        samples = self.submission.samples()
        self.expect(dataset.images(samples))
        self.expect(dataset.labels(samples))

    @number("2.2")
    @weight(rubric.PRACTICE)
    @visibility("visible")
    @tags("dataloader")
    def test_first_batch(self):
        """Practice: a batch holds float images (64, 3, 32, 32) and labels"""
        size = min(rubric.BATCH_SIZE, len(self.submission.public))
        self.expect(dataset.first_batch(self.submission.first_batch(), size=size))

    @number("2.3")
    @weight(rubric.PRACTICE)
    @visibility("visible")
    @tags("model")
    def test_frozen(self):
        """Practice: run_model() leaves the pretrained weights as they were"""
        submission = self.submission
        self.expect(model.frozen(submission.backbone(), accuracy=submission.accuracy(), evidence=submission.evidence))

    @number("2.4")
    @weight(rubric.PRACTICE)
    @visibility("visible")
    @tags("accuracy")
    def test_accuracy(self):
        """Practice: the trained model reaches 90 % on the test images"""
        submission = self.submission
        accuracy, predictions, agreement = submission.accuracy(), submission.predictions(), submission.agreement()
        self.expect(model.accuracy(accuracy, predictions, agreement, submission.evidence.cause))
