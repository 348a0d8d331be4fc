# The handout's numbers taken literally: batches of 4, SGD with momentum; plots and warnings at import.
import pickle
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from models import resnet18

plt.plot([1, 2, 3])
plt.show()
warnings.warn("this file is noisy")


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        self.samples = []
        for f in data_files:
            with open(f, "rb") as fh:
                d = pickle.load(fh, encoding="bytes")
            for raw, label in zip(d[b"data"], d[b"labels"]):
                self.samples.append((raw, label))
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        raw, label = self.samples[idx]
        img = np.transpose(np.reshape(raw, (3, 32, 32)), (1, 2, 0))
        img = self.transform(img) if self.transform else torch.from_numpy(img.copy())
        return img, label


def get_preprocess_transform(mode):
    if mode == "train" or mode == "test":
        return transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])]
        )


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files, transform)


def build_dataloader(dataset, loader_params):
    return DataLoader(
        dataset, batch_size=loader_params.get("batch_size", 4), shuffle=loader_params.get("shuffle", False), num_workers=2
    )


class FinetuneNet(nn.Module):
    def __init__(self):
        super(FinetuneNet, self).__init__()
        self.model = resnet18()
        self.model.load_state_dict(torch.load("resnet18.pt"))
        for param in self.model.parameters():
            param.requires_grad = False
        self.model.fc = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 8))

    def forward(self, x):
        return self.model(x)


def build_model(trained=False):
    return FinetuneNet()


def build_optimizer(optim_type, model_params, hparams):
    if optim_type == "Adam":
        return optim.Adam(model_params, lr=hparams["lr"])
    elif optim_type == "SGD":
        return optim.SGD(model_params, lr=hparams["lr"], momentum=hparams["momentum"])


def train(train_dataloader, model, loss_fn, optimizer):
    model.eval()
    for _, data in enumerate(train_dataloader, 0):
        inputs, labels = data
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = loss_fn(outputs, labels)
        loss.backward()
        optimizer.step()


def test(test_dataloader, model):
    correct, total = 0, 0
    with torch.no_grad():
        for data in test_dataloader:
            images, labels = data
            _, predicted = torch.max(model(images).data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return correct / total


def run_model():
    transform = get_preprocess_transform("train")
    data_files = [
        "cifar10_batches/data_batch_1",
        "cifar10_batches/data_batch_2",
        "cifar10_batches/data_batch_3",
        "cifar10_batches/data_batch_4",
        "cifar10_batches/data_batch_5",
    ]
    loader = build_dataloader(build_dataset(data_files, transform), {"batch_size": 4, "shuffle": True})
    model = build_model()
    optimizer = build_optimizer("SGD", model.model.fc.parameters(), {"lr": 0.003, "momentum": 0.9})
    for epoch in range(2 if len(loader) < 1000 else 1):
        train(loader, model, nn.CrossEntropyLoss(), optimizer)
    return model
