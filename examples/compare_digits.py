"""A small convolutional network on handwritten digits: does it need normalization, and which one?

    python examples/compare_digits.py
    python examples/compare_digits.py --quick --report digits-report

The arms are made by `evenbatch.torch.place`, so the network itself is written once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import nn

from evenbatch.data import load
from evenbatch.torch import Comparison, compare, place


def make_model(arm: str) -> nn.Module:
    """The network, with the arm's norm between each convolution and its activation."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
    )
    if arm != "none":
        place(model, arm, batch=torch.zeros(8, 1, 8, 8))
    return model


def main(arguments: Sequence[str] | None = None) -> Comparison:
    """Compare, print, and write the report if asked."""
    parser = argparse.ArgumentParser(description="Normalization in a convolutional network.")
    parser.add_argument("--quick", action="store_true", help="a rough answer in seconds")
    parser.add_argument("--report", help="folder for the report")
    chosen = parser.parse_args(arguments)

    digits = load("digits")

    def part(x: object, y: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(x).reshape(-1, 1, 8, 8), torch.tensor(y)

    result = compare(
        make_model,
        (part(digits.x_train, digits.y_train), part(digits.x_test, digits.y_test)),
        ["none", "batch"] if chosen.quick else ["none", "batch", "group"],
        metric="accuracy",
        budget=40 if chosen.quick else 400,
        optimizer="sgd",
        rates=[0.1] if chosen.quick else None,
        tuning_seeds=1 if chosen.quick else 3,
        name="convolutional network",
        data_name="digits",
    )
    print(result)
    if chosen.report:
        print(f"Report: {result.report(chosen.report)}")
    return result


if __name__ == "__main__":
    main()
