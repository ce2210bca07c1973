"""A network for a table: does normalization pay where columns come in cups, minutes and degrees?

    python examples/compare_table.py
    python examples/compare_table.py --quick --report table-report
    python examples/compare_table.py --csv wine.csv --target quality

Without --csv it writes a table of cookies first: a recipe and an oven in, what came out.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evenbatch.data import load, load_table
from evenbatch.torch import Comparison, compare


def write_cookies(path: Path, rows: int) -> None:
    """A CSV with a heading, the class in the last column."""
    cookies = load("cookies", n=rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*cookies.features, "cookie"])
        for x, y in (
            *zip(cookies.x_train, cookies.y_train, strict=True),
            *zip(cookies.x_test, cookies.y_test, strict=True),
        ):
            writer.writerow([*(f"{value:g}" for value in x), cookies.classes[y]])


def main(arguments: Sequence[str] | None = None) -> Comparison:
    """Compare, print, and write the report if asked."""
    parser = argparse.ArgumentParser(description="Normalization in a network for a table.")
    parser.add_argument("--csv", type=Path, help="your own table")
    parser.add_argument("--target", default="cookie", help="the column to predict")
    parser.add_argument("--quick", action="store_true", help="a rough answer in seconds")
    parser.add_argument("--report", help="folder for the report")
    chosen = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        path = chosen.csv or Path(folder, "cookies.csv")
        if chosen.csv is None:
            write_cookies(path, 500 if chosen.quick else 4000)
        table = load_table(path, target=chosen.target)

    def part(x: Any, y: Any) -> tuple[torch.Tensor, ...]:
        return torch.tensor(x), torch.tensor(y)

    def make_model(arm: str) -> nn.Module:
        first = nn.BatchNorm1d(table.n_features) if arm == "input only" else nn.Identity()
        layers: list[nn.Module] = [first]
        width = table.n_features
        for _ in range(2 if chosen.quick else 3):
            norm = nn.BatchNorm1d(32) if arm == "batch" else nn.Identity()
            layers += [nn.Linear(width, 32), norm, nn.ReLU()]
            width = 32
        return nn.Sequential(*layers, nn.Linear(width, table.n_outputs))

    result = compare(
        make_model,
        (part(table.x_train, table.y_train), part(table.x_test, table.y_test)),
        ["none", "batch"] if chosen.quick else ["none", "batch", "input only"],
        metric="accuracy" if table.task == "classification" else "loss",
        budget=100 if chosen.quick else 1000,
        optimizer="adam",
        rates=[0.01] if chosen.quick else None,
        tuning_seeds=1 if chosen.quick else 3,
        name="network for a table",
        data_name=chosen.csv.stem if chosen.csv else "cookies",
    )
    print(result)
    if chosen.report:
        print(f"Report: {result.report(chosen.report)}")
    return result


if __name__ == "__main__":
    main()
