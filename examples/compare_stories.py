"""A small transformer on stories, sequences of unequal length: layer norm, RMS norm, or none?

    python examples/compare_stories.py
    python examples/compare_stories.py --quick --report stories-report

A story tells word by word what goes into a bowl; the question is what went in last.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evenbatch.data import load
from evenbatch.torch import Comparison, compare

WIDTH, HEADS = 32, 4
NORMS: dict[str, Any] = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


class Block(nn.Module):
    """Attention and a small network, the norm before each."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.before, self.between = NORMS[norm](WIDTH), NORMS[norm](WIDTH)
        self.mixed, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        many, steps, _ = x.shape
        parts = self.mixed(self.before(x)).reshape(many, steps, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        seen = functional.scaled_dot_product_attention(query, key, value, there[:, None, None])
        x = x + self.out(seen.transpose(1, 2).reshape(many, steps, WIDTH))
        return x + self.narrow(functional.gelu(self.wide(self.between(x))))


class Reader(nn.Module):
    """Words and their places in, the mean over the story's own steps out."""

    def __init__(self, norm: str, words: int, longest: int, answers: int, depth: int) -> None:
        super().__init__()
        self.words = nn.Linear(words, WIDTH)
        self.places = nn.Parameter(0.5 * torch.randn(longest, WIDTH))
        self.blocks = nn.ModuleList(Block(norm) for _ in range(depth))
        self.last, self.answer = NORMS[norm](WIDTH), nn.Linear(WIDTH, answers)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        there = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        x = self.words(x) + self.places
        for block in self.blocks:
            x = block(x, there)
        mean = (self.last(x) * there[:, :, None]).sum(1) / lengths[:, None]
        return self.answer(mean)


def main(arguments: Sequence[str] | None = None) -> Comparison:
    """Compare, print, and write the report if asked."""
    parser = argparse.ArgumentParser(description="Normalization in a transformer.")
    parser.add_argument("--quick", action="store_true", help="a rough answer in seconds")
    parser.add_argument("--report", help="folder for the report")
    chosen = parser.parse_args(arguments)

    stories = load("stories", n=600, longest=8) if chosen.quick else load("stories", n=4000)
    depth = 2 if chosen.quick else 4

    def part(x: Any, lengths: Any, y: Any) -> tuple[torch.Tensor, ...]:
        by_step = torch.tensor(x).reshape(len(x), stories.time_steps, stories.n_features)
        return by_step, torch.tensor(lengths), torch.tensor(y)

    def make_model(arm: str) -> nn.Module:
        return Reader(arm, stories.n_features, stories.time_steps, stories.n_outputs, depth)

    result = compare(
        make_model,
        (
            part(stories.x_train, stories.lengths_train, stories.y_train),
            part(stories.x_test, stories.lengths_test, stories.y_test),
        ),
        ["none", "layer"] if chosen.quick else ["none", "layer", "rms"],
        metric="accuracy",
        budget=60 if chosen.quick else 800,
        optimizer="adam",
        rates=[0.02] if chosen.quick else None,
        tuning_seeds=1 if chosen.quick else 3,
        name="transformer",
        data_name="stories",
    )
    print(result)
    if chosen.report:
        print(f"Report: {result.report(chosen.report)}")
    return result


if __name__ == "__main__":
    main()
