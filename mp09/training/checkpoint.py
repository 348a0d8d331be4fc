"""Saves and loads the checkpoints of a training run: a folder with tensors (.safetensors) and a readable state.json.

state.json is written last, in one step, and names the files of tensors with their checksums. So a run may end at any
moment, and the checkpoint that it wrote before is whole. The tensors of the last epoch and of the best one are kept.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mp09.errors import TrainingError
from mp09.files import atomic_write, checksum, write_json
from mp09.training.history import History

STATE = "state.json"
FORMAT = "mp09 training 1"
MODEL, OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True)
class State:
    """Represents the content of state.json.

    Attributes:
        epoch: How many epochs are complete.
        settings: What the run was started with. It is continued only with the same settings; with a constant schedule
            the number of epochs may differ.
        history: One record for each epoch.
        files: For the epochs "last" and "best", the name and the sha256 of the file with their tensors.
        optimizer, schedule: What these remember besides tensors.
        card: Plain values that the caller of `fit` keeps in the checkpoint. A run is continued only with the same.
    """

    epoch: int
    settings: dict[str, Any]
    history: list[dict[str, float]]
    files: dict[str, dict[str, str]]
    optimizer: list[dict[str, Any]]
    schedule: dict[str, Any]
    card: dict[str, Any]


def save(
    folder: Path,
    model: nn.Module,
    optimizer: Optimizer,
    schedule: LRScheduler,
    *,
    history: History,
    settings: dict[str, Any],
    card: dict[str, Any],
) -> None:
    """Write the checkpoint of the history's last epoch, and remove all tensors but its own and the best epoch's.

    Args:
        folder: Where the run is kept; it is made where it is missing.
        model, optimizer, schedule: Are saved as they are after that epoch.
        history: The records of all epochs until then.
        settings, card: See `State`.

    Raises:
        TrainingError: It can't be written, and the previous checkpoint stays as it was; or that one is damaged.
    """
    folder = Path(folder)
    epoch = len(history)
    name = f"epoch-{epoch:04}.safetensors"
    remembered = optimizer.state_dict()
    tensors = {MODEL + key: value for key, value in model.state_dict().items()}
    for index, entries in remembered["state"].items():
        tensors |= {f"{OPTIMIZER}{index}.{key}": value for key, value in entries.items() if value is not None}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = load(folder)
        with atomic_write(folder / name) as file:
            file.write(save_tensors({key: _plain(value) for key, value in tensors.items()}))
        last = {"name": name, "sha256": checksum(folder / name)}
        best = last if history.epochs_since_best() == 0 or before is None else before.files["best"]
        groups = [
            {key: value for key, value in group.items() if key != "params"} for group in remembered["param_groups"]
        ]
        files = {"last": last, "best": best}
        state = State(epoch, settings, list(history), files, groups, schedule.state_dict(), card)
        write_json(folder / STATE, {"format": FORMAT, **asdict(state)})
    except OSError as error:
        kept = f"The one in {folder} stays as it was." if (folder / STATE).exists() else ""
        raise TrainingError(f"{folder / name}: the checkpoint could not be written ({error}). {kept}") from error
    for path in folder.glob("epoch-*.safetensors"):
        if path.name not in (last["name"], best["name"]):
            path.unlink()


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def load(folder: Path) -> State | None:
    """Return the state in a folder; None when there is no checkpoint.

    Raises:
        TrainingError: state.json can't be read, is damaged, or is not that of a training run.
    """
    path = Path(folder) / STATE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("format") != FORMAT:
            raise ValueError("another format")
        if any(set(value["files"][which]) != {"name", "sha256"} for which in ("last", "best")):
            raise ValueError("its tensors are not named")
        return State(**value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path}: expected the state of a training run, got something else ({error}). Use another folder."
        ) from error


def read_tensors(folder: Path, state: State, which: str = "last") -> dict[str, Tensor]:
    """Return the tensors of an epoch by name, those of the model after "model.", those of the optimizer "optimizer.".

    Args:
        folder: The folder of the run.
        state: Its state, as `load` returns it.
        which: "last" or "best".

    Raises:
        TrainingError: The file is missing, or its checksum differs.
    """
    path = Path(folder) / state.files[which]["name"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path}: this part of the checkpoint is missing ({error.strerror}).") from error
    if hashlib.sha256(content).hexdigest() != state.files[which]["sha256"]:
        raise TrainingError(f"{path}: damaged, its checksum differs. Start anew in another folder.")
    return load_tensors(content)


def load_model(folder: Path, model: nn.Module, which: str = "best") -> State:
    """Put an epoch's weights into a model, and return the state of the run.

    Args:
        folder: The folder of the run.
        model: Has the same structure as the one that was trained.
        which: "best" or "last".

    Raises:
        TrainingError: There is no checkpoint, it is damaged, or its weights don't fit this model.
    """
    state = load(folder)
    if state is None:
        raise TrainingError(f"{folder}: no checkpoint here (no {STATE}).")
    put_weights(model, read_tensors(folder, state, which), folder)
    return state


def weights_of(tensors: dict[str, Tensor], part: str = "") -> dict[str, Tensor]:
    """Return the weights of the model, or of a part such as "body.", by their names in it."""
    start = MODEL + part
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


def put_weights(model: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Put the model's weights among these tensors into a model.

    Args:
        model: Is changed in place.
        tensors: As `read_tensors` returns them.
        folder: Where they come from, for the message of an error.

    Raises:
        TrainingError: They don't fit this model.
    """
    weights = OrderedDict(weights_of(tensors))
    # The versions of layers, by which they rename old tensors. PyTorch annotates a state dict as a plain dict.
    weights._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = next(iter(str(error).splitlines()[1:]), str(error)).strip()
        raise TrainingError(f"{folder}: the checkpoint is of another model ({first[:300]}).") from error


def restore(folder: Path, state: State, model: nn.Module, optimizer: Optimizer, schedule: LRScheduler) -> History:
    """Bring model, optimizer and schedule to the state of the last checkpoint, and return the history until then.

    Raises:
        TrainingError: The tensors are missing or damaged, or belong to another model or another optimizer.
    """
    tensors = read_tensors(folder, state)
    put_weights(model, tensors, folder)
    remembered: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(OPTIMIZER):
            index, name = key.removeprefix(OPTIMIZER).split(".", 1)
            remembered.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    try:
        groups = [{**saved, "params": group["params"]} for group, saved in zip(groups, state.optimizer, strict=True)]
        optimizer.load_state_dict({"state": remembered, "param_groups": groups})
        schedule.load_state_dict(state.schedule)
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{folder}: the checkpoint is of another optimizer: {error}") from error
    return History(state.history)
