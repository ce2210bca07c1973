"""Healthy training loops in which something looks like a mistake and is none, and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from planted import Net, rows
from torch import nn
from torch.nn import functional as F

from evenbatch.torch import Context, Report, Severity, audit, watch


def dense(inputs: int = 4, outputs: int = 4) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs)
    )


def found(report: Report) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in report}


def seen(loop: Callable[[Any], None], model: nn.Module, **settings: Any) -> dict[str, Severity]:
    with watch(model, **settings) as report:
        loop(model)
    return found(report)


def game(generator: Any, in_a_row: int = 1) -> None:
    """Examples for the discriminator without gradients, then a step of the generator."""
    for _ in range(4):
        for _ in range(in_a_row):
            with torch.no_grad():
                generator(rows())
        generator(rows()).sum().backward()


def test_a_generator_that_makes_examples_is_no_error() -> None:
    assert seen(game, dense(), select=["EB501"]) == {"EB501": Severity.WARNING}
    declared = {"context": Context(method="gan"), "select": ["EB501"]}
    assert seen(game, dense(), **declared) == {"EB501": Severity.INFO}
    assert seen(lambda g: game(g, 3), dense(), **declared) == {"EB501": Severity.INFO}
    assert seen(lambda g: game(g, 3), dense(), select=["EB501"]) == {"EB501": Severity.ERROR}


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = dense(), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x))


def test_a_part_called_by_itself_counts_by_its_own_gradients() -> None:
    def evaluated_whole_trained_in_parts(model: Any) -> None:
        model.eval()
        with torch.no_grad():
            model(rows())
        model.train()
        for _ in range(3):
            model.head(model.encoder(rows())).sum().backward()

    def trained_whole_evaluated_in_parts(model: Any) -> None:
        model(rows()).sum().backward()
        with torch.no_grad():
            model.head(model.encoder(rows()))

    assert seen(evaluated_whole_trained_in_parts, Parts(), select=["EB501"]) == {}
    assert "EB501" in seen(trained_whole_evaluated_in_parts, Parts())


def momentum_encoder() -> Net:
    def run(net: Any, x: Any) -> Any:
        with torch.no_grad():
            target = net.slow(x)
        return F.mse_loss(net.fast(x), target)

    fast = dense()
    return Net(run, fast=fast, slow=deepcopy(fast).requires_grad_(False))


def test_a_momentum_encoder_is_not_frozen() -> None:
    def loop(model: Any, follow: bool = True) -> None:
        optimizer = torch.optim.SGD(model.fast.parameters(), lr=0.1)
        for step in range(3):
            optimizer.zero_grad()
            model(rows() + step).backward()
            optimizer.step()
            if follow:
                for slow, fast in zip(
                    model.slow.parameters(), model.fast.parameters(), strict=True
                ):
                    slow.data.lerp_(fast.data, 0.01)

    model = momentum_encoder()
    with torch.no_grad():
        model.slow[1].weight.mul_(0.5)
    assert not {"EB201", "EB505"} & set(seen(loop, model))
    stays = seen(lambda m: loop(m, follow=False), momentum_encoder())
    assert stays["EB505"] is Severity.ERROR
    assert "EB201" in stays


def test_statistics_of_a_few_batches_are_called_so() -> None:
    """What is wrong is not the data: the statistics are still those the layer began with."""
    model = dense()
    for _ in range(3):
        model(rows(64) * 3 + 2)
    [finding] = audit(model, rows(64) * 3 + 2, select=["EB204"])
    assert (
        "It has seen 3 batches so far, after which 72.9 % of its statistics are still the 0 and 1 "
        "it began with." in finding.says
    )
    for _ in range(60):
        model(rows(64) * 3 + 2)
    assert not audit(model, rows(64) * 3 + 2, select=["EB204"]).findings
    [finding] = audit(model, rows(64) * 9, select=["EB204"])
    assert "began with" not in finding.says
