"""`compare`: checks what it is given, trains what is needed, and has it judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from evenbatch.protocol.race import Race
from evenbatch.protocol.verdict import MIN_SEEDS
from evenbatch.store import Store
from evenbatch.torch.comparing.asking import (
    EVALUATIONS,
    Count,
    arms_of,
    check_given,
    check_store,
    in_words,
    rates_of,
    said,
    setting_of,
    steps_of,
)
from evenbatch.torch.comparing.batches import feed_of
from evenbatch.torch.comparing.contest import Contest, carried_out
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.judging import LEAST, Judge, Models
from evenbatch.torch.comparing.measures import Measure, default_loss, guessing, scale_of
from evenbatch.torch.comparing.models import Make
from evenbatch.torch.comparing.ranks import joined
from evenbatch.torch.comparing.result import Comparison
from evenbatch.torch.comparing.training import Training, Workshop, check

GROWTHS = 4
"""How often learning rates are added on a side: two decades."""


def compare(
    make_model: Make,
    data: Any,
    arms: Sequence[str],
    *,
    metric: Any,
    budget: int | timedelta,
    optimizer: str | Callable[[Any, float], Any] = "adam",
    rates: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    loss: Measure | None = None,
    batch_size: int = 32,
    seeds: int = MIN_SEEDS,
    tuning_seeds: int = 3,
    better: str | None = None,
    chance: float | None = None,
    goal: float | None = None,
    matters: float = LEAST,
    evaluate_every: int | None = None,
    device: str | None = None,
    sync: bool = False,
    name: str = "model",
    version: str = "",
    data_name: str = "data",
    store: Store | None = None,
    progress: bool = True,
) -> Comparison:
    """Train a model with each of several normalizations, and say which reaches a goal sooner.

    Arms start from the same weights and see the same batches in the same order, seed by seed. Each
    arm's learning rate is chosen on selection seeds; measured is on others, best against best and
    at equal rates, in steps and in seconds, with 95 % intervals over seeds. Each arm but the first
    gets a verdict against the first, by the rule of `judging.judge`. See docs/compare.md.

    Args:
        make_model: ``make_model(arm)`` gives a new model with that arm's normalization.
        data: (training, test), each a Dataset or a tuple of tensors (inputs …, target); or a
            function of a seed that gives two loaders.
        arms: names, the plainest first: ``["none", "batch"]``.
        metric: "accuracy", "loss", or a function (model, batch) -> number, averaged over the test
            rows.
        budget: steps of each run; or a `timedelta`, about how long the runs of all arms
            may take together, which is turned into steps beforehand, the same for all.
        optimizer: "sgd", "momentum" (0.9), "adam", "adamw", or a function (parameters, learning
            rate) -> optimizer. The rate is constant.
        rates: learning rates to try, for all arms or by arm. By default half decades, continued
            until each arm's best lies inside.
        loss: a function (model, batch) -> tensor. By default cross entropy for targets that are
            whole numbers, mean squared error for others.
        batch_size: rows of a step over all processes; without effect on loaders of your own.
        seeds, tuning_seeds: measurement seeds, at least 5, and selection seeds.
        better: "higher" (default) or "lower", for a metric of your own.
        chance: the metric of guessing. By default what the test targets tell, or the untrained
            models' metric.
        goal: the metric to reach. By default nine tenths of the way from chance to the best of
            the weaker arm.
        matters: a ratio below which a gain is not worth having.
        evaluate_every: steps between evaluations; a hundredth of the budget by default.
        device: "cpu", "cuda", "cuda:1"; CUDA where there is any by default.
        sync: batch norm statistics over all processes (torchrun, CUDA).
        name, data_name: for the report and the store.
        version: which state of the model's code this is; for the store.
        store: keeps and answers runs; needs `name` and `version`.
        progress: say on standard error how far it has come.

    Returns: verdicts, curves, and `report`.

    Raises:
        CompareError: something given cannot be used, or a model fails; the message names the arm.

    >>> import torch
    >>> from torch import nn
    >>> def make_model(arm):
    ...     norm = nn.BatchNorm1d(8) if arm == "batch" else nn.Identity()
    ...     return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 2))
    >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 0] > 0).long()
    >>> result = compare(make_model, ((x[:192], y[:192]), (x[192:], y[192:])), ["none", "batch"],
    ...                  metric="accuracy", budget=20, rates=[0.01], tuning_seeds=1, progress=False)
    >>> result.verdict.answer in ("holds", "holds in part", "does not hold", "cannot tell")
    True
    """
    began = time.monotonic()
    ranks = joined(device)
    with ranks.agreed():
        names = arms_of(arms)
        check_given(make_model, budget, seeds, tuning_seeds, batch_size, matters, evaluate_every)
        check_store(store, name, version)
        scale = scale_of(metric, better, chance)
        tried = rates_of(rates, names, optimizer)
        lowest = min(rate for own in tried.values() for rate in own)
        if store is not None and ranks.world > 1:
            raise CompareError("store cannot be used with several processes; leave it out")
        feed, used = feed_of(data, batch_size, ranks.rank, ranks.world), loss or default_loss
        scale = replace(scale, data=guessing(scale.name, used, feed.testing(0)))
    shop = Workshop(make_model, names, feed, used, scale, optimizer, ranks, sync)
    shares = check(shop, lowest)
    trainings = Count(len(names), max(map(len, tried.values())), seeds, tuning_seeds)
    steps = steps_of(budget, shop, lowest, trainings)
    functions = (make_model, loss, metric, optimizer)
    template = Training(
        name, version, names[0], data_name, said(optimizer), lowest, batch_size, steps, 0,
        evaluate_every or max(1, steps // EVALUATIONS), scale.name,
        setting_of(ranks, sync, *functions) if store is not None else (),
    )  # fmt: skip
    signed = None if goal is None else scale.sign * goal
    judges = {}
    for other in names[1:]:
        field = Models((names[0], other), template, scale)
        growths = GROWTHS if rates is None else 0
        race = Race(field, tried, growths, False, seeds, tuning_seeds, goal=signed)
        words = in_words(template, feed, ranks)
        judges[other] = Judge(race, data_name, words, shares[other], matters)
    contest = Contest(judges, template, feed)
    return carried_out(contest, shop, store, progress, trainings.all, began)
