"""Extraction on a Ray cluster of this machine gives the local run's features."""

import numpy as np
import pytest

from mp09.cluster import connected
from mp09.errors import ClusterError
from mp09.features.cluster import extract_on_cluster
from mp09.nets.backbones import backbone
from selftests.features.test_extract import IMAGES, of

pytest.importorskip("ray")


def test_a_cluster_gives_the_same_features(tmp_path):
    base = backbone("resnet18-32")
    options = {"device": "cpu", "precision": "float32", "batch_size": 16}
    found = extract_on_cluster(base, IMAGES, cache=tmp_path, workers=2, **options)
    local = of(base, batch_size=16)
    np.testing.assert_allclose(found.features, local.features, atol=1e-5)
    assert found.labels.tolist() == local.labels.tolist()
    assert of(base, batch_size=16, cache=tmp_path).key == found.key


def test_a_cluster_that_is_not_there_is_refused():
    with pytest.raises(ClusterError, match=r"no cluster answers at 127.0.0.1:1 "), connected("127.0.0.1:1"):
        pass
