"""What is said in a class, checked by size and by schema before anything acts on it.

Ids and numbers only: no message has room for a name. The teacher's page says who it is by a secret
that only the teacher's machine shows.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from evenbatch.lesson.messages import Number

LARGEST = 4096
"""Bytes of the longest message taken."""
PAIRS = 500
"""Most of a class. The search for learning rates has seeds from 1,000,000 on."""
APART = 1000
"""Seeds of one pair: pair 7 has those from 7,000 to 7,999."""

Token = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
"""What a device is known by: random, made by itself, kept over a reload."""
Code = Annotated[str, msgspec.Meta(max_length=12)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9./-]{0,59}$")]
Value = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Pair = Annotated[int, msgspec.Meta(ge=1, le=PAIRS)]
Door = Literal["open", "shared", "closed"]
"""Who may join: `PER_ADDRESS` devices of each address, any number of them, or nobody new."""


class Said(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag=str.lower
):
    """What all messages have: a type, which is the class's name in small letters."""


class Join(Said, frozen=True, kw_only=True):
    """A device joins, or comes back."""

    token: Token
    code: Code = ""


class Teach(Said, frozen=True, kw_only=True):
    """The teacher's page joins."""

    secret: Annotated[str, msgspec.Meta(max_length=80)]


class Vote(Said, frozen=True, kw_only=True):
    """What a pair expects of an experiment; the first one counts."""

    ask: Number
    experiment: Id
    option: Id


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An effect of a verdict, by its id."""

    id: Id
    value: Value
    bound: Literal["", "at least", "at most"] = ""


class Found(Said, frozen=True, kw_only=True):
    """What an experiment found on a pair's device; the same seeds count once."""

    ask: Number
    experiment: Id
    settings: dict[str, Any]
    effects: Annotated[tuple[Estimate, ...], msgspec.Meta(min_length=1, max_length=30)]


class Steer(Said, frozen=True, kw_only=True):
    """The teacher leads: what is not named stays as it is.

    Attributes:
        chapter: all devices turn to it, once.
        paused: all devices show nothing but that.
        look: the experiment on the wall; it is covered again.
        effect: the one of its effects that is drawn.
        settings: those on the wall, of which results are pooled; "" for the most common.
        shown: votes and results are uncovered.
        door: who may join.
    """

    chapter: Id | msgspec.UnsetType = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET
    look: Id | msgspec.UnsetType = msgspec.UNSET
    effect: Id | msgspec.UnsetType = msgspec.UNSET
    settings: Annotated[str, msgspec.Meta(max_length=500)] | msgspec.UnsetType = msgspec.UNSET
    shown: bool | msgspec.UnsetType = msgspec.UNSET
    door: Door | msgspec.UnsetType = msgspec.UNSET


class Remove(Said, frozen=True, kw_only=True):
    """A pair is left out of all that is counted, or taken in again."""

    pair: Pair
    out: bool = True


class Export(Said, frozen=True):
    """The teacher's page wants all there is, as a table."""


ToRoom = Join | Teach | Vote | Found | Steer | Remove | Export


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the class is: `moved` counts how often it was led on."""

    chapter: str = ""
    moved: int = 0
    paused: bool = False


class Joined(Said, frozen=True, kw_only=True):
    """A device is in; `pair` says which seeds are its own."""

    pair: Pair
    lead: Lead


class Led(Said, frozen=True, kw_only=True):
    """The teacher leads on."""

    lead: Lead


class Kept(Said, frozen=True, kw_only=True):
    """What was said with this number is on disk."""

    ask: Number


class Refused(Said, frozen=True, kw_only=True):
    """What was said was not taken, and why; `ask` is None where it has no number.

    Attributes:
        why: what the page can put in words.
        text: the reason in full.
    """

    ask: int | None
    why: Literal["code", "door", "full", "slow", "message"]
    text: str


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """What a pair found: the mean over its runs, and whether that is no more than a bound."""

    pair: Pair
    runs: int
    value: float
    bound: str


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """What all pairs found together. An end that is infinite is null."""

    value: float
    low: float
    high: float
    unit: str
    bound: str
    pairs: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that pairs have used, and how many did; `usual` are those of the chapter's start."""

    settings: str
    pairs: int
    usual: bool


class Wall(Said, frozen=True, kw_only=True):
    """All that the wall shows.

    Attributes:
        address, code, qr: how to join; `qr` is a picture of the address with the code, as SVG.
        door, pairs, here, refused: who may join, who has, how many are connected, how many were
            turned away at the door.
        lead, look, effect, shown: what the teacher has chosen.
        votes: of the experiment that is looked at: how many expect what.
        groups, settings: what was set, and which of it is pooled.
        dots, pooled: the effect as each pair found it, and all together.
        answer: to the claim, by its own rule; "" while there is nothing to judge.
        out: pairs that are left out.
        done: pairs that have a result, by experiment.
    """

    address: str
    code: str
    qr: str
    door: Door
    pairs: int
    here: int
    refused: int
    lead: Lead
    look: str
    effect: str
    shown: bool
    votes: dict[str, int]
    groups: tuple[Group, ...]
    settings: str
    dots: tuple[Dot, ...]
    pooled: Pooled | None
    answer: str
    out: tuple[int, ...]
    done: dict[str, int]


class Table(Said, frozen=True, kw_only=True):
    """All there is, as CSV."""

    text: str


FromRoom = Joined | Led | Kept | Refused | Wall | Table
