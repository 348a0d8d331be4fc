"""`python -m mp09 export`: a run's network, or a published one with its own head or a new one, as one file."""

from collections.abc import Sequence
from pathlib import Path

from mp09.device import choose_device, seed_everything
from mp09.errors import NetworkError
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head, own_head
from mp09.nets.export import export
from mp09.recipes.train import load_trained


def export_run(
    folder: Path,
    out: Path,
    *,
    network: str | None = None,
    weights: str = "default",
    outputs: int | None = None,
    hidden: Sequence[int] = (),
    softmax: bool = False,
    device: str = "cpu",
    seed: int = 0,
) -> tuple[str, float]:
    """Write the file; (the network's name, the largest difference of a score from the network's own).

    network, weights: a published network instead of the run in `folder`
    outputs, hidden: give it a new head of random numbers, as in `make_head`; its classes have no names
    Raises NetworkError when these don't go together.
    """
    of_published = {"weights": weights != "default", "outputs": outputs, "hidden": hidden}
    if not network and (idle := [name for name, value in of_published.items() if value]):
        raise NetworkError(f"{', '.join(idle)}: for a published network, not for one of a run. Name a network.")
    if hidden and not outputs:
        raise NetworkError("hidden: layers of a new head; how many outputs is it to have?")
    if network and outputs:
        seed_everything(seed)
        base = backbone(network, weights)
        name, model, classes = network, Classifier(base, make_head(base.width, outputs, hidden=hidden)), ()
    elif network:
        name, (model, classes) = network, own_head(network, weights)
    else:
        model, card = load_trained(folder)
        name, classes = card["network"], card["classes"]
    place = choose_device(device)
    return name, export(model, out, name=name, classes=classes, softmax=softmax, device=place)
