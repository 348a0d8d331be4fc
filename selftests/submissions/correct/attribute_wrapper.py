# Backbone two levels down under other names; log-softmax with NLL loss; DataParallel around it all; labels as int64
# tensors; reads the data through a helper that keeps every file open only once.
import pickle

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from models import resnet18


def read(files):
    for name in files:
        with open(name, mode="rb") as stream:
            content = pickle.load(stream, encoding="bytes")
        yield from zip(content[b"data"], content[b"labels"])


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        pairs = list(read(data_files))
        self.images = np.stack([p for p, _ in pairs])
        self.classes = torch.tensor([c for _, c in pairs], dtype=torch.int64)
        self.transform = transform or (lambda x: x)
        self.target_transform = target_transform or (lambda y: y)

    def __len__(self):
        return self.classes.numel()

    def __getitem__(self, k):
        image = np.rollaxis(self.images[k].reshape(3, 32, 32), 0, 3)
        return self.transform(image), self.target_transform(self.classes[k])


def get_preprocess_transform(mode="train"):
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))])


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files=data_files, transform=transform)


def build_dataloader(dataset, loader_params):
    return DataLoader(dataset=dataset, **loader_params)


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        net = resnet18(pretrained=True)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        self.requires_grad_(False)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3))


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"trunk": Trunk(), "norm": nn.BatchNorm1d(512), "head": nn.Linear(512, 8)})

    def forward(self, x):
        h = self.parts["trunk"](x)
        return F.log_softmax(self.parts["head"](self.parts["norm"](h)), dim=1)


def build_model(trained=False):
    return nn.DataParallel(FinetuneNet())


def build_optimizer(optim_type, model_params, hparams):
    cls = torch.optim.SGD if optim_type == "SGD" else torch.optim.Adam
    return cls(model_params, **hparams)


def train(train_dataloader, model, loss_fn, optimizer):
    model.train()
    model.module.parts["trunk"].eval()
    for inputs, targets in train_dataloader:
        loss = loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test(test_dataloader, model):
    model.eval()
    with torch.no_grad():
        scores = [(model(i).argmax(1) == t).float() for i, t in test_dataloader]
    return torch.cat(scores).mean().item()


def run_model():
    files = ["./cifar10_batches/data_batch_%s" % n for n in "12345"]
    model = build_model()
    optimizer = build_optimizer("Adam", model.parameters(), {"lr": 4e-3})
    loader = build_dataloader(build_dataset(files, get_preprocess_transform()), {"batch_size": 50, "shuffle": True})
    for _ in range(2):
        train(loader, model, nn.NLLLoss(), optimizer)
    return model
