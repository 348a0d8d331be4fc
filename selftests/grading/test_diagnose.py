"""Test that every diagnosis can be reached, and has its section in docs/student.md."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from mp09.grading import rubric
from mp09.grading.diagnose import calls, causes, dataset, learning, model
from mp09.grading.diagnose.causes import Cause, Evidence
from mp09.grading.diagnose.dataset import MEAN, ORIGINAL_LABELS, STD, Samples
from mp09.grading.sandbox.conversation import Evaluated
from selftests.conftest import ROOT

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (rubric.SAMPLES, 3, 32, 32), dtype=np.uint8)
LABELS = RNG.integers(0, 8, rubric.SAMPLES)
TRUTH = (IMAGES / 255).astype(np.float32)
FLOAT = "a float32 tensor of shape (3, 32, 32)"


def samples(images=TRUTH, labels=LABELS, kinds=FLOAT, length=800) -> Samples:
    n = len(labels)
    return Samples(800, IMAGES[:n], LABELS[:n], length, [kinds] * n, list(images), ["1"] * n, list(np.asarray(labels)))


def shaped(mean: np.ndarray) -> np.ndarray:
    return mean.reshape(1, 3, 1, 1)


IMAGE_FAULTS = {
    "255": (TRUTH * 255, "image-scale"),
    "twice": (TRUTH / 255, "image-scale"),
    "scrambled": (TRUTH.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2), "image-scrambled"),
    "columns first": (TRUTH.reshape(-1, 1024, 3).transpose(0, 2, 1).reshape(-1, 3, 32, 32), "image-scrambled"),
    "bgr": (TRUTH[:, ::-1], "image-bgr"),
    "transposed": (TRUTH.transpose(0, 1, 3, 2), "image-transposed"),
    "normalised": ((TRUTH - shaped(MEAN)) / shaped(STD), "image-normalised"),
    "minus one to one": (TRUTH * 2 - 1, "image-normalised"),
    "mirrored": (np.concatenate([TRUTH[:9], TRUTH[9:, :, :, ::-1]]), "image-augmented"),
    "black": (TRUTH * 0, "image-constant"),
    "divided to whole numbers": (IMAGES // 255 / 255, "image-constant"),
    "noise": (RNG.random(TRUTH.shape), "image-contents"),
    "nan": (TRUTH * np.nan, "image-contents"),
    "rows last": (TRUTH.transpose(0, 2, 3, 1), "image-shape"),
    "middle": (TRUTH.transpose(0, 2, 1, 3), "image-shape"),
    "flat": (TRUTH.reshape(-1, 3072), "image-shape"),
    "cut": (TRUTH[..., :8], "image-shape"),
    "none": ([None] * len(TRUTH), "image-shape"),
}


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_wrong_images_are_explained(fault):
    images, key = IMAGE_FAULTS[fault]
    assert dataset.images(samples(images)).key == key


ITEMS = {
    "right": (IMAGES.transpose(0, 2, 3, 1), "The pixels themselves are those of the file"),
    "scrambled": (IMAGES.reshape(-1, 32, 32, 3), "Besides: Pixels are right but in the wrong order"),
    "bgr": (IMAGES[:, ::-1].transpose(0, 2, 3, 1), "Besides: Red and blue are swapped"),
    "0..255": (TRUTH.transpose(0, 2, 3, 1) * 255, "Besides: Values are 0..255"),
    "flat": (IMAGES.reshape(-1, 3072), "The pixels themselves are those of the file"),
    "channels in the middle": (TRUTH.transpose(0, 2, 1, 3), "The pixels themselves are those of the file"),
}


@pytest.mark.parametrize("fault", ITEMS)
def test_the_contents_of_items_of_another_shape_are_compared_all_the_same(fault):
    images, words = ITEMS[fault]
    diagnosis = dataset.images(samples(images, kinds="something else"))
    assert diagnosis.key == "image-shape"
    assert words in diagnosis.remedy


def test_images_must_be_floats():
    diagnosis = dataset.images(samples(IMAGES, kinds="a uint8 tensor of shape (3, 32, 32)"))
    assert (diagnosis.key, diagnosis.got) == ("image-type", "a uint8 tensor of shape (3, 32, 32)")
    assert "The pixels themselves are those of the file" in diagnosis.remedy


def test_no_images_at_all_is_a_matter_of_length():
    assert dataset.images(samples(TRUTH[:0], LABELS[:0], length=0)).key == "dataset-length"


def test_right_samples_have_no_diagnosis():
    assert (dataset.images(samples()), dataset.labels(samples())) == (None, None)


@pytest.mark.parametrize(
    ("labels", "key", "words"),
    [
        (LABELS + 1, "labels", "shifted"),
        (ORIGINAL_LABELS[LABELS], "labels", "ten class numbers"),
        (LABELS * 0, "labels", "all the same|All labels are the same"),
        (LABELS[::-1], "labels", "Item i must have the label at i"),
        (LABELS.astype(float) + 0.5, "labels", "shifted"),
        (LABELS[:30], "dataset-length", "Count the images"),
    ],
)
def test_wrong_labels_are_explained(labels, key, words):
    diagnosis = dataset.labels(samples(TRUTH[: len(labels)], labels, length=800 if len(labels) == 64 else 30))
    assert diagnosis.key == key
    assert re.search(words, diagnosis.remedy)


def test_labels_that_are_no_numbers_are_described():
    wrong = Samples(800, IMAGES, LABELS, 800, [FLOAT] * 64, list(TRUTH), ["an object of type str"] * 64, [None] * 64)
    assert (dataset.labels(wrong).key, dataset.labels(wrong).got) == ("label-type", "an object of type str")


def test_float_and_one_hot_labels_are_accepted():
    assert dataset.labels(samples(labels=LABELS.astype(np.float32))) is None
    one_hot = samples(labels=np.eye(8)[LABELS])
    assert dataset.labels(one_hot) is None
    assert dataset.is_one_hot(one_hot)
    assert not dataset.is_one_hot(samples())


@pytest.mark.parametrize(
    ("got", "words"), [(6, "number of keys"), (8000 * 3072, "bytes"), (1, "extend"), (7999, "Count the images")]
)
def test_wrong_lengths_are_explained(got, words):
    assert words in dataset.length(8000, got).remedy


@pytest.mark.parametrize(("got", "words"), [(400, "One batch an item"), (6, "drop_last"), (13, "loader_params")])
def test_wrong_batch_counts_are_explained(got, words):
    assert words in dataset.batches(7, got, items=400).remedy


def test_a_first_batch_is_a_pair_of_images_and_labels():
    images = "a float32 tensor of shape (64, 3, 32, 32)"
    assert dataset.first_batch([images, "a int64 tensor of shape (64,)"], size=64) is None
    assert dataset.first_batch([images], size=64).key == "batch-shape"


# The model

CHECKPOINT = {
    "conv1.weight": RNG.normal(size=(64, 3, 3, 3)).astype(np.float32),
    "layer1.0.bn1.weight": RNG.random(64).astype(np.float32) + 1,
    "layer1.0.bn1.running_mean": RNG.normal(size=64).astype(np.float32),
    "fc.weight": RNG.normal(size=(10, 64)).astype(np.float32),
}


def trained(**changes) -> model.BackboneComparison:
    """Compare the checkpoint with itself under other names, some tensors replaced or, where None is given, left out."""
    tensors = {name: changes.get(name.replace(".", "_"), tensor) for name, tensor in CHECKPOINT.items()}
    return model.compare_backbone(CHECKPOINT, {f"my.{k}": v for k, v in tensors.items() if v is not None})


def verdict(backbone: model.BackboneComparison, accuracy: float = 0.95) -> str:
    diagnosis = model.frozen(backbone, accuracy=accuracy)
    return "" if diagnosis is None else diagnosis.key


def test_unchanged_weights_under_any_name_are_frozen():
    assert verdict(trained()) == ""


def test_a_new_fc_is_not_the_backbone():
    assert verdict(trained(fc_weight=None)) == ""


def test_moved_statistics_are_advice_only():
    backbone = trained(layer1_0_bn1_running_mean=CHECKPOINT["layer1.0.bn1.running_mean"] * 1.1)
    assert (verdict(backbone), backbone.moved_statistics) == ("", True)


def test_a_trained_layer_is_named():
    backbone = trained(conv1_weight=CHECKPOINT["conv1.weight"] + 0.01)
    assert "conv1 changed" in str(model.frozen(backbone, accuracy=0.95))


def test_a_layer_started_anew_counts_as_changed():
    assert verdict(trained(conv1_weight=RNG.normal(size=(64, 3, 3, 3)))) == "backbone-changed"


def test_a_dropped_layer_is_allowed():
    backbone = trained(conv1_weight=None)
    assert (verdict(backbone), backbone.dropped) == ("", ["conv1.weight"])


def test_a_block_cut_off_is_allowed_though_others_of_its_shape_are_there():
    shallow = {"a": RNG.normal(size=(8, 8, 3, 3)), "b": RNG.normal(size=(8, 8, 3, 3)), "bn": RNG.random(8) + 1}
    backbone = model.compare_backbone(shallow, {"x": shallow["a"], "head.bias": RNG.normal(size=8)})
    assert (verdict(backbone), backbone.dropped) == ("", ["b", "bn"])


def test_an_untouched_copy_beside_a_trained_one_does_not_help():
    trained_copy = {f"new.{name}": tensor + 0.01 for name, tensor in CHECKPOINT.items()}
    backbone = model.compare_backbone(CHECKPOINT, {**CHECKPOINT, **trained_copy})
    assert verdict(backbone) == "backbone-changed"


@pytest.mark.parametrize(("kind", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_half_precision_is_rounding_not_training(kind, bits):
    def rounded(tensor):
        mantissa, exponent = np.frexp(tensor)
        return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent).astype(np.float32)

    tensors = {name: rounded(tensor) for name, tensor in CHECKPOINT.items()}
    assert verdict(model.compare_backbone(CHECKPOINT, tensors, dict.fromkeys(tensors, kind))) == ""
    assert verdict(model.compare_backbone(CHECKPOINT, tensors)) == "backbone-changed"


def test_a_random_backbone_was_not_loaded():
    fresh = {"conv1_weight": RNG.normal(size=(64, 3, 3, 3)), "layer1_0_bn1_weight": np.ones(64)}
    assert verdict(trained(**fresh)) == "backbone-not-loaded"


def test_frozen_earns_nothing_when_nothing_was_trained():
    assert verdict(trained(), accuracy=0.125) == "nothing-trained"
    assert "Is the new layer in the optimizer" in str(model.frozen(trained(), accuracy=0.125))


def test_frozen_earns_its_points_when_something_else_costs_accuracy():
    moved = Evidence(0.93, Cause("cause-statistics", "0.93 with ...", "Keep the frozen part in eval mode.", 1000))
    assert model.frozen(trained(), accuracy=0.125, evidence=moved) is None
    assert "Keep the frozen part" in str(model.frozen(trained(), accuracy=0.125, evidence=replace(moved, known=0.4)))


def test_the_head_of_the_checkpoint_is_told_from_a_new_one():
    assert trained().old_head
    assert not trained(fc_weight=RNG.normal(size=(8, 64))).old_head


PREDICTIONS = RNG.integers(0, 8, 100)


@pytest.mark.parametrize(
    ("value", "predictions", "key"),
    [
        (0.9, PREDICTIONS, ""),
        (0.89, PREDICTIONS, "accuracy-low"),
        (0.13, PREDICTIONS, "accuracy-chance"),
        (0.13, PREDICTIONS * 0, "accuracy-constant"),
        (0.0, PREDICTIONS * 0 - 1, "accuracy-nan"),
    ],
)
def test_accuracies_are_explained(value, predictions, key):
    diagnosis = model.accuracy(value, predictions)
    assert (diagnosis.key if diagnosis else "") == key


def test_the_number_of_predictions_is_explained():
    assert model.prediction_count(8000, (6,)).key == "prediction-count"


# Of 120 images in batches of 64, 100 are named rightly: 56 of the first batch, and 44 of the 56 of the last.
RIGHT = np.repeat([False, True, False, True], [8, 56, 12, 44])

IN_TRAIN_MODE = np.arange(120) < 30


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (100 / 120, None),
        (None, "no number"),
        (83.33, "a percentage"),
        (100, "the number of right images"),
        (44 / 56, "the accuracy of the last batch"),
        (44 / 120, "what the last batch adds"),
        (0.25, "the accuracy in train mode"),
        (0.5, "model.eval()"),
        (math.nan, "model.eval()"),
    ],
)
def test_what_test_returns_is_advice(value, words):
    advice = model.test_advice(model.Tested(value, RIGHT, IN_TRAIN_MODE))
    assert (advice is None) if words is None else words in advice


def test_a_test_that_fails_gets_no_advice():
    assert model.test_advice(None) is None


@pytest.mark.parametrize(
    ("transform", "words"), [("test", None), ("ToTensor()", "with ToTensor() alone"), ("none", "without")]
)
def test_the_transform_of_test_images_is_named(transform, words):
    advice = model.transform_advice(Evaluated(transform, "TypeError: x"))
    assert (advice is None) if words is None else words in advice
    assert advice is None or "(TypeError: x)" in advice


def test_accuracy_points_are_ten_a_step():
    values = (0.1, 0.7499, 0.75, 0.8, 0.85, 0.8999, 0.9, 1.0)
    assert [rubric.accuracy_points(v) for v in values] == [0, 0, 10, 20, 30, 30, 40, 40]


def test_every_diagnosis_has_its_section():
    folder = ROOT / "mp09" / "grading" / "diagnose"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    keys = set(re.findall(r'Diagnosis\(\s*"([a-z-]+)"', source)) | set(
        re.findall(r'^\s+"([a-z]+-[a-z-]+)",$', source, re.M)
    )
    keys |= set(re.findall(r'\), "([a-z-]+)", "', source)) | {f"bad-{kind}" for kind in calls.REFUSALS}
    keys |= {f"ended-{kind}" for kind in ("time", "memory", "disk", "processes", "died", "protocol")} | {
        key for _, key, _ in calls.EXCEPTIONS
    }
    keys |= {key for _, key, _ in dataset.IMAGES}
    keys |= {one.key for one in learning.REASONS} | {*causes.FOUND, "cause-features", "cause-old-head"}
    sections = set(re.findall(r"^### ([a-z-]+)$", (ROOT / "docs" / "student.md").read_text(), re.M))
    assert keys == sections
