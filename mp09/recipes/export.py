"""`python -m mp09 export`: a run's network, or a published one with its own head, as one file."""

from pathlib import Path

from mp09.device import choose_device
from mp09.nets.classifier import own_head
from mp09.nets.export import export
from mp09.recipes.train import load_trained


def export_run(
    folder: Path,
    out: Path,
    *,
    network: str | None = None,
    weights: str = "default",
    softmax: bool = False,
    device: str = "cpu",
) -> tuple[str, float]:
    """Write the file; (the network's name, the largest difference of a score from the network's own)."""
    if network:
        name, (model, classes) = network, own_head(network, weights)
    else:
        model, card = load_trained(folder)
        name, classes = card["network"], card["classes"]
    place = choose_device(device)
    return name, export(model, out, name=name, classes=classes, softmax=softmax, device=place)
