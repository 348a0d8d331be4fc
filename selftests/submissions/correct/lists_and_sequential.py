# Keeps the data as Python lists; cuts the last layer off and puts a new one behind a Sequential; keeps the graph.
import pickle

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from models import resnet18


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        self.data, self.targets = [], []
        for name in data_files:
            with open(name, "rb") as f:
                d = pickle.load(f, encoding="bytes")
            self.data += d[b"data"]
            self.targets += d[b"labels"]
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        img = self.data[idx].reshape(3, 32, 32).transpose(1, 2, 0)
        y = self.targets[idx]
        if self.transform:
            img = self.transform(img)
        if self.target_transform:
            y = self.target_transform(y)
        return img, y


def get_preprocess_transform(mode):
    return transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))]
    )


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files, transform=transform)


def build_dataloader(dataset, loader_params):
    return DataLoader(dataset, batch_size=loader_params["batch_size"], shuffle=loader_params["shuffle"])


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        base = resnet18(pretrained=True)
        self.features = nn.Sequential(*list(base.children())[:-1])
        for p in self.features.parameters():
            p.requires_grad = False
        self.head = nn.Linear(512, 8)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def build_model(trained=False):
    return FinetuneNet()


def build_optimizer(optim_type, model_params, hparams):
    return getattr(torch.optim, optim_type)(model_params, **hparams)


def train(train_dataloader, model, loss_fn, optimizer):
    model.train()
    model.features.eval()
    for x, y in train_dataloader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()


def test(test_dataloader, model):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for x, y in test_dataloader:
            right += int((model(x).argmax(1) == y).sum())
            total += len(y)
    return right / total


def run_model():
    data = build_dataset([f"cifar10_batches/data_batch_{i}" for i in range(1, 6)], get_preprocess_transform("train"))
    loader = build_dataloader(data, {"batch_size": 64, "shuffle": True})
    model = build_model()
    optimizer = build_optimizer("Adam", model.head.parameters(), {"lr": 0.004})
    for _ in range(2):
        train(loader, model, nn.CrossEntropyLoss(), optimizer)
    return model
