"""Run the tests that are hidden until the grades are published. The hidden rubric: 70 points.

    sample images 6    sample labels 4    frozen backbone 20    accuracy 40: ten each at 0.75, 0.80, 0.85 and 0.90

Then students see what each test is about, and their own diagnosis.
"""

from gradescope_utils.autograder_utils.decorators import number, partial_credit, tags, visibility, weight

from mp09.grading import rubric
from mp09.grading.diagnose import dataset, model
from mp09.grading.testcase import SubmissionTest


class Hidden(SubmissionTest):
    @number("3.1")
    @weight(rubric.SAMPLE_IMAGES)
    @visibility("after_published")
    @tags("dataset")
    def test_sample_images(self):
        """The dataset's images have the right shape and contents"""
        samples = self.submission.samples()
        self.expect(dataset.images(samples))

    @number("3.2")
    @weight(rubric.SAMPLE_LABELS)
    @visibility("after_published")
    @tags("dataset")
    def test_sample_labels(self):
        """The dataset's labels are those of its images, over several files"""
        samples = self.submission.samples()
        if dataset.is_one_hot(samples):
            self.advise(dataset.ADVICE_ONE_HOT)
        self.expect(dataset.labels(samples))

    @number("3.3")
    @weight(rubric.FROZEN)
    @visibility("after_published")
    @tags("model")
    def test_frozen_backbone(self):
        """Only the classifier was trained: the pretrained weights are unchanged"""
        backbone = self.submission.backbone()
        if backbone.moved_statistics:
            self.advise(model.ADVICE_STATISTICS)
        if backbone.dropped:
            self.advise(model.ADVICE_DROPPED)
        self.expect(model.frozen(backbone, accuracy=self.submission.accuracy(), evidence=self.submission.evidence))

    @number("3.4")
    @partial_credit(rubric.ACCURACY)
    @visibility("after_published")
    @tags("accuracy")
    def test_accuracy(self, set_score=None):
        """Accuracy on the test images: ten points each at 0.75, 0.80, 0.85 and 0.90"""
        accuracy, agreement = self.submission.accuracy(), self.submission.agreement()
        self.score = rubric.accuracy_points(accuracy, agreement)
        self.advise(model.transform_advice(self.submission.evaluated))
        self.advise(model.test_advice(self.submission.tested))
        self.expect(model.accuracy(accuracy, self.submission.predictions(), agreement, self.submission.evidence.cause))
