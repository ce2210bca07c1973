"""What each chapter may ask for, within limits, and the experiment that answers it.

A chapter's knobs are one struct; whatever the page sends is checked against it, filled up with
defaults and written in one canonical form, so that the same question is one run, however it was
asked. A new chapter is a struct, a function and a line in `CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec

from evenbatch.claims.claim import QUICK
from evenbatch.engine import Session, SettingError, Trial
from evenbatch.lesson.layers import Layers
from evenbatch.lesson.trials import Study
from evenbatch.protocol.experiment import from_seed

Data = Literal["digits", "cookies", "mnist1d"]
Norm = Literal["none", "batch", "layer", "rms", "group"]
Placement = Literal["before", "after", "input"]
Init = Literal["torch", "he", "xavier"]
Optimizer = Literal["sgd", "momentum", "adam", "adamw"]
Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "gelu"]
Look = Callable[[Session, Sequence[Trial]], Layers | None]
"""A look inside networks while they train: what it shows, or None for nothing new."""

Seeds = Annotated[int, msgspec.Meta(ge=1, le=10)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=100)]
Width = Annotated[int, msgspec.Meta(ge=4, le=128)]
Batch = Annotated[int, msgspec.Meta(ge=2, le=256)]
Steps = Annotated[int, msgspec.Meta(ge=10, le=3000)]
Rate = Annotated[float, msgspec.Meta(ge=1e-6, le=1e3)]
Amount = Annotated[float, msgspec.Meta(ge=0.05, le=20)]
Column = Annotated[str, msgspec.Meta(max_length=40)]

MOST_WORK = 2e12
"""Multiply-adds of the longest run a page may ask for: about a minute on two cores."""


class BadSettings(ValueError):
    """Settings that are out of bounds; the text is for the page."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Common to all chapters: how many seeds are measured, and the first of them."""

    seeds: Seeds = 5
    seed: Seed = 0


class FactorySettings(Settings, frozen=True):
    """Chapter 1: factors of the ingredients' amounts."""

    amounts: Annotated[dict[Column, Amount], msgspec.Meta(max_length=12)] = {}
    rate: Rate = 0.1

    def __post_init__(self) -> None:
        changed = {name: factor for name, factor in self.amounts.items() if factor != 1}
        msgspec.structs.force_setattr(self, "amounts", changed)


class RaceSettings(Settings, frozen=True):
    """Chapter 3."""

    data: Data = "digits"
    norm: Literal["batch", "layer", "rms", "group"] = "batch"
    depth: Annotated[int, msgspec.Meta(ge=1, le=12)] = 3
    init: Init = "torch"
    optimizer: Optimizer = "sgd"


class RatesSettings(Settings, frozen=True):
    """Chapter 4."""

    data: Data = "digits"


class ClaimSettings(Settings, frozen=True):
    """A claim of `evenbatch prove`, for the chapters that show one: 5 to 8."""

    claim: Annotated[str, msgspec.Meta(max_length=40)]
    data: Literal["digits", "cookies", "mnist1d", "stories"] = "digits"


class Arm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An arm of the workbench: every knob of a trial."""

    norm: Norm = "none"
    placement: Placement = "before"
    depth: Depth = 3
    width: Width = 64
    activation: Activation = "relu"
    init: Init = "torch"
    residual: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    dropout: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.0
    eps: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1e-5
    momentum: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    optimizer: Optimizer = "sgd"
    learning_rate: Rate = 0.1
    batch_size: Batch = 32
    weight_decay: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class BenchSettings(Settings, frozen=True):
    """The workbench."""

    data: Data = "digits"
    arms: Annotated[tuple[Arm, ...], msgspec.Meta(min_length=1, max_length=6)] = (
        Arm(),
        Arm(norm="batch"),
    )
    steps: Steps = 500


def _factory(asked: FactorySettings) -> Study:
    from evenbatch.data import load
    from evenbatch.lesson.factory import factory, with_amounts

    data = load("cookies")
    unknown = set(asked.amounts) - set(data.features)
    if unknown:
        raise BadSettings(f"there is no ingredient {sorted(unknown)[0]!r}")
    return factory(with_amounts(data, asked.amounts), asked.rate, asked.seeds)


def _race(asked: RaceSettings) -> Study:
    from evenbatch.claims import race_study
    from evenbatch.data import load

    return race_study(
        load(asked.data),
        asked.norm,
        depth=asked.depth,
        seeds=asked.seeds,
        tuning=3,
        init=asked.init,
        optimizer=asked.optimizer,
    )


def _rates(asked: RatesSettings) -> Study:
    from evenbatch.claims import learning_rate
    from evenbatch.data import load

    return learning_rate.CLAIM.on(load(asked.data), replace(QUICK, seeds=asked.seeds))


def _claim(asked: ClaimSettings) -> Study:
    from evenbatch.claims import CLAIMS
    from evenbatch.data import load

    if asked.claim not in CLAIMS:
        raise BadSettings(f"there is no claim {asked.claim!r}")
    return CLAIMS[asked.claim].on(load(asked.data), replace(QUICK, seeds=asked.seeds))


def _bench(asked: BenchSettings) -> Study:
    from evenbatch.data import load
    from evenbatch.lesson.bench import bench

    arms = [msgspec.structs.asdict(arm) for arm in asked.arms]
    return bench(load(asked.data), arms, asked.steps, asked.seeds)


@dataclass(frozen=True)
class Chapter:
    """
    Attributes:
        settings: the schema of its knobs.
        make: from checked settings to the experiment.
        watch: from the experiment to a look inside the layers while they train; None for none.
    """

    settings: type[Settings]
    make: Callable[[Any], Study]
    watch: Callable[[Any], Look] | None = None


def _watch_factory(study: Any) -> Look:
    from evenbatch.lesson.factory import watched

    return watched(study)


CHAPTERS: Mapping[str, Chapter] = {
    "factory": Chapter(FactorySettings, _factory, _watch_factory),
    "race": Chapter(RaceSettings, _race),
    "rates": Chapter(RatesSettings, _rates),
    "claim": Chapter(ClaimSettings, _claim),
    "bench": Chapter(BenchSettings, _bench),
}


def normal(chapter: str, settings: bytes) -> bytes:
    """Settings checked, filled up with defaults, in one canonical form.

    Raises:
        BadSettings: an unknown chapter, or settings out of bounds; the message says which.

    >>> normal("rates", b'{"seeds": 5}') == normal("rates", b"{}")
    True
    >>> normal("rates", b'{"seeds": 5000}')
    Traceback (most recent call last):
    evenbatch.lesson.chapters.BadSettings: Expected `int` <= 10 - at `$.seeds`
    """
    if chapter not in CHAPTERS:
        raise BadSettings(f"there is no chapter {chapter[:40]!r}")
    try:
        asked = msgspec.json.decode(settings, type=CHAPTERS[chapter].settings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadSettings(str(error)) from None
    check_work(asked)
    return msgspec.json.encode(asked, order="sorted")


def check_work(asked: Settings) -> None:
    """Raise `BadSettings` if the workbench is asked for more than a minute or so of training."""
    if not isinstance(asked, BenchSettings):
        return
    work = 0.0
    for arm in asked.arms:
        weights = 64 * arm.width + (arm.depth - 1) * arm.width**2 + 10 * arm.width
        work += 6.0 * weights * arm.batch_size * asked.steps * asked.seeds
    if work > MOST_WORK:
        raise BadSettings(
            f"that is about {work / MOST_WORK:.1f} times what a page may ask for; take fewer "
            "steps, seeds or layers, or a narrower network"
        )


def study(chapter: str, settings: bytes) -> Study:
    """The experiment of checked settings.

    Raises:
        BadSettings: the settings fit the schema but not each other or the data.
    """
    found = CHAPTERS[chapter]
    asked = msgspec.json.decode(settings, type=found.settings)
    try:
        made = found.make(asked)
    except SettingError as error:
        raise BadSettings(str(error)) from None
    return replace(made, experiment=from_seed(made.experiment, asked.seed))


def watched(chapter: str, made: Study) -> Look | None:
    """The chapter's look inside the layers, if it has one."""
    watch = CHAPTERS[chapter].watch
    return None if watch is None else watch(made)
