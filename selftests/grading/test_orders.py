"""Test that what a grading chooses at random can't be known before, and does not decide about an honest score."""

import math
from itertools import pairwise

import numpy as np
import pytest

from mp09.grading import rubric
from mp09.grading.orders import Orders
from mp09.release.cases import edited, load_cases
from selftests.conftest import PER_FILE, ROOT

CASES = load_cases(ROOT / "selftests" / "submissions", ROOT / "submitted.py")
SHORT = edited((ROOT / "submitted.py").read_text(), [("num_samples=6400", "num_samples=160")])
HONEST = {
    "neighbours": "        return self.classifier(features.float() - features.float().mean(dim=0))\n",
    "dropout": "        return self.classifier(torch.dropout(features.float(), 0.5, True))\n",
}
SECRETS = range(200)
SIZES = (16, 64, 65, 66, 130, 400, 8000)  # numbers of images in test_batch


def test_two_gradings_choose_otherwise():
    first, second = Orders(), Orders()
    assert not np.array_equal(first.scored(8000).positions, second.scored(8000).positions)
    assert not np.array_equal(first.repeated(8000).positions, second.repeated(8000).positions)
    assert not np.array_equal(first.samples([8000, 8000]), second.samples([8000, 8000]))


def test_one_grading_chooses_once():
    orders = Orders()
    assert orders.counted(8000) == orders.counted(8000)
    assert np.array_equal(orders.repeated(400).positions, orders.repeated(400).positions)


def test_the_grader_s_known_seed_is_no_secret():
    """Whoever knows the seed of the submission's random numbers can't compute the orders from it."""
    known = np.random.default_rng(42).permutation(8000)
    assert np.mean(Orders().scored(8000).positions == known) < 0.01
    assert np.mean(Orders().repeated(8000).positions == known[: rubric.REPEATED]) < 0.01


# Counted files


@pytest.mark.parametrize("size", SIZES)
def test_a_counted_file_is_smaller_than_test_batch(size):
    assert all(0 < Orders(secret).counted(size) < size for secret in SECRETS)


def verdict(batches, size: int, secret: int) -> bool:
    """Return whether a loader that makes `batches(n)` batches of n items passes on test_batch and the counted file."""
    counts = (size, Orders(secret).counted(size))
    return all(batches(count) == math.ceil(count / rubric.BATCH_SIZE) for count in counts)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("own", [1, 2, 4, 32, 50, 55, 58, 60, 63, 64, 65, 66, 100, 128, 256, 10_000])
def test_a_hard_coded_batch_size_gets_the_same_with_every_secret(size, own):
    assert len({verdict(lambda count: math.ceil(count / own), size, secret) for secret in SECRETS}) == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_dropped_batch_is_always_found(size):
    assert not any(verdict(lambda count: count // rubric.BATCH_SIZE, size, secret) for secret in SECRETS)


# Samples


@pytest.mark.parametrize("size", [16, 40, 400, 8000])
def test_samples_are_items_of_both_files(size):
    for secret in SECRETS:
        samples = Orders(secret).samples([size, size])
        assert samples.shape == (rubric.SAMPLES,)
        assert {0, size - 1, size} <= set(samples.tolist())
        assert samples.max() < 2 * size


@pytest.mark.parametrize("missing", [1, 5, 12, 13, 64, 400, 799])
def test_a_short_dataset_gets_the_same_with_every_secret(missing):
    length = 2 * PER_FILE - missing
    complete = {bool((Orders(secret).samples([PER_FILE, PER_FILE]) < length).all()) for secret in SECRETS}
    assert complete == {missing <= 12}  # up to 12 missing items cost only the points for the length


# Evaluation


def batches(asked) -> set[tuple[int, ...]]:
    """Return each batch as the positions of its images, in their order."""
    starts = range(0, len(asked.positions) + asked.batch_size, asked.batch_size)
    return {tuple(asked.positions[a:b].tolist()) for a, b in pairwise(starts)}


@pytest.mark.parametrize("total", [1, 7, 40, 240, 400, 4000, 8000, 8003])
def test_the_batches_are_the_same_and_come_in_another_order(total):
    for name in ("scored", "repeated"):
        passes = [getattr(Orders(secret), name)(total) for secret in (1, 2)]
        assert batches(passes[0]) == batches(passes[1])
        if total >= 40:
            assert not np.array_equal(passes[0].positions, passes[1].positions)


@pytest.mark.parametrize("total", [7, 240, 8003])
def test_every_image_is_asked_once(total):
    orders = Orders()
    assert sorted(orders.scored(total).positions) == list(range(total))
    assert len(set(orders.repeated(total).positions.tolist())) == min(total, rubric.REPEATED)


@pytest.mark.parametrize("total", [240, 400, 4000, 8000])
def test_the_second_pass_has_other_batches_of_another_size(total):
    orders = Orders()
    assert orders.scored(total).batch_size != orders.repeated(total).batch_size
    assert not batches(orders.scored(total)) & batches(orders.repeated(total))


@pytest.mark.parametrize("total", [240, 400, 4000, 8000])
def test_a_look_up_by_position_is_wrong(total):
    """Whoever knows the batches and guesses their order is far from having half of the images right."""
    known = Orders(2**128 - 1).scored(total).positions
    assert max(np.mean(Orders(secret).scored(total).positions == known) for secret in SECRETS) < 0.35


# From end to end


@pytest.mark.proof
def test_positions_of_the_known_seed_earn_nothing(run_grader, tmp_path):
    """The images are the public ones, whose labels everybody has."""
    case = next(case for case in CASES if case.name == "learning/knows_the_seeds")
    case.build(tmp_path)
    assert run_grader(tmp_path).score == case.points


@pytest.mark.proof
@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_a_score_is_the_same_with_every_secret(run_grader, tmp_path, body):
    """This holds to the last digit, also when a model's answers depend on neighbours or on random numbers."""
    (tmp_path / "submitted.py").write_text(
        edited(SHORT, [("        return self.classifier(features.float())\n", body)])
    )
    reports = [run_grader(tmp_path, only="accuracy") for _ in range(2)]
    assert len({(report.score, report.accuracy) for report in reports}) == 1
    assert len({tuple(test.output for test in report.tests) for report in reports}) == 1
