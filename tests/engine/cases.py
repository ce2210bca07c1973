"""Which trials are held against PyTorch: every pair of settings occurs, without the full product.

All combinations of activation, normalizer and placement are taken; the other settings are dealt to
them greedily so that each pair of values of any two settings occurs in some trial
(`test_engine_trajectories.py` asserts that none is missing).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, product
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial
from harness import classification, regression

STEPS = 110
SHAPES = {  # (inputs, hidden, groups)
    "even": (12, (24, 24, 24, 24), 4),
    "prime": (13, (13, 13, 13, 13, 13), 1),
    "mixed": (21, (37, 13, 13, 37, 37), 1),
    "single": (10, (50,), 5),
    "three": (18, (26, 26, 26), 2),
}
RATES = {"sgd": 0.03, "momentum": 0.005, "adam": 0.001, "adamw": 0.001}

CROSSED: dict[str, tuple[Any, ...]] = {
    "activation": ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity"),
    "norm": ("none", "batch", "layer", "rms", "group"),
    "placement": ("before", "after", "input"),
}
DEALT: dict[str, tuple[Any, ...]] = {
    "shape": tuple(SHAPES),
    "optimizer": tuple(RATES),
    "schedule": ("constant", "cosine"),
    "warmup": (0, 20),
    "residual": (0, 1, 2, 3),
    "init": ("torch", "he", "xavier", "gaussian"),
    "task": ("classification", "regression"),
    "dropout": (0.0, 0.2),
    "drift": (0.0, 1.0),
    "weight_decay": (0.0, 0.05),
    "batch_size": (7, 32),
    "statistics": ("running", "population", "batch"),
    "affine": ("both", "gamma", "beta", "none"),
}
FACTORS = CROSSED | DEALT
# Settings of the network that go into it as they are.
KEPT = ("activation", "norm", "placement", "affine", "init", "residual", "dropout", "drift")
Case = dict[str, Any]


def pairs(case: Case) -> set[tuple[str, Any, str, Any]]:
    return {(a, case[a], b, case[b]) for a, b in combinations(FACTORS, 2)}


def meaningless(pair: tuple[str, Any, str, Any]) -> bool:
    """Without a normalizer the placement says nothing; only one is tried."""
    values = {pair[0]: pair[1], pair[2]: pair[3]}
    return values.get("norm") == "none" and values.get("placement", "before") != "before"


def all_pairs() -> set[tuple[str, Any, str, Any]]:
    found = {
        (a, x, b, y)
        for a, b in combinations(FACTORS, 2)
        for x, y in product(FACTORS[a], FACTORS[b])
    }
    return {pair for pair in found if not meaningless(pair)}


@cache
def covering() -> tuple[Case, ...]:
    """The cases. Setting by setting, each gets the value that covers most pairs not seen yet."""
    missing = all_pairs()
    cases: list[Case] = []
    for values in product(*CROSSED.values()):
        case = dict(zip(CROSSED, values, strict=True))
        if case["norm"] == "none" and case["placement"] != "before":
            continue
        for name, choices in DEALT.items():
            turn = len(cases) % len(choices)  # ties are dealt in turn
            gains = {
                choice: sum((a, x, name, choice) in missing for a, x in case.items())
                for choice in (*choices[turn:], *choices[:turn])
            }
            case[name] = max(gains, key=gains.__getitem__)
        missing -= pairs(case)
        cases.append(case)
    return tuple(cases)


def name_of(case: Case) -> str:
    return "-".join(str(case[name]) for name in FACTORS)


def dataset_for(case: Case) -> Dataset:
    inputs, _, _ = SHAPES[case["shape"]]
    return classification(inputs, 5) if case["task"] == "classification" else regression(inputs, 3)


def trial_for(case: Case, seed: int) -> Trial:
    inputs, hidden, groups = SHAPES[case["shape"]]
    network = Network(
        inputs=inputs,
        hidden=hidden,
        outputs=5 if case["task"] == "classification" else 3,
        sigma=0.2,
        groups=groups,
        **{k: case[k] for k in KEPT},
    )
    batch_size = case["batch_size"]
    if network.norm == "batch" and network.placement == "after" and "relu" in network.activation:
        # Where a unit is active for all of a small batch, batch norm right after it cancels its
        # bias: the gradient is rounding alone, and Adam divides that by itself. In a larger batch
        # no unit is.
        batch_size = 32
    optimizer, learning_rate = case["optimizer"], RATES[case["optimizer"]]
    if network.activation == "identity":
        learning_rate /= 20  # nothing bounds a linear network
        if network.norm == "batch" and network.placement != "input":
            # Batch norm cancels every beta and bias before it: rounding alone, as above.
            optimizer = optimizer if optimizer in ("sgd", "momentum") else "momentum"
    return Trial(
        network,
        data=dataset_for(case).name,
        optimizer=optimizer,
        learning_rate=learning_rate,
        batch_size=batch_size,
        steps=STEPS,
        seed=seed,
        evaluate_every=1,
        **{k: case[k] for k in ("schedule", "warmup", "weight_decay", "statistics")},
    )
