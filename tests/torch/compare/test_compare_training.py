"""Arms are paired: the same weights, the same batches, the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from evenbatch.store import Store
from evenbatch.torch import compare, place
from evenbatch.torch.comparing.batches import Loaders, Rows, feed_of
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.measures import accuracy, default_loss, guessing, scale_of
from evenbatch.torch.comparing.models import paired
from evenbatch.torch.comparing.ranks import Ranks
from evenbatch.torch.comparing.training import Training, Workshop


def invented(rows: int = 160) -> Any:
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] + x[:, 1] > 0).long()
    return (x[:96], y[:96]), (x[96:], y[96:])


def network(arm: str) -> nn.Module:
    norm = nn.BatchNorm1d(8) if arm == "batch" else nn.Identity()
    return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))


QUICK: dict[str, Any] = {
    "metric": "accuracy", "budget": 30, "rates": [0.03], "tuning_seeds": 1, "progress": False,
}  # fmt: skip


def workshop(make: Any = network, arms: Any = ("none", "batch"), data: Any = None) -> Workshop:
    feed = feed_of(data or invented(), 16, 0, 1)
    scale = scale_of("loss", None, None)
    return Workshop(make, arms, feed, scale.measure, scale, "adam", Ranks(torch.device("cpu")))


def training(arm: str, every: int = 10) -> Training:
    return Training("net", "", arm, "data", "adam", 0.03, 16, 20, 3, every, "loss")


def test_loss_and_accuracy_are_of_one_run_of_the_model() -> None:
    made = network("batch")
    ran: list[int] = []
    made.register_forward_hook(lambda *_: ran.append(1))
    own = workshop()
    own = replace(own, loss=default_loss, scale=scale_of("accuracy", None, None))
    batches = list(own.feed.testing(0))
    found = own.evaluate(made, 0, "batch")
    assert len(ran) == len(batches)
    made.eval()
    with torch.no_grad():
        each = [(len(b[1]), default_loss(made, b), accuracy(made, b)) for b in batches]
    rows = sum(size for size, _, _ in each)
    means = [sum(size * float(part[k]) for size, *part in each) / rows for k in (0, 1)]
    assert found == pytest.approx(tuple(means))


# Weights.


def test_arms_start_from_the_same_weights_whatever_they_draw() -> None:
    def make(arm: str) -> nn.Module:
        if arm == "batch":
            torch.randn(7)  # another draw, so that the same seed alone gives other weights
        return network(arm)

    first, _ = paired(make, ["none", "batch"], "none", 5)
    other, shared = paired(make, ["none", "batch"], "batch", 5)
    assert shared == 1
    for place_ in (0, 4):
        assert torch.equal(first[place_].weight, other[place_].weight)
        assert torch.equal(first[place_].bias, other[place_].bias)
    assert torch.equal(other[1].weight, torch.ones(8))
    again, _ = paired(make, ["none", "batch"], "none", 6)
    assert not torch.equal(first[0].weight, again[0].weight)


def test_weights_that_moved_in_the_tree_are_paired_too() -> None:
    def make(arm: str) -> nn.Module:
        if arm != "none":
            torch.randn(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(),
                              nn.Linear(8, 2))  # fmt: skip
        if arm != "none":
            place(model, arm, batch=torch.randn(8, 4))
        return model

    first, _ = paired(make, ["none", "batch"], "none", 0)
    other, shared = paired(make, ["none", "batch"], "batch", 0)
    assert shared == 1
    assert torch.equal(first[2].weight, other[2][0].weight)
    assert torch.equal(first[4].weight, other[4].weight)


def test_a_norm_does_not_start_from_another_layers_weights() -> None:
    def make(arm: str) -> nn.Module:
        second = nn.BatchNorm1d(8) if arm == "batch" else nn.Linear(8, 8)
        return nn.Sequential(nn.Linear(4, 8), second, nn.Linear(8, 2))

    other, shared = paired(make, ["none", "batch"], "batch", 0)
    assert torch.equal(other[1].bias, torch.zeros(8))
    assert shared == 1
    _, reverse = paired(make, ["batch", "none"], "none", 0)
    assert 0 < reverse < 1


# Batches.


def first_batches(feed: Any, seed: int, number: int = 9) -> list[Any]:
    batches = feed.training(seed)
    return [next(batches) for _ in range(number)]


def test_the_same_seed_gives_the_same_batches() -> None:
    feed = feed_of(invented(), 16, 0, 1)
    one, two, other = (first_batches(feed, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0][0], other[0][0])
    assert not torch.equal(one[0][0], one[6][0]), "the next pass has an order of its own"
    rows = torch.cat([x for x, _ in one[:6]])
    assert len(rows.unique(dim=0)) == 96, "a pass sees each row once"


def test_processes_share_a_batch_between_them() -> None:
    whole = first_batches(feed_of(invented(), 16, 0, 1), 0, 1)[0][0]
    parts = [first_batches(feed_of(invented(), 16, rank, 2), 0, 1)[0][0] for rank in (0, 1)]
    assert torch.equal(torch.stack(parts, 1).reshape(16, 4), whole)


class Augmented(Dataset):
    """Rows with noise that is drawn when they are read."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, row: int) -> Any:
        noise = torch.randn(4) + float(np.random.normal())  # noqa: NPY002
        return row + noise, row % 2


def test_augmentation_is_the_same_for_every_arm_and_leaves_random_numbers_alone() -> None:
    feed = Rows(Augmented(), Augmented(), 16, 0, 1)
    before = torch.random.get_rng_state()
    one = first_batches(feed, 0)
    torch.randn(5)
    two = first_batches(feed, 0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    torch.random.set_rng_state(before)
    first_batches(feed, 0, 1)
    assert torch.equal(torch.random.get_rng_state(), before)


def loaders(seed: int) -> Any:
    (x, y), (u, v) = invented()
    order = torch.Generator().manual_seed(seed)
    return (
        DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True, generator=order),
        DataLoader(TensorDataset(u, v), batch_size=64),
    )


def test_loaders_of_ones_own_must_follow_the_seed() -> None:
    feed = Loaders(loaders)
    one, two = first_batches(feed, 0), first_batches(feed, 0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))

    def forgetful(seed: int) -> Any:
        return loaders(int(torch.randint(1 << 30, ())))

    feed = Loaders(forgetful)
    first_batches(feed, 0, 1)
    with pytest.raises(CompareError, match=r"data\(0\) gave another first batch than before"):
        first_batches(feed, 0, 1)


def test_loaders_that_run_dry_are_named() -> None:
    once = iter([(torch.zeros(2, 4), torch.zeros(2))])
    feed = Loaders(lambda seed: (once, [0]))
    with pytest.raises(CompareError, match="gave no batch on pass 2; a loader must be iterable"):
        first_batches(feed, 0)


# Trainings.


def test_a_training_is_the_same_again_however_often_it_is_tested() -> None:
    shop = workshop()
    before = torch.random.get_rng_state()
    one, two, often = (shop.train(training("batch", every)) for every in (10, 10, 2))
    assert np.array_equal(one.metric, two.metric)
    assert one.metric[-1] == often.metric[-1]
    assert one.metric[-1] > one.metric[0]
    assert one.step.tolist() == [0, 10, 20]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_arms_that_are_the_same_train_the_same() -> None:
    shop = workshop(lambda arm: network("batch"), ("a", "b"))
    curves = [shop.train(training(arm)) for arm in ("a", "b")]
    assert np.array_equal(curves[0].metric, curves[1].metric)
    assert np.array_equal(curves[0].train_loss[1:], curves[1].train_loss[1:])


def test_a_training_that_diverges_ends_there() -> None:
    class Blows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = nn.Linear(4, 2), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            return self.inner(x) / (self.calls != 5)

    curve = workshop(lambda arm: Blows()).train(training("none"))
    assert curve.diverged
    assert curve.ended_at == 5
    assert curve.step.tolist() == [0, 5]


def test_what_guessing_reaches() -> None:
    y = torch.tensor([0, 0, 0, 1, -100])
    assert guessing("accuracy", default_loss, [(y, y)]) == (0.75, 4)
    targets = torch.tensor([[1.0], [3.0]])
    assert guessing("loss", default_loss, [(y, targets)]) == (1.0, 2)
    assert guessing("loss", lambda model, batch: 0, [(y, y)]) is None


# All of it.


def test_a_comparison_of_three_arms_from_loaders(tmp_path: Path) -> None:
    def distance(model: Any, batch: Any) -> float:
        return float((model(batch[0]).argmax(1) != batch[1]).float().mean())

    arms = ["none", "batch", "same"]
    asked = {**QUICK, "metric": distance, "better": "lower", "rates": {a: [0.03] for a in arms}}
    result = compare(network, loaders, arms, **asked)
    assert set(result.verdicts) == {"batch", "same"}
    assert set(result.step_seconds) == set(arms)
    steps = result.verdicts["same"].effects[0]
    assert steps.value == pytest.approx(1) or np.isnan(steps.value)
    with pytest.raises(CompareError, match=r"there are 2 verdicts.*verdicts\['batch'\]"):
        _ = result.verdict
    page = result.report(tmp_path / "report").read_text("utf-8")
    assert "batch trains faster than none" in page
    assert "lower" in page
    assert (tmp_path / "report" / "report.json").exists()


def test_the_store_answers_what_it_knows(tmp_path: Path) -> None:
    made = []

    def make(arm: str) -> nn.Module:
        made.append(arm)
        return network(arm)

    with Store(tmp_path / "my.store") as store:
        asked = {**QUICK, "store": store, "name": "net"}
        one = compare(make, invented(), ["none", "batch"], version="1", **asked)
        count, trained = len(made), len(store)
        two = compare(make, invented(), ["none", "batch"], version="1", **asked)
        assert trained == len(one.curves)
        assert len(store) == trained
        assert len(made) - count < count / 2, "only the check and the timing make models"
        assert [c.trial.key for c in one.curves] == [c.trial.key for c in two.curves]
        by_key = {c.trial.key: c for c in one.curves}
        assert all(np.array_equal(c.metric, by_key[c.trial.key].metric) for c in two.curves)
        assert store.export(tmp_path / "all.csv") == trained
        compare(make, invented(), ["none", "batch"], version="2", **asked)
        assert len(store) == 2 * trained


def test_a_budget_in_seconds_becomes_steps() -> None:
    from datetime import timedelta

    asked = {**QUICK, "budget": timedelta(milliseconds=1)}
    with pytest.raises(CompareError, match=r"too short for about \d+ runs of at least 100"):
        compare(network, invented(), ["none", "batch"], **asked)
