"""ResNet-18 for 32x32 pictures.

The network of He et al. 2015 (arXiv:1512.03385) with a stem that suits small pictures: a 3x3 stride-1 convolution
instead of the 7x7 stride-2 one. Parameter names are those of torchvision's ResNet. One picture costs 0.14 GMAC.

    from models import resnet18
    net = resnet18(pretrained=True)      # reads the resnet18.pt beside this file
"""

from pathlib import Path

import torch
from torch import Tensor, nn

CHECKPOINT = Path(__file__).resolve().parent / "resnet18.pt"


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, in_channels, H, W) -> (N, channels, H/stride, W/stride)."""

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
    """Stem, four stages of 64, 128, 256 and 512 channels, average pool and a linear classifier `fc`.

    Input float (N, 3, 32, 32); output logits (N, num_classes).
    """

    def __init__(self, blocks_per_stage: tuple[int, ...] = (2, 2, 2, 2), num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        in_channels = 64
        for stage, blocks in enumerate(blocks_per_stage):
            channels = 64 * 2**stage
            layers = [BasicBlock(in_channels, channels, stride=1 if stage == 0 else 2)]
            layers += [BasicBlock(channels, channels) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            in_channels = channels
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet18(pretrained: bool = False, progress: bool = True, device: str = "cpu", **kwargs) -> ResNet:
    """Build the 32x32 ResNet-18.

    Args:
        pretrained: load the `resnet18.pt` that lies beside this file (ten CIFAR-10 classes).
        progress: accepted for the signature of torchvision; nothing is downloaded.
        device: where the network is put, e.g. "cpu" or "cuda".
        **kwargs: passed to `ResNet`, e.g. `num_classes`.

    Raises:
        FileNotFoundError: `pretrained` is asked and there is no `resnet18.pt`.
        RuntimeError: the checkpoint's shapes don't fit, e.g. with another `num_classes`.
    """
    net = ResNet((2, 2, 2, 2), **kwargs)
    if pretrained:
        net.load_state_dict(torch.load(CHECKPOINT, map_location="cpu", weights_only=True))
    return net.to(device)
