"""One WebSocket for a class: who may join, how often each may speak, and what each is sent.

A device that joins shows the code from the wall once, and its own token from then on. Nothing that
a device says changes another's place or reaches another's page. Whoever speaks too often is read
more slowly, so that nothing piles up here; what is said twice counts once (`book`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from evenbatch.lesson.allowance import Allowance
from evenbatch.lesson.recorded import EXPERIMENTS
from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room import tally
from evenbatch.lesson.room.book import Book, NotTaken, NotWritten
from evenbatch.lesson.room.judge import judge_of

PER_ADDRESS = 8
"""Devices that may join from one address, and connections it may have for each, until the teacher
lets more in: a school that hides its rooms behind one address needs that."""
CONNECTIONS = 2 * m.PAIRS
FIRST_SECONDS = 10
"""How long a connection may take to say who it is."""
AGAIN_SECONDS = 5
"""How long a connection is held that is to come again, as nothing can be written."""
WALL_SECONDS = 0.15
"""Between two pictures of the wall."""

_decoder: msgspec.json.Decoder[m.ToRoom] = msgspec.json.Decoder(m.ToRoom)


@dataclass(eq=False)
class Seat:
    """A connection that has said who it is: a pair's, or the teacher's (0)."""

    pair: int
    notes: list[m.FromRoom] = field(default_factory=list)
    lead: m.Lead | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, what: m.FromRoom) -> None:
        """Something for this connection alone."""
        self.notes.append(what)
        self.news.set()


@dataclass
class Address:
    """What is known of the machines behind one address: the pairs that joined or came back."""

    connections: int = 0
    pairs: set[int] = field(default_factory=set)
    guesses: Allowance = field(default_factory=lambda: Allowance(10, 0.2))


class Turned(Exception):
    """A connection is turned away."""

    def __init__(self, why: Any, text: str, ask: int | None = None) -> None:
        super().__init__(text)
        self.said = m.Refused(ask=ask, why=why, text=text)


class Room:
    """A class and all who are connected.

    Args:
        book: the class's file.
        address: that the devices of the class open.
    """

    def __init__(self, book: Book, address: str) -> None:
        self.book, self.address = book, address
        self.join = f"{address}#/join?{book.began.code}"
        self.qr = qr(self.join)
        self.seats: set[Seat] = set()
        self.addresses: dict[str, Address] = {}
        self.paces: dict[int, Allowance] = {}
        self.refused = 0
        self.changed, self.grown = asyncio.Event(), asyncio.Event()
        self._pooled: tuple[Any, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Get the rules ready, and begin to draw the wall."""
        # Now: whoever brings the first result of an experiment would hold up all others (1 s).
        await asyncio.to_thread(lambda: [judge_of(name) for name in EXPERIMENTS])
        self._tasks += [asyncio.create_task(work()) for work in (self._draw, self._pool)]
        self.grown.set()  # there is a class already, if it goes on

    async def close(self) -> None:
        """Stop, and let the file go."""
        for task in self._tasks:
            task.cancel()
        self.book.close()

    async def serve(self, socket: WebSocket) -> None:
        """One connection, to its end."""
        host = socket.client.host if socket.client else ""
        at = self.addresses.setdefault(host, Address())
        everyone = sum(one.connections for one in self.addresses.values())
        most = 2 * max(PER_ADDRESS, len(at.pairs))  # who is in can load the page anew
        most = CONNECTIONS if self.book.door == "shared" else most
        if at.connections >= most or everyone >= CONNECTIONS:
            await socket.close(1013, "too many connections")
            return
        at.connections += 1
        try:
            await socket.accept()
            # Cancelled where the server ends while somebody who spoke too often still waits.
            gone = (WebSocketDisconnect, RuntimeError, TimeoutError, asyncio.CancelledError)
            with contextlib.suppress(*gone):
                try:
                    await self._serve(socket, at)
                except NotWritten as error:
                    sys.stderr.write(f"evenbatch: {error}. Make room; devices come again.\n")
                    await asyncio.sleep(AGAIN_SECONDS)
                    await socket.close(1011)
        finally:
            at.connections -= 1

    async def _serve(self, socket: WebSocket, at: Address) -> None:
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                seat = self._seat(read(await _receive(socket)), at)
        except Turned as turned:
            self.refused += turned.said.why in ("door", "full")
            self.changed.set()
            await socket.send_text(_text(turned.said))
            await socket.close(1008)
            return
        at.pairs.add(seat.pair)
        self.seats.add(seat)
        sender = asyncio.create_task(self._send(socket, seat))
        self.changed.set()
        try:
            await self._listen(socket, seat)
        finally:
            sender.cancel()
            self.seats.discard(seat)
            self.changed.set()

    def _seat(self, said: m.ToRoom, at: Address) -> Seat:
        """The seat of whoever says this first."""
        if isinstance(said, m.Teach | m.Join) and (seat := self._known(said)):
            return seat
        if at.guesses.wait():
            at.guesses.left += 1  # what is not tried does not count
            raise Turned("slow", "too many tries; wait a minute")
        if isinstance(said, m.Teach):
            raise Turned("code", "this is not the teacher's address")
        if not isinstance(said, m.Join):
            raise Turned("message", "say first who you are")
        if not self.book.opens(said.code):
            raise Turned("code", "this is not the code on the wall")
        at.guesses = Allowance(10, 0.2)
        if self.book.door == "closed":
            raise Turned("door", "nobody else is let in")
        if self.book.door == "open" and len(at.pairs - {0}) >= PER_ADDRESS:
            raise Turned("door", f"{PER_ADDRESS} devices have joined from this address")
        try:
            return self._seated(self.book.enter(said.token).number)
        except NotTaken as error:
            raise Turned("full", str(error)) from None

    def _known(self, said: m.Teach | m.Join) -> Seat | None:
        if isinstance(said, m.Teach):
            return Seat(0) if self.book.teaches(said.secret) else None
        pair = self.book.known(said.token)
        return self._seated(pair.number) if pair else None

    def _seated(self, pair: int) -> Seat:
        seat = Seat(pair, lead=self.book.lead)
        seat.note(m.Joined(pair=pair, lead=self.book.lead))
        return seat

    async def _listen(self, socket: WebSocket, seat: Seat) -> None:
        # A pair's, not a connection's: more connections are no more words.
        pace = self.paces.setdefault(seat.pair, Allowance(20, 2.0))
        while True:
            text = await _receive(socket)
            await asyncio.sleep(pace.wait())
            ask: int | None = None
            try:
                said = read(text)
                ask = getattr(said, "ask", None)
                self._act(seat, said)
                if isinstance(said, m.Export):  # of a large class some megabytes
                    lines = self.book.lines()  # here: what is written next is not counted yet
                    seat.note(m.Table(text=await asyncio.to_thread(tally.table, self.book, lines)))
                if ask is not None:
                    seat.note(m.Kept(ask=ask))
            except NotTaken as error:
                seat.note(m.Refused(ask=ask, why="message", text=str(error)))
            except Turned as turned:
                seat.note(turned.said)

    def _act(self, seat: Seat, said: m.ToRoom) -> None:
        if isinstance(said, m.Join | m.Teach):
            raise Turned("message", "that was said already")
        teaching = isinstance(said, m.Steer | m.Remove | m.Export)
        if teaching != (seat.pair == 0):
            ask = getattr(said, "ask", None)
            raise Turned("message", "this is not for you to say", ask)
        if isinstance(said, m.Export):
            return
        self.book.take(seat.pair, said)
        self.changed.set()
        self.grown.set()
        if isinstance(said, m.Steer):
            for other in self.seats:
                other.news.set()

    async def _send(self, socket: WebSocket, seat: Seat) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await seat.news.wait()
                seat.news.clear()
                notes, seat.notes = seat.notes, []
                if seat.pair and seat.lead != self.book.lead:
                    seat.lead = self.book.lead
                    notes.append(m.Led(lead=seat.lead))
                for note in notes:
                    await socket.send_text(_text(note))

    # ---- the wall -------------------------------------------------------------------------------

    async def _draw(self) -> None:
        """Show what has changed, dots at once; what they come to follows."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            if walls := [seat for seat in self.seats if not seat.pair]:
                wall = self._wall()
                for seat in walls:
                    # One picture is enough: an older one that still waits is not sent.
                    seat.notes = [note for note in seat.notes if not isinstance(note, m.Wall)]
                    seat.note(wall)
            await asyncio.sleep(WALL_SECONDS)

    async def _pool(self) -> None:
        """Pool what is on the wall, as often as it changes, in half of the time at most."""
        while True:
            await self.grown.wait()
            self.grown.clear()
            began = time.monotonic()
            if (what := self._seen()) != self._pooled[:4]:
                look, _, effect, found = what
                together = await asyncio.to_thread(tally.judged, found, judge_of(look), effect)
                self._pooled = (*what, *together)
                self.changed.set()
            await asyncio.sleep(max(WALL_SECONDS, time.monotonic() - began))

    def _seen(self) -> tuple[str, str, str, tally.Found]:
        """What is on the wall: experiment, settings, effect, and what pairs found."""
        book = self.book
        among = [group.settings for group in tally.groups(book)]
        settings = book.settings if book.settings in among else (among or [""])[0]
        return book.look, settings, book.effect, tally.found(book, settings)

    def _wall(self) -> m.Wall:
        book = self.book
        look, settings, effect, found = seen = self._seen()
        pooled, answer = self._pooled[4:] if seen[:3] == self._pooled[:3] else (None, "")
        return m.Wall(
            address=self.address, code=book.began.code, qr=self.qr,
            door=book.door, pairs=len(book.pairs),
            here=len({seat.pair for seat in self.seats} - {0}), refused=self.refused,
            lead=book.lead, look=look, effect=effect, shown=book.shown,
            votes=tally.votes(book), groups=tuple(tally.groups(book)), settings=settings,
            dots=tally.dots(found, effect), pooled=pooled, answer=answer,
            out=tuple(pair.number for pair in book.pairs.values() if pair.out),
            done=tally.done(book),
        )  # fmt: skip


def read(text: bytes) -> m.ToRoom:
    """The message, or it is turned away.

    >>> read(b'{"type": "teach", "secret": "s"}')
    Teach(secret='s')
    """
    if len(text) > m.LARGEST:
        raise Turned("message", f"the message has {len(text)} bytes; at most {m.LARGEST} are read")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Turned("message", str(error)) from None


def qr(address: str) -> str:
    """A picture of an address that a camera can read, as SVG."""
    import segno

    return segno.make(address, error="m", micro=False).svg_data_uri(scale=8, border=2, light="#fff")


def qr_text(address: str, encoding: str | None) -> str:
    """The same, in characters, for a terminal; nothing for one that has them not."""
    import io

    import segno

    out = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(out, border=2, compact=True)
    text = out.getvalue()
    with contextlib.suppress(UnicodeEncodeError, LookupError):
        text.encode(encoding or "ascii")
        return text
    return ""


async def _receive(socket: WebSocket) -> bytes:
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    found = received.get("text")
    return found.encode() if found is not None else received.get("bytes") or b""


def _text(what: m.FromRoom) -> str:
    return msgspec.json.encode(what).decode()
