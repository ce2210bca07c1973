"""What the reader of docs/audit.md has: a model, its data, and a loop that trains it."""

import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


model = Net()
optimizer = torch.optim.AdamW(model.parameters())
data = torch.utils.data.TensorDataset(torch.randn(64, 6), torch.randint(2, (64,)))
loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True, drop_last=True)
batch = next(iter(loader))[0]


def train_one_epoch(model):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def evaluate(model):
    with torch.no_grad():
        model.eval()(batch)
