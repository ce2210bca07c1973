"""What there is to say about runs, as types, and the orders that go the other way.

The training process sends events to the hub, and the hub to every page that watches the run: the
page's types are made from the ones here (`web/build.py --types`). Only `Points` never becomes JSON;
`wire` packs it into binary frames.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from evenbatch.lesson.layers import Layers
from evenbatch.lesson.messages import Number
from evenbatch.lesson.trials import TrialShown
from evenbatch.lesson.trust import Checked
from evenbatch.protocol.verdict import Phase, Statement, Verdict


class Event(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower, kw_only=True):
    """What all events have: a type, which is the class's name in small letters."""


class State(Event, frozen=True, kw_only=True):
    """How the training process is."""

    state: Literal["starting", "compiling", "restarting", "ready"]


# ---- to the page that asked ----------------------------------------------------------------------


class Joined(Event, frozen=True, kw_only=True):
    """The page watches this run from now on; all there is of it follows. `settings` are those asked
    for, filled up with defaults."""

    ask: Number
    run: Number
    settings: dict[str, Any]


class Refused(Event, frozen=True, kw_only=True):
    """A message was not acted on, and why; `ask` is None where it could not be read."""

    ask: int | None
    text: str


class Trusted(Event, frozen=True, kw_only=True):
    """What the check of the gradients found, or why it failed."""

    ask: Number
    checked: Checked | None = None
    failed: str = ""


# ---- to all who watch a run ----------------------------------------------------------------------


class OfRun(Event, frozen=True, kw_only=True):
    """What all events of a run have: its number."""

    run: Number


class Trials(OfRun, frozen=True, kw_only=True):
    """What the run's trials are, from place `first` on."""

    first: Number
    trials: tuple[TrialShown, ...]


class Points(OfRun, frozen=True, kw_only=True, eq=False):
    """New points of a trial's curve (`wire.Points`), from place `first` on."""

    trial: Number
    first: Number
    points: Any


class Ended(OfRun, frozen=True, kw_only=True):
    """A trial has ended, at step `at`."""

    trial: Number
    how: Literal["finished", "diverged"]
    at: Number


class Looked(OfRun, frozen=True, kw_only=True):
    """A look inside the networks while they train."""

    layers: Layers


class Progress(OfRun, frozen=True, kw_only=True):
    """What is under way, and how many of its trials have ended."""

    phase: Phase
    done: Number
    total: Number


class Again(OfRun, frozen=True, kw_only=True):
    """The training process was lost: trials and points come anew."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment found: `claim` is its id."""

    claim: str
    statement: Statement
    verdict: Verdict


class Concluded(OfRun, frozen=True, kw_only=True):
    """The run has ended with a verdict."""

    result: Result


class Failed(OfRun, frozen=True, kw_only=True):
    """The run ended in an error."""

    text: str


class Stopped(OfRun, frozen=True, kw_only=True):
    """The run was stopped."""


ToPage = (
    State
    | Joined
    | Refused
    | Trusted
    | Trials
    | Ended
    | Looked
    | Progress
    | Again
    | Concluded
    | Failed
    | Stopped
)
"""What a page is sent as JSON."""


# ---- orders to the training process --------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    """Carry out a chapter's experiment with checked settings."""

    run: int
    chapter: str
    settings: bytes


class Halt(msgspec.Struct, frozen=True):
    """End a run early."""

    run: int


class Check(msgspec.Struct, frozen=True):
    """Check the gradients."""

    ask: int


class Quit(msgspec.Struct, frozen=True):
    """End the process."""


Order = Begin | Halt | Check | Quit
