"""The training loop: any network, any batches, one device or several.

    history = fit(model, Batches(images, labels, 64, shuffle=True), Batches(*valid, 256), epochs=5, folder=Path("run"))

Run it again with the same folder, and it goes on where it was: each epoch starts from random states of its own,
made of seed and epoch, so nothing of them has to be kept, and model, optimizer, schedule and history are. (Not so the
random states of a DataLoader's persistent workers: let `augment` make the random changes, or do without persistence.)
"""

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from mp09.device import choose_device, fast_dtype, seed_everything
from mp09.errors import TrainingError
from mp09.precision import AUTO, PRECISIONS
from mp09.training import checkpoint, parallel
from mp09.training.batches import Share
from mp09.training.history import History
from mp09.training.optim import OPTIMIZERS, SCHEDULES, Loss, make_loss, make_optimizer, make_schedule, predictions

# (epochs so far, batch, batches): after every training batch, and after every epoch with batch 0
Watch = Callable[[History, int, int], None]


def fit(
    model: nn.Module,
    train: Iterable,
    valid: Iterable | None = None,
    *,
    epochs: int,
    optimizer: str | torch.optim.Optimizer = "adamw",
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    schedule: str = "one-cycle",
    loss: Loss | None = None,
    label_smoothing: float = 0.0,
    augment: Callable[[Tensor], Tensor] | None = None,
    patience: int | None = None,
    precision: str = "auto",
    device: str = "auto",
    seed: int = 0,
    folder: Path | None = None,
    card: dict | None = None,
    watch: Watch | None = None,
) -> History:
    """Train a model in place; it holds the last epoch's weights afterwards.

    Args:
        train, valid: sized iterables of batches (x, y); y are class numbers int64 (N,). See `Batches`.
        epochs: how many in all, those of a run that is taken up again included; with a constant schedule it may be
            given more of them then.
        optimizer: "adamw", "adam" or "sgd" (Nesterov, momentum 0.9); or a ready one, whose lr and weight decay hold.
        schedule: "one-cycle", "cosine" or "constant"; stepped after every batch.
        loss: (outputs, labels) -> mean of the batch; default cross-entropy, on one logit its binary form.
        label_smoothing: of the default loss while it learns; validation goes without.
        augment: applied to the training x of a batch on the device.
        patience: stop after so many epochs without a better validation accuracy.
        precision: "float32" or "bfloat16"; "auto" is what MP09_PRECISION says, else bfloat16 where the device has
            arithmetic for it. Of several processes all compute in bfloat16, or none.
        folder: where checkpoints go; a run found there is taken up again.
        card: plain values kept in the checkpoint, such as class names; a run goes on only with the same.
        watch: told about progress.

    Raises:
        TrainingError: wrong arguments (all named at once), a loss that is no number, a checkpoint that is damaged,
            foreign or can't be written.
        DeviceError: no such device.
    """
    settings = {
        "epochs": epochs,
        "optimizer": optimizer,
        "lr": lr,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "loss": _name(loss),
        "label_smoothing": label_smoothing,
        "augment": _name(augment),
        "patience": patience,
        "precision": precision,
        "seed": seed,
        "batches": len(train),
    }
    if not isinstance(optimizer, str):
        settings |= {"optimizer": _name(optimizer)}
        settings |= {key: optimizer.param_groups[0].get(key, 0) for key in ("lr", "weight_decay")}
    _check(settings, model, known=OPTIMIZERS if isinstance(optimizer, str) else (settings["optimizer"],))
    place = parallel.local_device(choose_device(device))
    model.to(place)
    if isinstance(optimizer, str):
        optimizer = make_optimizer(optimizer, model, lr=lr, weight_decay=weight_decay)
    rates = make_schedule(schedule, optimizer, steps=epochs * len(train))
    losses_of = {True: loss or make_loss(label_smoothing), False: loss or make_loss(0.0)}  # while it learns, or not
    card = _plain(card or {})

    with parallel.processes(place) as (rank, size):
        dtype = fast_dtype(place) if precision == AUTO else getattr(torch, precision)
        if size > 1 and not parallel.for_all(dtype == torch.bfloat16, place):
            dtype = torch.float32
        settings["precision"] = str(dtype)
        history = _take_up(folder, settings, card, model, optimizer, rates)
        step_model = model
        if size > 1:
            step_model = parallel.wrap(model, place)
            train, valid = Share(train, rank, size), valid and Share(valid, rank, size)

        def run(batches: Iterable, learn: bool) -> tuple[float, float]:
            """One pass: the mean loss and accuracy over its pictures."""
            step_model.train(learn)
            losses, hits = MeanMetric().to(place), MeanMetric().to(place)
            for number, (x, y) in enumerate(batches, 1):
                if learn and size > 1 and number == 1:  # the order is drawn, the same for all
                    seed_everything(epoch_seed + 1 + rank)
                x, y = x.to(place, non_blocking=True), y.to(place, non_blocking=True)
                if learn and augment:
                    x = augment(x)
                with torch.set_grad_enabled(learn):
                    with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
                        outputs = step_model(x)
                    value = losses_of[learn](outputs.float(), y)
                if not math.isfinite(value.item()):
                    raise _no_number(f"{'training' if learn else 'validation'} batch {number}", history, folder)
                if learn:
                    # Processes average their gradients: each weighs its part of the batch.
                    weight = len(y) * size / parallel.total(len(y), place) if size > 1 else 1
                    optimizer.zero_grad()
                    (value * weight).backward()
                    optimizer.step()
                    rates.step()
                losses.update(value.detach(), len(y))
                hits.update((predictions(outputs) == y).float().mean(), len(y))
                if learn and watch and rank == 0:
                    watch(history, number, len(batches))
            if learn and not all(p.isfinite().all() for p in model.parameters()):
                raise _no_number("the last training batch", history, folder)
            return losses.compute().item(), hits.compute().item()

        while len(history) < epochs and not _is_stuck(history, patience):
            started = time.perf_counter()
            epoch_seed = (seed * 1_000_003 + len(history)) % 2**62
            _seed_epoch(train, epoch_seed)
            row = {"epoch": len(history) + 1, "lr": optimizer.param_groups[0]["lr"]}
            row["train_loss"], row["train_accuracy"] = run(train, learn=True)
            if valid is not None:
                row["valid_loss"], row["valid_accuracy"] = run(valid, learn=False)
            history.append({**row, "seconds": time.perf_counter() - started})
            if folder and rank == 0:
                checkpoint.save(folder, model, optimizer, rates, history=history, settings=settings, card=card)
            if watch and rank == 0:
                watch(history, 0, len(train))
        if size > 1:
            parallel.wait_for_all()  # the first one has written its checkpoint
    model.eval()
    return history


def _name(thing: object) -> str | None:
    """Of a function or of something's class, for a checkpoint."""
    return thing and getattr(thing, "__qualname__", type(thing).__qualname__)


def _plain(card: dict) -> dict:
    """As a checkpoint gives it back: tuples are lists. Raises TrainingError when it holds other than plain values."""
    try:
        return json.loads(json.dumps(card))
    except TypeError as error:
        raise TrainingError(f"card: expected plain values ({error}).") from error


def _check(settings: dict, model: nn.Module, *, known: tuple[str, ...]) -> None:
    """Raise TrainingError with everything that is wrong."""
    rules = {
        "epochs": (settings["epochs"] >= 1, "1 or more"),
        "lr": (settings["lr"] > 0, "above 0"),
        "weight_decay": (settings["weight_decay"] >= 0, "0 or more"),
        "label_smoothing": (0 <= settings["label_smoothing"] < 1, "0 or more and below 1"),
        "patience": (settings["patience"] is None or settings["patience"] >= 1, "1 or more"),
        "precision": (settings["precision"] in PRECISIONS, " or ".join(PRECISIONS)),
        "schedule": (settings["schedule"] in SCHEDULES, " or ".join(SCHEDULES)),
        "optimizer": (settings["optimizer"] in known, " or ".join(known)),
        "batches": (settings["batches"] >= 1, "1 or more"),
    }
    wrong = [f"{key}: expected {rule}, got {settings[key]!r}" for key, (holds, rule) in rules.items() if not holds]
    if not any(p.requires_grad for p in model.parameters()):
        wrong.append("model: expected parameters that learn, got none (all are frozen)")
    if wrong:
        raise TrainingError("; ".join(wrong) + ".")


def _take_up(folder: Path | None, settings: dict, card: dict, model: nn.Module, optimizer, rates) -> History:
    """The history of the run in the folder, whose state is put into model, optimizer and schedule; or an empty one."""
    state = checkpoint.load(folder) if folder else None
    if state is None:
        return History()
    then, now = {**state.settings, **state.card}, {**settings, **card}
    free = {"epochs"} if settings["schedule"] == "constant" else set()  # others plan for all epochs
    differs = [key for key in {**then, **now} if key not in free and then.get(key) != now.get(key)]
    if differs:
        words = ", ".join(f"{key} {then.get(key)} (now {now.get(key)})" for key in differs)
        raise TrainingError(f"{folder}: holds a run with {words}. Give the same values, or another folder.")
    return checkpoint.restore(folder, state, model, optimizer, rates)


def _seed_epoch(train: Iterable, seed: int) -> None:
    seed_everything(seed)
    if isinstance(generator := getattr(train, "generator", None), torch.Generator):  # a DataLoader's own
        generator.manual_seed(seed)


def _is_stuck(history: History, patience: int | None) -> bool:
    return patience is not None and history.epochs_since_best() >= patience


def _no_number(where: str, history: History, folder: Path | None) -> TrainingError:
    kept = f"The checkpoint of epoch {len(history)} in {folder} is good. " if folder and history else ""
    return TrainingError(
        f"Epoch {len(history) + 1}, {where}: the loss or the weights are no numbers any more (NaN or infinite). {kept}"
        "Use a smaller learning rate, or float32."
    )
