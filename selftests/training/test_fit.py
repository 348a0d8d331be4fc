"""Tests that the training loop learns, weighs by images, repeats itself by seed, and refuses what it can't do."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mp09.errors import DeviceError, TrainingError
from mp09.training.batches import Batches
from mp09.training.fit import fit
from mp09.training.optim import make_optimizer, make_schedule
from mp09.training.options import FitOptions
from mp09.training.trainer import trainer


def blobs(n: int = 300, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(classes, (n,), generator=generator)
    return torch.randn(n, 5, generator=generator) + 2 * nn.functional.one_hot(y, 5), y


def net(outputs: int = 3) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, outputs))


def run(model: nn.Module | None = None, **options) -> list[dict]:
    x, y = blobs()
    chosen = {"epochs": 4, "lr": 0.02, "device": "cpu"} | options
    others = {name: chosen.pop(name) for name in ("loss", "augment", "folder", "card", "watch") if name in chosen}
    return fit(model or net(), Batches(x, y, 32, shuffle=True), Batches(x, y, 100), FitOptions(**chosen), **others)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_every_optimizer_and_schedule_learns(optimizer, schedule):
    assert run(optimizer=optimizer, schedule=schedule)[-1]["valid_accuracy"] > 0.8


def test_one_cycle_moves_the_momentum_against_the_learning_rate():
    optimizer = make_optimizer("sgd", net(), lr=0.1, weight_decay=0.0)
    schedule = make_schedule("one-cycle", optimizer, steps=9)
    seen = []
    for _ in range(9):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        schedule.step()
    assert max(seen) == pytest.approx((0.1, 0.85))
    assert seen[0][1] == max(momentum for _, momentum in seen) == 0.95


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adagrad, torch.optim.RMSprop])
def test_one_cycle_gives_no_momentum_to_an_optimizer_that_has_none(make):
    model = net()
    optimizer = make(model.parameters(), lr=0.01)
    assert len(run(model, optimizer=optimizer, epochs=2)) == 2
    assert optimizer.param_groups[0].get("momentum", 0) == 0


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    losses = [run(seed=seed).column("train_loss") for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_data_loader_with_workers_repeats_itself():
    def losses() -> list[float]:
        loader = DataLoader(TensorDataset(*blobs()), 32, shuffle=True, generator=torch.Generator(), num_workers=1)
        return fit(net(), loader, options=FitOptions(epochs=2, device="cpu")).column("train_loss")

    assert losses() == losses()


def test_means_are_over_images_and_not_over_batches():
    x, y = blobs(101)
    model = net().eval()
    row = run(model, epochs=1)[-1]
    options = FitOptions(epochs=1, lr=1e-12, device="cpu", precision="float32")  # as `expected` is
    last = fit(model, Batches(x, y, 50), Batches(x, y, 100), options)[-1]
    expected = nn.functional.cross_entropy(model(x), y).item()
    assert row["valid_loss"] > 0
    assert math.isclose(last["valid_loss"], expected, rel_tol=1e-5)
    assert math.isclose(last["valid_accuracy"], (model(x).argmax(1) == y).float().mean().item(), rel_tol=1e-6)


def test_one_logit_is_a_binary_head():
    x, y = blobs(classes=2)
    options = FitOptions(epochs=6, lr=0.02, device="cpu")
    history = fit(net(1), Batches(x, y, 32, shuffle=True), Batches(x, y, 64), options)
    assert history[-1]["valid_accuracy"] > 0.85


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_auto_computes_in_what_is_forced(monkeypatch, precision):
    monkeypatch.setenv("MP09_PRECISION", precision)
    assert run().column("train_loss") == run(precision=precision).column("train_loss")


def test_label_smoothing_is_for_training_only():
    smooth, hard = (run(epochs=1, lr=1e-12, label_smoothing=amount)[-1] for amount in (0.3, 0.0))
    assert smooth["train_loss"] != hard["train_loss"]
    assert smooth["valid_loss"] == pytest.approx(hard["valid_loss"])


def test_label_smoothing_raises_the_loss_of_a_sure_model():
    assert run(label_smoothing=0.3)[-1]["train_loss"] > run()[-1]["train_loss"] + 0.1


def test_it_stops_when_nothing_improves():
    history = run(epochs=50, lr=1e-9, patience=3)
    assert len(history) == 4
    assert history.epochs_since_best() == 3


def test_augmentation_sees_training_batches_only():
    seen = []
    run(epochs=1, augment=lambda x: seen.append(len(x)) or x)
    assert sum(seen) == 300


def test_progress_tells_batches_and_epochs():
    told = []
    run(epochs=2, watch=lambda history, batch, batches: told.append((len(history), batch, batches)))
    assert told[:2] == [(0, 1, 10), (0, 2, 10)]
    assert [entry for entry in told if entry[1] == 0] == [(1, 0, 10), (2, 0, 10)]


def test_all_wrong_arguments_are_named_at_once():
    words = "epochs: expected 1 or more, got 0; lr: expected above 0.*schedule: expected one-cycle.*'adamw2'"
    with pytest.raises(TrainingError, match=words):
        run(epochs=0, lr=0.0, schedule="linear", optimizer="adamw2")


def test_a_frozen_model_is_refused():
    with pytest.raises(TrainingError, match="got none"):
        run(net().requires_grad_(False))


def test_a_loss_that_is_no_number_ends_the_run():
    with pytest.raises(TrainingError, match=r"Epoch 1, training batch \d+: .*smaller learning rate"):
        run(optimizer="sgd", lr=1e30, schedule="constant")


def test_weights_that_are_no_numbers_end_the_run():
    def loss(outputs, labels):
        return (outputs.sum() * 0).sqrt()  # the loss is 0, and its gradient is not a number

    x, y = blobs(32)
    with pytest.raises(TrainingError, match="Epoch 1, the last training batch"):
        fit(net(), Batches(x, y, 32), options=FitOptions(epochs=2, device="cpu"), loss=loss)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match="cuda: PyTorch finds no such device"):
        run(device="cuda")


def test_the_lecture_trainer_prints_a_line_an_epoch_and_gives_four_lists(capsys):
    x, y = blobs()
    model, batches = net(), Batches(x, y, 32, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lists = trainer(model, nn.CrossEntropyLoss(), optimizer, batches, Batches(x, y, 64), epochs=3, device="cpu")
    assert [len(numbers) for numbers in lists] == [3, 3, 3, 3]
    assert lists[3][-1] > 0.8
    assert capsys.readouterr().out.count("\n") == 3


def test_the_lecture_trainer_takes_one_logit_and_can_be_silent(capsys):
    x, y = blobs(classes=2)
    model, batches = net(1), Batches(x, y, 32, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    accuracies = trainer(model, nn.BCEWithLogitsLoss(), optimizer, batches, batches, 6, verbose=False, device="cpu")[3]
    assert accuracies[-1] > 0.85
    assert capsys.readouterr().out == ""
