"""Tests that a Ray cluster, which is started on this machine, computes the same features as the machine itself."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from mp09.cluster import connected
from mp09.device import fast_dtype
from mp09.errors import ClusterError
from mp09.features.on_ray import OnCluster
from mp09.nets.backbones import backbone
from selftests.features.test_extract import of

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="needs Ray")  # an import would take seconds


@pytest.mark.usefixtures("untraced")
def test_a_cluster_gives_the_same_features(tmp_path):
    base = backbone("resnet18-32")
    with connected() as ray:
        compute = OnCluster(ray, workers=2)
        assert compute.precision() == ("bfloat16" if fast_dtype(torch.device("cpu")) == torch.bfloat16 else "float32")
        found = of(base, batch_size=16, cache=tmp_path, compute=compute)
    local = of(base, batch_size=16)
    np.testing.assert_allclose(found.features, local.features, atol=1e-5)
    assert found.labels.tolist() == local.labels.tolist()
    assert of(base, batch_size=16, cache=tmp_path).key == found.key  # on this machine alone, the engine is the same


def test_a_cluster_that_is_not_there_is_refused():
    with pytest.raises(ClusterError, match=r"no cluster answers at 127.0.0.1:1 "), connected("127.0.0.1:1"):
        pass


def test_a_cluster_without_gpus_is_refused():
    class NoGpu:
        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 2.0}

    with pytest.raises(ClusterError, match="the cluster has no GPU"):
        of(backbone("resnet18-32"), compute=OnCluster(NoGpu(), gpus=True))
