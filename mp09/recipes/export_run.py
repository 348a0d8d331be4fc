"""Writes the model of a run as one file, or a published model with its own head or a new one.

This is the work of `python -m mp09 export`.
"""

from collections.abc import Sequence
from pathlib import Path

from mp09.device import choose_device, seed_everything
from mp09.errors import ModelError
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head, own_head
from mp09.nets.export import export
from mp09.recipes.train import load_trained


def export_run(
    folder: Path,
    out: Path,
    *,
    model: str | None = None,
    weights: str = "default",
    outputs: int | None = None,
    hidden: Sequence[int] = (),
    softmax: bool = False,
    device: str = "cpu",
    seed: int = 0,
) -> tuple[str, float]:
    """Write a model as one TorchScript file, which takes images as they are; see `load_exported`.

    Args:
        folder: A folder that `train` wrote; not looked at when `model` names a published one.
        out: The file to write.
        model, weights: A published model instead of the run in `folder`, as `backbone` takes them.
        outputs, hidden: Give it a new head of random numbers, as `make_head` does; its classes have no names.
        softmax: Let it give probabilities instead of logits, which are the default.
        device: What it will run on, as `choose_device` takes it; by default "cpu".
        seed: Of the new head, by default 0.

    Returns:
        The model's name, and by how much its scores differ from the model's own at most.

    Raises:
        ModelError: These don't go together, there is no such run, model or weights, the published head is not one
            linear layer, or the exported model would give other scores or can't be written.
        TrainingError: The checkpoint of the run is damaged.
        DeviceError: There is no such device.
    """
    of_published = {"weights": weights != "default", "outputs": outputs, "hidden": hidden}
    if not model and (idle := [name for name, value in of_published.items() if value]):
        raise ModelError(f"{', '.join(idle)}: for a published model, not for one of a run. Name a model.")
    if hidden and not outputs:
        raise ModelError("hidden: layers of a new head; how many outputs is it to have?")
    classes: Sequence[str] = ()
    if model and outputs:
        seed_everything(seed)
        base = backbone(model, weights)
        name, found = model, Classifier(base, make_head(base.width, outputs, hidden=hidden))
    elif model:
        name, (found, classes) = model, own_head(model, weights)
    else:
        found, card = load_trained(folder)
        name, classes = card["model"], card["classes"]
    return name, export(found, out, name=name, classes=classes, softmax=softmax, device=choose_device(device))
