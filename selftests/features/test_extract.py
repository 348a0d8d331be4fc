"""Tests that features equal the model's own and are computed once, and that a damaged cache is refused."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from mp09.data.imageset import ImageSet
from mp09.errors import FeatureError
from mp09.features import cache, forms, openvino_form
from mp09.features.extract import ExtractOptions, View, extract
from mp09.features.featureset import FeatureSet, stack
from mp09.nets.backbones import backbone

RANDOM = np.random.default_rng(0)
IMAGES = ImageSet(
    RANDOM.integers(0, 256, (70, 3, 32, 32), dtype=np.uint8), RANDOM.integers(0, 3, 70), ("cat", "dog", "owl")
)
MIRRORED = View("mirrored", lambda x: x.flip(-1))


@pytest.fixture(scope="module")
def base():
    return backbone("resnet18-32")


def plain(base, images: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return base.body.eval()(base.preprocess(torch.from_numpy(images)))


def of(base, data=IMAGES, **options):
    chosen = {"device": "cpu", "precision": "float32", "batch_size": 32} | options
    others = {name: chosen.pop(name) for name in ("view", "key", "calibration", "watch") if name in chosen}
    return extract(base, data, ExtractOptions(**chosen), **others)


def test_features_are_the_models_own(base):
    found = of(base)
    torch.testing.assert_close(torch.from_numpy(found.features), plain(base, IMAGES.images), atol=1e-4, rtol=1e-4)
    assert found.labels.tolist() == IMAGES.labels.tolist()


def test_bfloat16_is_close(base):
    found, exact = of(base, precision="bfloat16"), of(base)
    assert np.corrcoef(found.features.ravel(), exact.features.ravel())[0, 1] > 0.999


def test_int8_is_near(base):
    found, exact = of(base, precision="int8"), of(base)
    assert 0.99 < np.corrcoef(found.features.ravel(), exact.features.ravel())[0, 1] < 0.99999


def test_int8_of_images_that_are_read_one_by_one_needs_some_to_calibrate_with(base):
    def parts():
        yield torch.from_numpy(IMAGES.images), IMAGES.labels

    with pytest.raises(FeatureError, match="int8 needs calibration images"):
        of(base, parts(), precision="int8")
    found = of(base, parts(), precision="int8", calibration=torch.from_numpy(IMAGES.images))
    assert np.array_equal(found.features, of(base, precision="int8", batch_size=70).features)


def test_an_unknown_precision_is_refused(base):
    with pytest.raises(FeatureError, match="expected auto, float32, bfloat16, int8; got 'int4'"):
        of(base, precision="int4")


@pytest.mark.parametrize("name", ["alexnet", "densenet121", "vit_b_32", "googlenet", "resnet18-32"])
@pytest.mark.parametrize("make", [forms.pytorch_form, forms.form_of], ids=["PyTorch", "fastest"])
def test_a_form_computes_the_same(name, make):
    base = backbone(name, "none")
    x = torch.rand(3, 3, base.preprocess.size, base.preprocess.size)
    sample = () if make is forms.pytorch_form else (x[:2],)
    form = make(base.body, *sample, "float32", torch.device("cpu"))
    with torch.no_grad():
        for images in (x, x[:1]):
            torch.testing.assert_close(form(images), base.body.eval()(images), atol=1e-3, rtol=1e-3)


def test_batch_norm_is_folded(base):
    folded = forms._folded(base.body.eval())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())


class ByNumber(torch.nn.Module):
    """Decides by its input, so that it can neither be traced nor exported."""

    def forward(self, x):
        return x.mean((2, 3)) if x.mean() > 0 else x.amax((2, 3))


def test_a_model_that_can_not_be_exported_is_computed_by_pytorch():
    x = torch.rand(2, 3, 8, 8)
    form = forms.form_of(ByNumber(), x, "float32", torch.device("cpu"))
    torch.testing.assert_close(form(x), x.mean((2, 3)))
    torch.testing.assert_close(form(-x), -x.amin((2, 3)))
    with pytest.raises(FeatureError, match="OpenVINO can't compute this model"):
        forms.form_of(ByNumber(), x, "int8", torch.device("cpu"), [x])


def test_without_the_extra_pytorch_computes_all_but_int8(base, monkeypatch):
    fast = of(base)
    monkeypatch.setattr(openvino_form, "version", lambda package: "")
    slow = of(base)
    np.testing.assert_allclose(slow.features, fast.features, atol=1e-3)
    assert slow.key != fast.key
    with pytest.raises(FeatureError, match=r"int8 is computed by OpenVINO, which is not installed: pip install"):
        of(base, precision="int8")


def test_openvino_reports_to_nobody(base, monkeypatch):
    reached = []
    monkeypatch.setattr("socket.socket.connect", lambda _, address: reached.append(address))
    of(base, precision="int8")
    assert reached == []
    assert sys.modules["openvino_telemetry"] is None


def test_several_threads_may_use_a_form(base):
    form = forms.form_of(base.body, torch.rand(2, 3, 32, 32), "float32", torch.device("cpu"))
    threads = torch.get_num_threads()

    def features(value: float) -> torch.Tensor:
        with form.beside():
            return form(torch.full((64, 3, 32, 32), value))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(features, [0.1, 0.2, 0.3, 0.4] * 4))
    assert all(torch.equal(one, other) for one, other in zip(found[:4], found[4:8], strict=True))
    assert torch.get_num_threads() == threads


def test_a_norm_without_statistics_stays():
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4, track_running_stats=False))
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in forms._folded(body.eval()).modules())


def test_the_backbone_given_stays_as_it_is(base):
    before = cache.digest_model(base.body)
    of(base, precision="bfloat16")
    assert cache.digest_model(base.body) == before
    assert base.body.conv1.weight.dtype == torch.float32


def test_batches_that_are_read_one_by_one_give_the_same(base):
    parts = ((torch.from_numpy(IMAGES.images[i : i + 32]), IMAGES.labels[i : i + 32]) for i in range(0, 70, 32))
    assert np.array_equal(of(base, parts).features, of(base).features)


def test_the_second_time_comes_from_the_cache(base, tmp_path):
    first = of(base, cache=tmp_path)
    told = []
    again = of(base, cache=tmp_path, watch=lambda *args: told.append(args))
    assert told == []
    assert np.array_equal(again.features, first.features)
    assert json.loads((tmp_path / first.key / "card.json").read_text())["preprocess"]["size"] == 32


@pytest.mark.parametrize(
    "change", ["weights", "images", "labels", "preprocess", "precision", "view", "calibration", "batch size"]
)
def test_whatever_matters_changes_the_key(tmp_path, change):
    base, data, options = backbone("resnet18-32"), IMAGES, {}
    keys = {of(base, data, cache=tmp_path).key}
    if change == "weights":
        base.body.conv1.weight.data[0, 0, 0, 0] += 1
    elif change == "images":
        data = ImageSet(255 - IMAGES.images, IMAGES.labels, IMAGES.classes)
    elif change == "labels":
        data = ImageSet(IMAGES.images, 2 - IMAGES.labels, IMAGES.classes)
    elif change == "preprocess":
        base.preprocess.mean = (0.5, 0.5, 0.5)
    elif change == "precision":
        options["precision"] = "bfloat16"
    elif change == "calibration":
        options |= {"precision": "int8", "calibration": torch.zeros(4, 3, 32, 32, dtype=torch.uint8)}
        keys = {of(base, data, cache=tmp_path, precision="int8").key}
    elif change == "batch size":
        options |= {"view": MIRRORED, "batch_size": 7}
        keys = {of(base, data, cache=tmp_path, view=MIRRORED).key}
    else:
        options["view"] = MIRRORED
    keys.add(of(base, data, cache=tmp_path, **options).key)
    assert len(keys) == 2


def test_all_who_write_one_entry_at_once_get_it(tmp_path):
    made = FeatureSet(RANDOM.random((2000, 100), dtype=np.float32), np.zeros(2000, np.int64), "k")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.write(tmp_path, made, {}), range(8)))
    assert all(np.array_equal(entry.features, made.features) for entry in found)
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_a_cache_may_be_made_ready_while_others_write_into_it(tmp_path):
    made = FeatureSet(RANDOM.random((10, 4), dtype=np.float32), np.zeros(10, np.int64), "k")

    def work(number):
        for index in range(50):
            cache.write(tmp_path, replace(made, key=f"{number}-{index}"), {})
            cache.ready(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list(tmp_path.iterdir())) == 400


def test_views_are_stacked(base):
    both = stack([of(base), of(base, view=MIRRORED)])
    mirrored = plain(base, IMAGES.images[..., ::-1].copy())
    assert both.features.shape == (140, 512)
    np.testing.assert_allclose(both.features[70:], mirrored, atol=1e-4)


def test_others_may_read_the_cache_and_what_was_left_unfinished_is_removed(base, tmp_path):
    (tmp_path / ".new-old").mkdir()
    (tmp_path / ".new-now").mkdir()
    os.utime(tmp_path / ".new-old", (0, 0))
    key = of(base, cache=tmp_path).key
    assert {path.name for path in tmp_path.iterdir()} == {key, ".new-now"}
    assert (tmp_path / key).stat().st_mode & 0o777 == 0o755


def test_a_damaged_entry_is_refused(base, tmp_path):
    key = of(base, cache=tmp_path).key
    (tmp_path / key / "features.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FeatureError, match=f"{key}: damaged .*Remove this folder"):
        of(base, cache=tmp_path)


def test_a_cache_that_is_no_folder_is_refused(base, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureError, match="the cache can't be written"):
        of(base, cache=tmp_path / "file")


def test_no_images_are_refused(base):
    with pytest.raises(FeatureError, match="no images"):
        of(base, [])


def test_a_stream_without_a_key_is_not_cached(base, tmp_path):
    with pytest.raises(FeatureError, match="needs a key"):
        of(base, [], cache=tmp_path)
