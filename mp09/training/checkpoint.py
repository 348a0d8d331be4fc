"""Checkpoints of a training run: a folder with tensors (.safetensors) and one readable state.json.

state.json is written last, in one step, and names the tensor files with their checksums: a run that ends at any moment
leaves the checkpoint before it whole. Kept are the last epoch's tensors and the best one's.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from mp09.errors import TrainingError
from mp09.files import atomic_write, checksum, write_json
from mp09.training.history import History

STATE = "state.json"
FORMAT = "mp09 training 1"
MODEL, OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True)
class State:
    """What state.json holds.

    settings: what the run was started with; a run goes on only with the same
    files: epoch ("last" or "best") -> {name, sha256} of its tensors
    optimizer, schedule: what these remember besides tensors
    """

    epoch: int
    settings: dict[str, Any]
    history: list[dict]
    files: dict[str, dict[str, str]]
    optimizer: list[dict]
    schedule: dict[str, Any]
    card: dict[str, Any]


def save(folder: Path, model: nn.Module, optimizer, schedule, *, history: History, settings: dict, card: dict) -> None:
    """Write the checkpoint of the history's last epoch. Raises TrainingError when it can't; the one before it stays."""
    folder = Path(folder)
    epoch = history[-1]["epoch"]
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
        best = last if history.best["epoch"] == epoch or before is None else before.files["best"]
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
    """The state in a folder; None when there is no checkpoint. Raises TrainingError when it is damaged or foreign."""
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
    """The tensors of an epoch, "last" or "best". Raises TrainingError when they are missing or damaged."""
    path = Path(folder) / state.files[which]["name"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path}: this part of the checkpoint is missing ({error.strerror}).") from error
    if hashlib.sha256(content).hexdigest() != state.files[which]["sha256"]:
        raise TrainingError(f"{path}: damaged, its checksum differs. Start anew in another folder.")
    return load_tensors(content)


def load_model(folder: Path, model: nn.Module, which: str = "best") -> State:
    """Put an epoch's weights into a model. Raises TrainingError when there are none or they don't fit."""
    state = load(folder)
    if state is None:
        raise TrainingError(f"{folder}: no checkpoint here (no {STATE}).")
    put_weights(model, read_tensors(folder, state, which), folder)
    return state


def put_weights(model: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    weights = {key.removeprefix(MODEL): value for key, value in tensors.items() if key.startswith(MODEL)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = next(iter(str(error).splitlines()[1:]), str(error)).strip()
        raise TrainingError(f"{folder}: the checkpoint is of another network ({first[:300]}).") from error


def restore(folder: Path, state: State, model: nn.Module, optimizer, schedule) -> History:
    """Set model, optimizer and schedule to where the last checkpoint was; give the history until there."""
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
