"""What a training is: a frozen description whose key names its result for good."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any

from evenbatch.engine.conv import as_dicts
from evenbatch.engine.network import CONVOLUTIONAL, Network
from evenbatch.engine.settings import SettingError, choose, number, plain, whole

ENGINE_VERSION = 3
"""Raised whenever the same trial would give another curve."""

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
SCHEDULES = ("constant", "cosine")
STATISTICS = ("running", "population", "batch")
DTYPES = ("float32", "float64")
MAX_STEPS = 10_000_000


def _settings(of: Any) -> dict[str, Any]:
    return {f.name: getattr(of, f.name) for f in fields(of)}


@dataclass(frozen=True)
class Trial:
    """One training: network, data, optimizer, learning rate, batch size, steps and seed.

    Two trials that differ only in the network's normalizer, placement or activation are *paired*:
    the same initial weights and the same minibatches in the same order, both drawn from `seed`.

    Args:
        network: the network; its inputs and outputs must fit the data.
        data: name of the data set (`evenbatch.data.load`), or a key of the mapping given to
            `train`.
        optimizer: "sgd", "momentum", "adam" or "adamw".
        learning_rate: at its peak, if there is a schedule.
        batch_size: examples in a minibatch. Each epoch is a fresh shuffle; what is left over when
            the batch size does not divide the training set is dropped.
        steps: minibatches trained on.
        seed: of initial weights, minibatches and dropout.
        schedule: "constant", or "cosine" down to 0 at the last step (Loshchilov & Hutter 2017).
        warmup: steps over which the learning rate rises linearly to its peak.
        momentum: mu of optimizer "momentum".
        weight_decay: of weights; never of gamma, beta or bias.
        evaluate_every: steps between evaluations; 0 for one at the end. Step 0 and the last step
            are always evaluated, so a curve has at least two points.
        evaluate_train: evaluate on the training set too (in evaluation mode).
        statistics: what batch normalization uses in evaluation: "running" statistics;
            "population": exact ones of the whole training set under the current weights; or
            "batch": those of each evaluation batch itself, as a network left in training mode does
            (dropout stays off, and running statistics are not touched). Other normalizers have no
            statistics of a batch, and for them it changes nothing.
        evaluation_batch: rows of an evaluation batch, for statistics "batch" alone: 0 for the
            trial's `batch_size`. The test set is cut into batches in its own order. What is left
            over is a smaller batch of its own; in a batch of one the variance is 0, so every
            normalized value is beta.
        probe_every: steps between probes of the layers; 0 for none.
        landscape_every: steps between surveys of the loss along the gradient (`Curve.landscape`); 0
            for none. Each costs about as much as ten steps.
        dtype: precision of weights, activations and data: "float32", or "float64" (for checking;
            slower).

    Raises:
        SettingError: a field has a value that cannot be trained; the message names it.

    >>> net = Network(inputs=64, hidden=(32,), outputs=10, norm="batch")
    >>> Trial(net, data="digits", learning_rate=0.1, steps=100).key[:4].isalnum()
    True
    >>> Trial(net, data="digits", learning_rate=-1.0)
    Traceback (most recent call last):
    ...
    evenbatch.engine.settings.SettingError: learning_rate is -1.0; it must be a number from 0, ...
    """

    network: Network
    data: str = "digits"
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch_size: int = 32
    steps: int = 1000
    seed: int = 0
    schedule: str = "constant"
    warmup: int = 0
    momentum: float = 0.9
    weight_decay: float = 0.0
    evaluate_every: int = 0
    evaluate_train: bool = False
    statistics: str = "running"
    evaluation_batch: int = 0
    probe_every: int = 0
    landscape_every: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.network, Network):
            raise SettingError(f"network is {self.network!r}; it must be a Network")
        if not isinstance(self.data, str):
            raise SettingError(
                f"data is a {type(self.data).__name__}; a trial names its data set: pass the "
                "name here and the data set itself to train(..., data={name: dataset})"
            )
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("schedule", self.schedule, SCHEDULES)
        choose("statistics", self.statistics, STATISTICS)
        choose("dtype", self.dtype, DTYPES)
        if not isinstance(self.evaluate_train, bool):
            raise SettingError(
                f"evaluate_train is {self.evaluate_train!r}; it must be True or False"
            )
        plain(
            self,
            learning_rate=number("learning_rate", self.learning_rate, 0.0, 1e6),
            momentum=number("momentum", self.momentum, 0.0, 1.0),
            weight_decay=number("weight_decay", self.weight_decay, 0.0, 1e3),
            batch_size=whole("batch_size", self.batch_size, 1, 1 << 20),
            steps=whole("steps", self.steps, 1, MAX_STEPS),
            seed=whole("seed", self.seed, 0, (1 << 63) - 1),
            warmup=whole("warmup", self.warmup, 0, MAX_STEPS),
            evaluate_every=whole("evaluate_every", self.evaluate_every, 0, MAX_STEPS),
            evaluation_batch=whole("evaluation_batch", self.evaluation_batch, 0, 1 << 20),
            probe_every=whole("probe_every", self.probe_every, 0, MAX_STEPS),
            landscape_every=whole("landscape_every", self.landscape_every, 0, MAX_STEPS),
        )
        if self.batch_size == 1 and self.network.norm == "batch":
            raise SettingError(
                "batch_size is 1 with norm='batch': the variance of one example is 0, so every "
                "activation would become beta; use a batch of at least 2, or norm='layer'"
            )

        if self.evaluation_batch and self.statistics != "batch":
            raise SettingError(
                f"evaluation_batch is {self.evaluation_batch} with "
                f"statistics={self.statistics!r}: a row is then evaluated the same in any batch; "
                "use statistics='batch', or leave evaluation_batch at 0"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the settings. A key kept would name another version's curve."""
        return _settings(self)

    def as_dict(self) -> dict[str, Any]:
        """All settings as plain values; `Trial.from_dict` is the way back."""
        # What `asdict` gives, at a tenth of its cost: no setting needs a deep copy.
        network = _settings(self.network)
        if network["conv"]:
            network["conv"] = as_dicts(self.network.conv)
        else:  # left out, so that the key of a network without convolutions stays what it was
            network = {name: network[name] for name in network if name not in CONVOLUTIONAL}
        return _settings(self) | {"network": network}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Trial:
        """The trial described by `as_dict`; unknown and missing settings are an error."""
        settings = dict(settings)
        network = settings.get("network")
        if not isinstance(network, dict):
            raise SettingError(
                f"network is {network!r}; it must be a mapping of a network's settings"
            )
        for kind, given in ((Network, network), (cls, settings)):
            known = {f.name: f.default for f in fields(kind)}
            for name in given:
                choose(f"a setting of {kind.__name__}", name, tuple(known))
            for name, default in known.items():
                if default is MISSING and name not in given:
                    raise SettingError(f"{name} is missing; a {kind.__name__} cannot do without it")
        return cls(**(settings | {"network": Network(**network)}))

    @cached_property  # 30 µs, and a trial is looked up by it again and again
    def key(self) -> str:
        """Hash of every setting and of the engine's version, which names this trial's curve."""
        text = json.dumps([ENGINE_VERSION, self.as_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def evaluation_steps(self) -> list[int]:
        """Steps after which the network is evaluated: 0, every `evaluate_every`, and the last."""
        inner = (
            range(self.evaluate_every, self.steps, self.evaluate_every)
            if self.evaluate_every
            else ()
        )
        return [0, *inner, self.steps]

    def probe_steps(self) -> list[int]:
        """Steps (counted from 0) on whose minibatch the layers are probed."""
        return list(range(0, self.steps, self.probe_every)) if self.probe_every else []

    def survey_steps(self) -> list[int]:
        """Steps (counted from 0) around which the loss is surveyed."""
        return list(range(0, self.steps, self.landscape_every)) if self.landscape_every else []
