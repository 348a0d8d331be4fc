"""The course's network for PyTorch Hub, from a copy of this repository, or by its owner and name where it is published.

net = torch.hub.load(".", "resnet18", source="local", pretrained=True)      # "." is this folder
torch.hub.list("OWNER/NAME"); torch.hub.help("OWNER/NAME", "resnet18"); torch.hub.load("OWNER/NAME", "resnet18")
"""

import importlib.util
import pathlib
import sys

dependencies = ["torch"]


def _models():
    """models.py beside this file, whatever else goes by the name `models` where it is loaded."""
    path = pathlib.Path(__file__).resolve().with_name("models.py")
    spec = importlib.util.spec_from_file_location("mp09_models", path)
    known = sys.modules.get(spec.name)
    if known is not None and known.__file__ == str(path):
        return known
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # networks are pickled by its name
    spec.loader.exec_module(module)
    return module


def resnet18(pretrained=False, progress=True, device="cpu", **kwargs):
    """ResNet-18 for 32x32 pictures: a 3x3 stride-1 stem, 11.2 million parameters, 0.14 GMAC a picture.

    Args:
        pretrained: load resnet18.pt, which lies in this repository: ten classes in CIFAR-10's order (airplane,
            automobile, bird, cat, deer, dog, frog, horse, ship, truck), accuracy 0.887 on the 10,000 test pictures of
            CIFAR-10 (JPEG).
        progress: without effect, as nothing is downloaded; torchvision's networks take it too.
        device: where the network is put, e.g. "cpu" or "cuda".
        **kwargs: for the network, e.g. num_classes=200 (then without pretrained).

    Input: float (N, 3, 32, 32), pixels in 0..1 normalised with mean (0.4914, 0.4822, 0.4465) and standard deviation
    (0.247, 0.243, 0.261). Output: logits (N, 10).

        net = torch.hub.load(".", "resnet18", source="local", pretrained=True).eval()
        net(torch.zeros(1, 3, 32, 32)).softmax(dim=1)
    """
    return _models().resnet18(pretrained=pretrained, progress=progress, device=device, **kwargs)
