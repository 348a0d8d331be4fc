import time

import numpy as np
import pytest

from mp09.data import synthetic
from mp09.data.figures import render
from mp09.errors import DataError

LABELS = np.arange(600) % 8  # more than one chunk


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return synthetic.draw(LABELS, seed=3)


def test_shape_and_type(images):
    assert (images.shape, images.dtype) == ((600, 3, 32, 32), np.uint8)


def test_pixels_use_the_whole_range(images):
    assert (images.min(), images.max()) == (0, 255)


def test_planes_are_red_green_blue():
    images = synthetic.draw(np.full(64, 6), seed=0)  # ships are before sea and sky, which are blue
    assert images[:, 2, :4].mean() > images[:, 0, :4].mean()


def test_same_seed_same_bytes(images):
    assert np.array_equal(synthetic.draw(LABELS, seed=3), images)


def test_another_seed_draws_other_images(images):
    assert not (synthetic.draw(LABELS[:64], seed=4) == images[:64]).all(axis=(1, 2, 3)).any()


def test_first_images_do_not_depend_on_how_many_follow(images):
    assert np.array_equal(synthetic.draw(LABELS[:525], seed=3), images[:525])


def test_other_labels_leave_an_image_as_it_is(images):
    labels = LABELS.copy()
    labels[1] = 7
    same = (synthetic.draw(labels, seed=3) == images).all(axis=(1, 2, 3))
    assert np.flatnonzero(~same).tolist() == [1]


def test_no_two_images_are_alike(images):
    assert len({image.tobytes() for image in images}) == 600


def test_no_labels_no_images():
    assert synthetic.draw(np.array([], dtype=np.int64)).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("label", [-1, 8])
def test_label_out_of_range(label):
    with pytest.raises(DataError, match=rf"expected 0\.\.7; got .*{label}"):
        synthetic.draw(np.array([3, label]))


def test_labels_that_are_not_whole_numbers():
    with pytest.raises(DataError, match=r"expected whole numbers 0\.\.7, \(N,\); got float64 of shape \(2,\)"):
        synthetic.draw(np.array([0.0, 1.0]))


def test_labels_of_two_dimensions():
    with pytest.raises(DataError, match=r"got int64 of shape \(2, 2\)"):
        synthetic.draw(np.zeros((2, 2), dtype=np.int64))


def test_progress_ends_at_the_total():
    calls = []
    synthetic.draw(LABELS, progress=lambda *call: calls.append(call))
    assert calls == [(512, 600), (600, 600)]


@pytest.mark.parametrize("label", range(8))
def test_figure_fills_a_part_of_its_frame(label):
    hidden = [render.figure(label, np.random.default_rng(k))[3].mean() / 255 for k in range(20)]
    assert all(0.03 < share < 0.9 for share in hidden)


def test_speed():
    start = time.perf_counter()
    synthetic.draw(np.zeros(2000, dtype=np.int64))
    assert time.perf_counter() - start < 20  # it takes 1 s on one core of a Xeon; slow machines may take longer


@pytest.fixture(scope="module")
def calibration():
    """Measure how hard the images are, with 400 in each file, as most self-tests have."""
    pytest.importorskip("sklearn")
    from benchmarks.calibrate_synthetic import calibrate

    return {measurement.name: measurement for measurement in calibrate(400)}


@pytest.mark.proof
@pytest.mark.parametrize(
    "name",
    ["logistic regression on pixels", "linear probe, random ResNet-18 (seed 0)", "linear probe, pretrained ResNet-18"],
)
def test_calibration(calibration, name):
    assert calibration[name].passed, str(calibration[name])
