"""Tests that an interrupted run goes on exactly where it was, and that damaged or foreign checkpoints are refused."""

import json
import resource
import signal
import subprocess
import sys
import textwrap
from functools import partial

import pytest
import torch
from torch import nn

from mp09.errors import TrainingError
from mp09.training import checkpoint
from mp09.training import fit as fit_module
from mp09.training.augment import crop_and_flip, flip, per_image
from mp09.training.batches import Batches
from mp09.training.fit import fit
from mp09.training.options import FitOptions
from selftests.conftest import ROOT
from selftests.training.test_fit import blobs, net

RUN = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from selftests.training.test_checkpoint import train
    end = int(sys.argv[2])
    def watch(history, batch, batches):
        if len(history) == end and batch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    train(Path(sys.argv[1]), watch=watch)
""")


def small_model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 3)
    )


def train(folder, model=None, **options):
    x, y = blobs()
    chosen = {"epochs": 6, "lr": 0.02, "device": "cpu"} | options
    others = {name: chosen.pop(name) for name in ("card", "watch") if name in chosen}
    model = model or small_model()
    return model, fit(
        model,
        Batches(x, y, 32, shuffle=True),
        Batches(x, y, 100),
        FitOptions(**chosen),
        augment=lambda x: x + 0.1 * torch.randn_like(x),
        folder=folder,
        **others,
    )


def without_seconds(history) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_killed_after_three_epochs_and_resumed_equals_six_straight(tmp_path, optimizer):
    script = RUN.replace("watch=watch", f"watch=watch, optimizer={optimizer!r}")
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "cut", "3"], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert checkpoint.load(tmp_path / "cut").epoch == 3
    resumed, history = train(tmp_path / "cut", optimizer=optimizer)
    random_after = torch.get_rng_state()
    straight, expected = train(tmp_path / "straight", optimizer=optimizer)
    assert without_seconds(history) == without_seconds(expected)
    for (name, value), other in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    assert torch.equal(random_after, torch.get_rng_state())
    states = [checkpoint.load(tmp_path / name) for name in ("cut", "straight")]
    assert states[0].optimizer == states[1].optimizer
    assert states[0].schedule == states[1].schedule
    assert states[0].files == states[1].files


def test_a_finished_run_is_not_run_again(tmp_path):
    first, _ = train(tmp_path)
    told = []
    again, history = train(tmp_path, watch=lambda *args: told.append(args))
    assert told == []
    assert len(history) == 6
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_more_epochs_may_follow_with_a_constant_schedule(tmp_path):
    constant = {"schedule": "constant"}
    straight, expected = train(None, epochs=4, **constant)
    train(tmp_path, epochs=2, **constant)
    resumed, history = train(tmp_path, epochs=4, **constant)
    assert without_seconds(history) == without_seconds(expected)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_the_best_epoch_is_kept_beside_the_last(tmp_path):
    _, history = train(tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert kept == sorted({f"epoch-{n:04}.safetensors" for n in (history.best["epoch"], 6)})
    model = small_model()
    checkpoint.load_model(tmp_path, model)
    x, y = blobs()
    assert (model.eval()(x).argmax(1) == y).float().mean().item() == pytest.approx(history.best["valid_accuracy"])


def test_the_state_is_readable(tmp_path):
    train(tmp_path, card={"classes": ["a", "b", "c"]}, epochs=1)
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["card"] == {"classes": ["a", "b", "c"]}
    assert state["history"][0]["epoch"] == 1
    assert state["settings"]["lr"] == 0.02


def test_another_setting_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    with pytest.raises(TrainingError, match=r"holds a run with epochs 1 \(now 6\), lr 0.02 \(now 0.1\)"):
        train(tmp_path, lr=0.1)


def test_another_card_is_refused(tmp_path):
    train(tmp_path, card={"data": "cats"})
    with pytest.raises(TrainingError, match=r"holds a run with data cats \(now dogs\)"):
        train(tmp_path, card={"data": "dogs"})


def test_another_model_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(TrainingError, match="the checkpoint is of another model"):
        train(tmp_path, model=net())


def test_a_damaged_checkpoint_is_refused(tmp_path):
    train(tmp_path)
    path = tmp_path / "epoch-0006.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(TrainingError, match=r"epoch-0006.safetensors: damaged, its checksum differs"):
        train(tmp_path)


def test_a_missing_part_is_refused(tmp_path):
    train(tmp_path)
    (tmp_path / "epoch-0006.safetensors").unlink()
    with pytest.raises(TrainingError, match="this part of the checkpoint is missing"):
        train(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', '{"format": "mp09 training 1"}'])
def test_a_foreign_state_is_refused(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(TrainingError, match="expected the state of a training run"):
        train(tmp_path)


def test_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint here"):
        checkpoint.load_model(tmp_path, small_model())


def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path):
    def fill_up(history, batch, batches):
        if len(history) == 2:  # from here on no file may be longer than 100 bytes
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingError, match=r"epoch-0003.safetensors: .*could not be written .*stays as it was"):
            train(tmp_path, watch=fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoint.load(tmp_path).epoch == 2
    assert len(train(tmp_path)[1]) == 6


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(tmp_path):
    def burst(history, batch, batches):
        if len(history) == 2 and batch == 3:
            for parameter in model.parameters():
                parameter.data.fill_(float("inf"))

    model = small_model()
    with pytest.raises(TrainingError, match=r"Epoch 3.*The checkpoint of epoch 2 in .* is good"):
        train(tmp_path, model=model, watch=burst)
    assert checkpoint.load(tmp_path).epoch == 2
    assert len(train(tmp_path)[1]) == 6


def test_another_loss_augmentation_or_rate_of_a_ready_optimizer_is_refused(tmp_path):
    def fresh(lr=0.1, **options):
        model, card = net(), {"classes": ("a", "b")}
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        batches = Batches(*blobs(), 32)
        chosen = FitOptions(epochs=1, optimizer=optimizer, device="cpu")
        fit(model, batches, options=chosen, folder=tmp_path, card=card, **options)

    fresh()
    fresh()  # a tuple in the card is read back as a list
    with pytest.raises(TrainingError, match=r"holds a run with loss None \(now CrossEntropyLoss\)"):
        fresh(loss=torch.nn.CrossEntropyLoss())
    with pytest.raises(TrainingError, match=r"augment None \(now .*neg\)"):
        fresh(augment=torch.neg)
    with pytest.raises(TrainingError, match=r"lr 0.1 \(now 0.5\)"):
        fresh(lr=0.5)


def shifted(images, by):
    return images + by


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (crop_and_flip(4), crop_and_flip(12)),
        (partial(shifted, by=1), partial(shifted, by=2)),
        (partial(shifted, by=flip), partial(shifted, by=crop_and_flip(4))),
        (per_image(torch.nn.Dropout(0.1)), per_image(torch.nn.Dropout(0.2))),
    ],
)
def test_what_an_augmentation_was_made_with_belongs_to_it(own, other):
    assert fit_module._name(own) != fit_module._name(other)
    assert fit_module._name(crop_and_flip(4)) == fit_module._name(crop_and_flip(4))
