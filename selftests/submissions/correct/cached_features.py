# Runs the backbone once over all images, trains a linear layer on the features, and puts the two together.
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

import models


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        parts = [pickle.loads(Path(p).read_bytes(), encoding="bytes") for p in data_files]
        flat = np.concatenate([np.stack(p[b"data"]) for p in parts])
        self.images = flat.reshape(-1, 3, 1024).transpose(0, 2, 1).reshape(-1, 32, 32, 3)
        self.labels = sum((p[b"labels"] for p in parts), [])
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        x = self.images[i]
        return (self.transform(x) if self.transform else x), self.labels[i]


def get_preprocess_transform(mode):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
        ]
    )


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files, transform)


def build_dataloader(dataset, loader_params):
    return DataLoader(dataset, **loader_params)


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = models.resnet18(True)
        self.encoder.fc = nn.Identity()
        self.encoder.eval().requires_grad_(False)
        self.out = nn.Linear(512, 8)

    def forward(self, x):
        return self.out(self.encoder(x))


def build_model(trained=False):
    return FinetuneNet()


def build_optimizer(optim_type, model_params, hparams):
    return getattr(torch.optim, optim_type)(model_params, **hparams)


def train(train_dataloader, model, loss_fn, optimizer):
    for x, y in train_dataloader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()


@torch.no_grad()
def test(test_dataloader, model):
    return np.mean([float((model(x).argmax(1) == y).float().mean()) for x, y in test_dataloader])


def run_model():
    data = build_dataset([f"cifar10_batches/data_batch_{i}" for i in range(1, 6)], get_preprocess_transform("train"))
    model = build_model().eval()
    with torch.inference_mode():
        features = [(model.encoder(x), y) for x, y in build_dataloader(data, {"batch_size": 256})]
    x, y = (torch.cat(part).clone() for part in zip(*features))
    optimizer = build_optimizer("Adam", model.out.parameters(), {"lr": 0.003})
    for _ in range(5):
        train(DataLoader(TensorDataset(x, y), 64, shuffle=True), model.out, nn.CrossEntropyLoss(), optimizer)
    return model
