"""Build ResNet-18 for 32x32 images, and tell in which number type a device computes it fastest.

The model is that of He et al. 2015 (arXiv:1512.03385), with a stem that suits small images: a 3x3 convolution of stride
1 instead of a 7x7 one of stride 2. Parameters have the same names as in torchvision's ResNet. One image costs 0.14
GMAC, that is, 0.14 billion multiplications with as many additions.

    from models import resnet18
    net = resnet18(pretrained=True)      # reads the resnet18.pt beside this file
"""

import os
from pathlib import Path

import torch
from torch import Tensor, nn

CHECKPOINT = Path(__file__).resolve().parent / "resnet18.pt"
PRECISION = "MP09_PRECISION"  # the environment variable that overrides the choice
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")  # of processors from Intel, AMD and Arm


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return the number type in which a device computes models fastest.

    This is bfloat16 where the device has arithmetic for it, else float32. Apple's GPUs ("mps") compute in float32.
    Nothing is timed, so a machine gives the same answer every time. If the environment variable MP09_PRECISION is
    "float32" or "bfloat16", it decides instead; "auto" leaves the choice to the device.

    Raises:
        ValueError: MP09_PRECISION is another word.
    """
    forced = os.environ.get(PRECISION) or "auto"
    if forced in DTYPES:
        return DTYPES[forced]
    if forced != "auto":
        raise ValueError(f"{PRECISION}: expected auto, {', '.join(DTYPES)}; got {forced!r}.")
    return torch.bfloat16 if _has_bfloat16(device.type) else torch.float32


def _has_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return kind == "cpu" and any(able.get(name) for name in BFLOAT16_INSTRUCTIONS)


class BasicBlock(nn.Module):
    """Adds the result of two 3x3 convolutions to the input, which takes a shortcut around them.

    Input float (N, in_channels, H, W); output (N, channels, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + shortcut)


class ResNet(nn.Module):
    """Consists of a stem, four stages of 64, 128, 256 and 512 channels, average pooling and a linear classifier `fc`.

    Input float (N, 3, 32, 32); output logits (N, num_classes).
    """

    def __init__(self, blocks_per_stage: tuple[int, int, int, int] = (2, 2, 2, 2), num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(64, 64, blocks_per_stage[0], stride=1)
        self.layer2 = _stage(64, 128, blocks_per_stage[1], stride=2)
        self.layer3 = _stage(128, 256, blocks_per_stage[2], stride=2)
        self.layer4 = _stage(256, 512, blocks_per_stage[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """Make blocks of equal width, the first of which changes the width and the size of the image."""
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


def resnet18(pretrained: bool = False, progress: bool = True, device: str = "cpu", *, num_classes: int = 10) -> ResNet:
    """Build the ResNet-18 for 32x32 images.

    Args:
        pretrained: load the `resnet18.pt` that lies beside this file (ten CIFAR-10 classes).
        progress: has no effect, as nothing is downloaded; torchvision's models take it too.
        device: the device that the model is moved to, e.g. "cpu" or "cuda".
        num_classes: the number of outputs.

    Raises:
        FileNotFoundError: `pretrained` is set, and there is no `resnet18.pt`.
        RuntimeError: the checkpoint's shapes don't fit, e.g. with another `num_classes`.
    """
    net = ResNet(num_classes=num_classes)
    if pretrained:
        net.load_state_dict(torch.load(CHECKPOINT, map_location="cpu", weights_only=True))
    return net.to(device)
