"""Offer the course's model to PyTorch Hub, from a copy of this repository or by owner and name where it is published.

net = torch.hub.load(".", "resnet18", source="local", pretrained=True)      # "." is this folder
torch.hub.list("OWNER/NAME"); torch.hub.help("OWNER/NAME", "resnet18"); torch.hub.load("OWNER/NAME", "resnet18")
"""

import importlib.util
import pathlib
import sys

dependencies = ["torch"]


def _models():
    """Load models.py beside this file, whatever else has the name `models` in the program that asks for it."""
    path = pathlib.Path(__file__).resolve().with_name("models.py")
    spec = importlib.util.spec_from_file_location("mp09_models", path)
    known = sys.modules.get(spec.name)
    if known is not None and known.__file__ == str(path):
        return known
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pickled models refer to it by this name
    spec.loader.exec_module(module)
    return module


def resnet18(pretrained=False, progress=True, device="cpu", **kwargs):
    """ResNet-18 for 32x32 images has a 3x3 stride-1 stem and 11.2 million parameters, and costs 0.14 GMAC per image.

    Args:
        pretrained: load resnet18.pt, which lies in this repository. It knows the ten classes of CIFAR-10 in their order
            (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck), and has an accuracy of 0.887 on the
            10,000 test images of CIFAR-10 (JPEG).
        progress: has no effect, as nothing is downloaded; torchvision's models take it too.
        device: the device that the model is moved to, e.g. "cpu" or "cuda".
        **kwargs: passed on to the model, e.g. num_classes=200 (which does not go with pretrained).

    The input is float (N, 3, 32, 32): pixels 0 to 1, normalised with mean (0.4914, 0.4822, 0.4465) and standard
    deviation (0.247, 0.243, 0.261). The output is logits, (N, 10).

        net = torch.hub.load(".", "resnet18", source="local", pretrained=True).eval()
        net(torch.zeros(1, 3, 32, 32)).softmax(dim=1)
    """
    return _models().resnet18(pretrained=pretrained, progress=progress, device=device, **kwargs)
