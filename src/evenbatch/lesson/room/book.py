"""The class, as one file that is only ever added to: a line is written before it counts.

A server that was killed reads the file and stands where it stood. What was said twice, because its
answer was lost on the way, is one line: a vote has a pair and an experiment, a result its seeds.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from evenbatch.lesson import chapters
from evenbatch.lesson.recorded import EXPERIMENTS
from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room.judge import judge_of
from evenbatch.lesson.room.pair import Pair, key_of

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of a code: none that is taken for another or for a digit, and no words."""
CODE = 5
RUNS = 100
"""Most results that are kept of one pair."""


class NotTaken(ValueError):
    """What was said cannot be taken; the text is for the page."""


class NotWritten(Exception):
    """The file cannot be used at the moment; what was said is to be said again."""


class BookError(Exception):
    """The file cannot be used; the message says what to do."""


class Began(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: the class's own code and secret."""

    evenbatch_class: int
    began: str
    code: str
    secret: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any other line: who said what. The teacher is 0; a device's token is kept as a digest."""

    pair: int
    said: m.Join | m.Vote | m.Found | m.Steer | m.Remove


FORMAT = 1
_first = msgspec.json.Decoder(Began)
_line = msgspec.json.Decoder(Line)


class Book:
    """A class and its file.

    Args:
        path: of the file, which is made if it is missing.

    Raises:
        BookError: the file is none of a class, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pairs: dict[int, Pair] = {}
        self.tokens: dict[str, Pair] = {}
        self.lead = m.Lead()
        self.look, self.effect, self.settings, self.shown = "race", "steps/best", "", False
        self.door: m.Door = "open"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The secret in it is the teacher's: nobody else on the machine needs to read it.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, flags, 0o600)
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise BookError(f"{path} cannot be used: {error.strerror}. {_ELSEWHERE}") from None
        if not _alone(self._file):
            self.close()
            raise BookError(f"another evenbatch serves the class in {path}: end it. {_ELSEWHERE}")
        torn = lines.pop()
        try:
            # A file of something else, even of one line without an end, is left as it is.
            self.began = self._read(lines) if lines or torn else self._begin()
            if torn:  # it was being written when the server was killed; nobody heard it was kept
                os.truncate(self._file, os.fstat(self._file).st_size - len(torn))
        except BookError:
            self.close()
            raise

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _begin(self) -> Began:
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        began = Began(
            evenbatch_class=FORMAT, began=now, code=code, secret=secrets.token_urlsafe(18)
        )
        try:
            self._write(began)
        except NotWritten as error:
            raise BookError(f"{error}. {_ELSEWHERE}") from None
        return began

    def _read(self, lines: list[bytes]) -> Began:
        read = 1
        try:
            if not lines:
                raise NotTaken("it does not end")
            began = _first.decode(lines[0])
            if began.evenbatch_class > FORMAT:
                raise BookError(
                    f"{self.path} was written by a newer evenbatch. Update it. {_ELSEWHERE}"
                )
            for text in lines[1:]:
                read += 1
                line = _line.decode(text)
                self._apply(line.pair, line.said)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise BookError(
                f"{self.path} is no file of a class (line {read}: {error}). It was left as it is. "
                f"{_ELSEWHERE}"
            ) from None
        return began

    def lines(self) -> Iterator[Line]:
        """All that was said up to now, in its order.

        Raises:
            NotWritten: the file is gone.
        """
        try:
            return map(_line.decode, self.path.read_bytes().split(b"\n")[1:-1])
        except OSError as error:
            raise NotWritten(f"{self.path} cannot be read: {error.strerror}") from None

    def _write(self, line: Began | Line) -> None:
        data = msgspec.json.encode(line) + b"\n"
        at = os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) == len(data):
                return
            error = "the disk is full"
        except OSError as failed:
            error = failed.strerror or str(failed)
        os.truncate(self._file, at)
        raise NotWritten(f"{self.path} cannot be written: {error}")

    @property
    def name(self) -> str:
        """By which a device tells this class from another; nobody can guess the secret from it."""
        return _digest(self.began.secret)[:12]

    # ---- who it is ------------------------------------------------------------------------------

    def teaches(self, secret: str) -> bool:
        """Whether this is the teacher's secret."""
        return hmac.compare_digest(secret.encode(), self.began.secret.encode())

    def opens(self, code: str) -> bool:
        """Whether this is the code to join, however it was typed."""
        typed = "".join(code.upper().split())
        return hmac.compare_digest(typed.encode(), self.began.code.encode())

    def known(self, token: str) -> Pair | None:
        """The pair that joined with this token."""
        return self.tokens.get(_digest(token))

    def enter(self, token: str) -> Pair:
        """A new pair.

        Raises:
            NotTaken: the class is full.
            NotWritten: the file cannot be used.
        """
        if len(self.pairs) >= m.PAIRS:
            raise NotTaken(f"{m.PAIRS} devices have joined; there is no room for more")
        self._take(len(self.pairs) + 1, m.Join(token=_digest(token)))
        return self.pairs[len(self.pairs)]

    # ---- what is said ---------------------------------------------------------------------------

    def take(self, pair: int, said: m.Vote | m.Found | m.Steer | m.Remove) -> None:
        """Write it down, and count it; what is there already is not written again.

        Raises:
            NotTaken: it does not fit what there is; the text says why.
            NotWritten: the file cannot be used.
        """
        if isinstance(said, m.Vote):
            checked(said.experiment)
            if said.experiment in self.pairs[pair].votes:
                return
        elif isinstance(said, m.Found):
            said = self._fitting(pair, said)
            if key_of(said) in self.pairs[pair].runs:
                return
            if len(self.pairs[pair].runs) >= RUNS:
                raise NotTaken(f"{RUNS} results of one pair are kept, and these are there")
        elif isinstance(said, m.Steer) and said.look is not msgspec.UNSET:
            checked(said.look)
        elif isinstance(said, m.Remove) and said.pair not in self.pairs:
            raise NotTaken(f"there is no pair {said.pair}")
        self._take(pair, said)

    def _fitting(self, pair: int, said: m.Found) -> m.Found:
        """A result in one canonical form, if it is one this pair can have."""
        experiment = checked(said.experiment)
        chapter, fixed = EXPERIMENTS[experiment]
        try:
            settings = msgspec.json.decode(
                chapters.normal(chapter, msgspec.json.encode(said.settings))
            )
        except chapters.BadSettings as error:
            raise NotTaken(str(error)) from None
        if settings.get("claim") != fixed.get("claim"):
            raise NotTaken(f"{experiment} is another claim")
        first, last = settings["seed"], settings["seed"] + settings["seeds"] - 1
        if not m.APART * pair <= first <= last < m.APART * (pair + 1):
            raise NotTaken(f"seeds {first} to {last} are not those of pair {pair}")
        units = judge_of(experiment).units
        for effect in said.effects:
            if effect.id not in units:
                raise NotTaken(f"{experiment} has no effect {effect.id}")
            low, high = limits(units[effect.id])
            if not low <= effect.value <= high:
                raise NotTaken(f"{effect.id} cannot be {effect.value:g} {units[effect.id]}")
        return msgspec.structs.replace(said, settings=settings)

    def _take(self, pair: int, said: Any) -> None:
        self._write(Line(pair, said))
        self._apply(pair, said)

    def _apply(self, pair: int, said: Any) -> None:
        if isinstance(said, m.Join):
            self.pairs[pair] = self.tokens[said.token] = Pair(pair)
        elif isinstance(said, m.Vote):
            self.pairs[pair].votes[said.experiment] = said.option
        elif isinstance(said, m.Found):
            self.pairs[pair].add(said)
        elif isinstance(said, m.Remove):
            self.pairs[said.pair].out = said.out
        else:
            self._steer(said)

    def _steer(self, said: m.Steer) -> None:
        if said.chapter is not msgspec.UNSET:
            self.lead = msgspec.structs.replace(
                self.lead, chapter=said.chapter, moved=self.lead.moved + 1
            )
        if said.paused is not msgspec.UNSET:
            self.lead = msgspec.structs.replace(self.lead, paused=said.paused)
        if said.look is not msgspec.UNSET and said.look != self.look:
            self.look, self.settings, self.shown = said.look, "", False
        if said.effect is not msgspec.UNSET:
            self.effect = said.effect
        if said.settings is not msgspec.UNSET:
            self.settings = said.settings
        if said.shown is not msgspec.UNSET:
            self.shown = said.shown
        if said.door is not msgspec.UNSET:
            self.door = said.door


def _alone(file: int) -> bool:
    """Whether no other process has the file (where the system can say so: not Windows)."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_ELSEWHERE = "Name another file with --class-file"


def _digest(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=16).hexdigest()


def checked(experiment: str) -> str:
    """The experiment's name, if there is one of it."""
    if experiment not in EXPERIMENTS:
        raise NotTaken(f"there is no experiment {experiment}")
    return experiment


def limits(unit: str) -> tuple[float, float]:
    """Between which values a number with this unit can lie.

    >>> limits("percentage points"), limits("times fewer steps")
    ((-100.0, 100.0), (1e-06, 1000000.0))
    """
    if unit.startswith("times"):
        return 1e-6, 1e6
    return (-100.0, 100.0) if "points" in unit or "decades" in unit else (-1e3, 1e3)
