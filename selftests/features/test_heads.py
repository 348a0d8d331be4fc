"""Tests that heads of each kind learn, and that logistic regression as one layer has scikit-learn's answers."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mp09.errors import FeatureError
from mp09.features import heads
from mp09.features.featureset import FeatureSet
from mp09.features.heads import accuracy, logistic_regression, probabilities_of, train_head
from mp09.nets.classifier import make_head
from mp09.training.options import FitOptions


def features(classes: int, n: int = 400) -> FeatureSet:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, n)
    return FeatureSet(random.normal(3 * np.eye(12)[labels] + 5, 1.0).astype(np.float32), labels, "")


@pytest.mark.parametrize("hidden", [(), (32,), (32, 16)])
def test_heads_of_any_depth_learn(hidden):
    torch.manual_seed(0)
    head = make_head(12, 4, hidden=hidden)
    train_head(head, features(4), features(4), FitOptions(epochs=40, lr=0.01, device="cpu"), batch_size=32)
    assert accuracy(head, features(4)) > 0.9


def test_one_logit_is_judged_as_it_was_trained():
    head = make_head(12, 1)
    history = train_head(head, features(2), features(2), FitOptions(epochs=10, lr=0.01, device="cpu"), batch_size=32)
    assert accuracy(head, features(2)) == pytest.approx(history[-1]["valid_accuracy"])
    assert probabilities_of(head, features(2)).shape == (400, 2)


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_regression_is_scikit_learns(classes):
    found = features(classes)
    layer = logistic_regression(found, classes)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200)).fit(found.features, found.labels)
    np.testing.assert_allclose(probabilities_of(layer, found), model.predict_proba(found.features), atol=1e-4)


def test_a_class_without_images_is_refused():
    with pytest.raises(FeatureError, match="no images of class 4"):
        logistic_regression(features(4), 5)


def test_features_are_judged_part_by_part(monkeypatch):
    found, head = (
        FeatureSet(np.random.default_rng(0).random((10, 4), np.float32), np.arange(10) % 2, ""),
        make_head(4, 2),
    )
    whole = probabilities_of(head, found)
    sizes = []
    head.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(heads, "AT_ONCE", 4)
    np.testing.assert_allclose(probabilities_of(head, found), whole, rtol=1e-5)
    assert sizes == [4, 4, 2]


def test_features_from_the_cache_are_not_written_to(tmp_path):
    found = features(4)
    np.save(tmp_path / "features.npy", found.features)
    mapped = FeatureSet(np.load(tmp_path / "features.npy", mmap_mode="r"), found.labels, "")
    torch.manual_seed(0)
    train_head(make_head(12, 4), mapped, options=FitOptions(epochs=1, device="cpu"))
    assert np.array_equal(np.load(tmp_path / "features.npy"), found.features)
