"""A class: who may join, what counts, and what nobody can do to the others."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from lesson_client import Server, served
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER
from evenbatch.lesson.room import door, tally
from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room.book import Book, BookError, NotWritten
from evenbatch.lesson.room.judge import judge_of
from evenbatch.protocol.effects import mean_effect, ratio_effect

RACE = {"data": "digits", "init": "torch"}


class Class:
    """A class that is served, as devices and the teacher's page meet it."""

    def __init__(self, server: Server, book: Path) -> None:
        self.server, self.book = server, book
        first = json.loads(book.read_text("utf-8").splitlines()[0])
        self.code, self.secret = first["code"], first["secret"]
        self.open = ExitStack()

    def line(self) -> ClientConnection:
        address = f"ws://127.0.0.1:{self.server.port}/class"
        origin: Any = self.server.address
        # A server that reads nothing for a while answers no farewell: each is waited for 10 s.
        line = connect(address, origin=origin, max_size=1 << 24, close_timeout=0.2)
        return self.open.enter_context(line)

    def join(self, token: str, code: str | None = None) -> tuple[ClientConnection, dict[str, Any]]:
        socket = self.line()
        say(socket, type="join", token=token, code=self.code if code is None else code)
        return socket, hear(socket)

    def teach(self) -> ClientConnection:
        socket = self.line()
        say(socket, type="teach", secret=self.secret)
        return socket


def say(socket: ClientConnection, **message: object) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, kind: str = "", until: Callable[[Any], bool] = bool) -> Any:
    """The next message of this kind for which `until` is true."""
    end = time.monotonic() + 30
    while True:
        got = json.loads(socket.recv(timeout=end - time.monotonic()))
        if (not kind or got["type"] == kind) and until(got):
            return got


def found(ask: int, seed: int, value: float = 4.0, **more: object) -> dict[str, Any]:
    effects = [{"id": id, "value": value, "bound": ""} for id in ("steps/best", "time/best")]
    message: dict[str, Any] = {"type": "found", "ask": ask, "experiment": "race"}
    return message | {"settings": RACE | {"seed": seed}, "effects": effects} | more


def token(n: int) -> str:
    return f"{n:032x}"


@contextmanager
def held(folder: Path) -> Iterator[Class]:
    book = folder / "class.jsonl"
    with served(folder / "store.db", "--class", "--class-file", str(book)) as server:
        one = Class(server, book)
        with one.open:
            yield one


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Class]:
    with held(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def class_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """Pairs 1 and 2 are in it, and pair 1 has a result."""
    with held(tmp_path_factory.mktemp("class")) as one:
        for n in (1, 2):
            one.join(token(n))
        socket, joined = one.join(token(1), code="")
        assert joined["pair"] == 1
        say(socket, **found(1, 1000))
        hear(socket, "kept")
        one.open.close()
        yield one


@pytest.fixture
def same_room(class_for_all: Class) -> Iterator[Class]:
    """That class, for a test that changes nothing in it."""
    before = class_for_all.book.read_bytes()
    one = Class(class_for_all.server, class_for_all.book)
    with one.open:
        yield one
    assert one.book.read_bytes() == before


# ---- one walk ------------------------------------------------------------------------------------


def test_devices_join_vote_and_find_and_the_wall_shows_it(room: Class) -> None:
    wall = room.teach()
    sockets = []
    for n in range(1, 7):
        socket, joined = room.join(token(n))
        assert joined["pair"] == n
        say(socket, type="vote", ask=1, experiment="race", option="ten")
        assert hear(socket, "kept")["ask"] == 1
        say(socket, **found(2, 1000 * n, value=float(n)))
        assert hear(socket, "kept")["ask"] == 2
        sockets.append(socket)
    seen = hear(wall, "wall", lambda w: w["pooled"] and w["pooled"]["pairs"] == 6)
    assert seen["votes"] == {"ten": 6}
    assert [dot["value"] for dot in seen["dots"]] == pytest.approx([1, 2, 3, 4, 5, 6])
    # The same statistics as for seeds: the geometric mean, and its interval.
    wanted = ratio_effect("", [1, 2, 3, 4, 5, 6], [1] * 6, "")
    got = seen["pooled"]
    assert (got["value"], got["low"], got["high"]) == pytest.approx(
        (wanted.value, wanted.low, wanted.high)
    )
    assert seen["answer"] == "holds in part"
    say(wall, type="steer", chapter="race", paused=True)
    for socket in sockets:
        led = hear(socket, "led")["lead"]
        assert led == {"chapter": "race", "moved": 1, "paused": True}
    say(wall, type="export")
    rows = list(csv.DictReader(io.StringIO(hear(wall, "table")["text"])))
    assert len(rows) == 6 * 3
    assert {row["expects"] for row in rows} == {"ten", ""}


def test_thirty_devices_walk_the_plan_to_the_pooled_verdict(room: Class) -> None:
    """Chapters 1, 3 and 4, as the plan of 60 minutes has them; each device finds what was recorded,
    times a factor of its own."""
    wall = room.teach()
    say(wall, type="steer", door="shared")  # one address, as behind a school's router
    hear(wall, "wall", lambda w: w["door"] == "shared")
    devices = []
    for n in range(1, 31):
        socket, joined = room.join(token(n))
        assert joined["pair"] == n
        devices.append(socket)
    for moved, (name, answer) in enumerate(PLAN.items(), 1):
        recorded = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        effects = [e for e in recorded["result"]["verdict"]["effects"] if e["value"] is not None]
        say(wall, type="steer", chapter=name, look=name, effect=effects[0]["id"])
        widths = []
        for n, socket in enumerate(devices, 1):
            assert hear(socket, "led")["lead"] == {"chapter": name, "moved": moved, "paused": False}
            say(socket, type="vote", ask=1, experiment=name, option="abcd"[n % 4])
            assert hear(socket, "kept")["ask"] == 1
        seen = hear(wall, "wall", lambda w: sum(w["votes"].values()) == 30)
        assert seen["look"] == name
        assert not seen["shown"]
        for n, socket in enumerate(devices, 1):
            factor = math.exp(0.3 * math.sin(n))
            given = [{"id": e["id"], "value": e["value"] * factor, "bound": ""} for e in effects]
            settings = recorded["settings"] | {"seed": 1000 * n}
            say(socket, type="found", ask=2, experiment=name, settings=settings, effects=given)
            assert hear(socket, "kept")["ask"] == 2
            if n in (6, 30):
                of_all = hear(wall, "wall", lambda w, n=n: (w["pooled"] or {}).get("pairs") == n)
                widths.append(of_all["pooled"]["high"] / of_all["pooled"]["low"])
        assert widths[1] < widths[0], "the interval narrows as pairs come in"
        say(wall, type="steer", shown=True)
        seen = hear(wall, "wall", lambda w: w["shown"])
        assert len(seen["dots"]) == 30
        assert seen["answer"] == answer
    assert {n: seen["done"][n] for n in PLAN} == dict.fromkeys(PLAN, 30)


PLAN = {"factory": "holds", "race": "holds", "rates": "holds"}
"""Experiments of the plan, and what thirty pairs come to."""


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    book = tmp_path / "class.jsonl"
    options = ("--class", "--class-file", str(book))
    with served(tmp_path / "store.db", *options) as server:
        one = Class(server, book)
        with one.open:
            socket, _ = one.join(token(1))
            say(socket, **found(1, 1000))
            hear(socket, "kept")
            wall = one.teach()
            before = hear(wall, "wall", lambda w: w["pooled"])
            say(wall, type="steer", chapter="race", door="closed")
            hear(socket, "led")
        os.kill(server.pid, signal.SIGKILL)
    with book.open("ab") as file:
        file.write(b'{"pair":1,"said":{"type":"vote","a')  # killed while it wrote
    with served(tmp_path / "store.db", *options) as server:
        one = Class(server, book)
        with one.open:
            seen = hear(one.teach(), "wall", lambda w: w["pooled"])  # before anybody speaks
            assert (seen["pooled"], seen["answer"]) == (before["pooled"], before["answer"])
            socket, joined = one.join(token(1), code="")
            assert joined["pair"] == 1, "a known device needs no code"
            assert joined["lead"]["moved"] == 1
            say(socket, **found(2, 1000))  # its answer was lost: sent again
            hear(socket, "kept")
            say(socket, type="vote", ask=3, experiment="race", option="ten")
            hear(socket, "kept")
            _, refused = one.join(token(2))
            assert refused["why"] == "door", "the door stays as it was left"
            seen = hear(one.teach(), "wall", lambda w: w["dots"])
            assert [(dot["pair"], dot["runs"]) for dot in seen["dots"]] == [(1, 1)]
    assert book.read_text("utf-8").count('"found"') == 1
    again = Book(book)
    assert again.pairs[1].votes == {"race": "ten"}
    again.close()


# ---- what a pupil who means ill cannot do --------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        {"type": "steer", "chapter": "break"},
        {"type": "steer", "shown": True},
        {"type": "remove", "pair": 1},
        {"type": "export"},
        {"type": "teach", "secret": "guess"},
        {"type": "join", "token": token(9), "code": ""},
    ],
)
def test_a_pupil_cannot_lead_nor_read_the_others(same_room: Class, message: dict[str, Any]) -> None:
    victim, _ = same_room.join(token(1), code="")
    before = same_room.book.read_bytes()
    socket, joined = same_room.join(token(2), code="")
    assert joined["pair"] == 2
    say(socket, **message)
    assert hear(socket)["type"] == "refused"
    assert same_room.book.read_bytes() == before
    with pytest.raises(TimeoutError):
        victim.recv(timeout=0.5)


def test_before_it_has_joined_nobody_is_heard(same_room: Class) -> None:
    before = same_room.book.read_bytes()
    for message in (found(1, 1000), {"type": "export"}, {"type": "steer", "paused": True}):
        socket = same_room.line()
        say(socket, **message)
        assert hear(socket)["type"] == "refused"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
    assert same_room.book.read_bytes() == before


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (found(1, 0), "seeds 0 to 4 are not those of pair 1"),
        (found(1, 2000), "not those of pair 1"),
        (found(1, 1998), "not those of pair 1"),
        (found(1, 1000, value=1e9), "1000000"),
        (found(1, 1000, value=-3.0), "cannot be -3"),
        (
            found(1, 1000, experiment="rates", settings={"data": "digits", "seed": 1000}),
            "has no effect steps/best",
        ),
        (found(1, 1000, experiment="../etc"), "Expected `str` matching"),
        (found(1, 1000, experiment="nowhere"), "no experiment nowhere"),
        (found(1, 1000, settings={"data": "mine", "seed": 1000}), "Invalid enum value 'mine'"),
        (found(1, 1000, settings={"name": "Anna", "seed": 1000}), "unknown field `name`"),
        (found(1, 1000, effects=[]), "length"),
        (found(1, 1000, name="Anna"), "unknown field `name`"),
        ({"type": "vote", "ask": 1, "experiment": "race", "option": "Anna was here"}, "matching"),
        ({"type": "vote", "ask": 1, "experiment": "nowhere", "option": "ten"}, "no experiment"),
    ],
)
def test_what_does_not_fit_is_refused_and_not_written_down(
    same_room: Class, message: dict[str, Any], why: str
) -> None:
    socket, _ = same_room.join(token(1), code="")
    before = same_room.book.read_bytes()
    say(socket, **message)
    refused = hear(socket)
    assert refused["type"] == "refused"
    assert why in refused["text"]
    assert same_room.book.read_bytes() == before
    say(socket, **found(2, 1000))
    assert hear(socket)["type"] == "kept", "the connection goes on"


def test_saying_it_again_counts_once_and_a_vote_is_not_changed(room: Class) -> None:
    socket, _ = room.join(token(1))
    for ask in range(1, 9):
        say(socket, **found(ask, 1000, value=float(ask)))
        assert hear(socket)["type"] == "kept"
    for ask, option in enumerate(("ten", "same"), 10):
        say(socket, type="vote", ask=ask, experiment="race", option=option)
        assert hear(socket)["type"] == "kept"
    seen = hear(room.teach(), "wall", lambda w: w["votes"])
    assert seen["votes"] == {"ten": 1}
    assert seen["dots"] == [{"pair": 1, "runs": 1, "value": 1.0, "bound": ""}]


def test_one_address_cannot_fill_the_wall_until_the_teacher_lets_it(room: Class) -> None:
    joined = [room.join(token(n))[1]["type"] for n in range(1, door.PER_ADDRESS + 3)]
    assert joined == ["joined"] * door.PER_ADDRESS + ["refused"] * 2
    wall = room.teach()
    assert hear(wall, "wall")["refused"] == 2
    say(wall, type="steer", door="shared")
    hear(wall, "wall", lambda w: w["door"] == "shared")
    assert room.join(token(99))[1]["pair"] == door.PER_ADDRESS + 1
    say(wall, type="steer", door="closed")
    hear(wall, "wall", lambda w: w["door"] == "closed")
    assert room.join(token(100))[1]["why"] == "door"
    assert room.join(token(99), code="")[1]["pair"] == door.PER_ADDRESS + 1


def test_the_code_cannot_be_found_by_trying(room: Class) -> None:
    wrong = [room.join(token(1), code="AAAAA")[1]["why"] for _ in range(14)]
    assert wrong[:8] == ["code"] * 8
    assert wrong[-1] == "slow"
    assert room.join(token(1))[1]["why"] == "slow", "the right one, too, has to wait now"


def test_trying_faster_shuts_out_nobody_for_longer(tmp_path: Path) -> None:
    room, at = door.Room(Book(tmp_path / "class.jsonl"), "http://here/"), door.Address()

    def why(code: str) -> str:
        with pytest.raises(door.Turned) as turned:
            room._seat(m.Join(token=token(1), code=code), at)
        return turned.value.said.why

    assert [why("AAAAA") for _ in range(300)][-1] == "slow"
    at.guesses.at -= 5.5  # seconds later
    assert why("AAAAA") == "code"
    at.guesses.at -= 5.5
    assert room._seat(m.Join(token=token(1), code=room.book.began.code), at).pair == 1
    room.book.close()


def test_who_is_in_comes_back_through_a_door_that_is_closed(room: Class) -> None:
    wall = room.teach()
    say(wall, type="steer", door="shared")
    hear(wall, "wall", lambda w: w["door"] == "shared")
    for n in range(1, 2 * door.PER_ADDRESS + 4):
        assert room.join(token(n))[1]["pair"] == n
    for state in ("closed", "open"):
        say(wall, type="steer", door=state)
        hear(wall, "wall", lambda w, state=state: w["door"] == state)
        assert room.join(token(3), code="")[1]["pair"] == 3
        assert room.join(token(99))[1]["why"] == "door"


def test_what_the_disk_has_no_room_for_is_not_refused_but_asked_for_again(room: Class) -> None:
    socket, _ = room.join(token(1))
    resource.prlimit(room.server.pid, resource.RLIMIT_FSIZE, (room.book.stat().st_size + 20, -1))
    say(socket, **found(1, 1000))
    with pytest.raises(ConnectionClosed):  # the page then keeps it, and comes again
        hear(socket)
    resource.prlimit(room.server.pid, resource.RLIMIT_FSIZE, (-1, -1))
    socket, joined = room.join(token(1), code="")
    assert joined["pair"] == 1
    say(socket, **found(1, 1000))
    assert hear(socket)["type"] == "kept"


def test_whoever_floods_is_slowed_down_by_all_its_connections_together(room: Class) -> None:
    sockets = [room.join(token(1), code="" if n else None)[0] for n in range(4)]
    other, _ = room.join(token(2))
    for ask in range(30):
        for place, socket in enumerate(sockets):
            say(socket, **found(ask, 1000 + 5 * (4 * ask + place)))
    began = time.monotonic()
    say(other, type="vote", ask=1, experiment="race", option="ten")
    hear(other, "kept")
    assert time.monotonic() - began < 5, "the others are heard meanwhile"
    time.sleep(max(0.0, began + 3 - time.monotonic()))
    taken = room.book.read_text("utf-8").count('"found"')
    assert 20 <= taken < 60, "120 were sent; 20 at once and 2 a second are read"


def test_a_long_message_and_a_foreign_page_are_refused(same_room: Class) -> None:
    room = same_room
    socket, _ = room.join(token(1), code="")
    socket.send("x" * (m.LARGEST + 1))
    assert "at most 4096" in hear(socket)["text"]
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{room.server.port}/class", origin="http://evil.example")  # type: ignore[arg-type]
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{room.server.port}/live", origin=room.server.address)  # type: ignore[arg-type]


def test_a_pair_that_is_left_out_counts_nowhere_and_can_come_back(room: Class) -> None:
    socket, _ = room.join(token(1))
    say(socket, type="vote", ask=1, experiment="race", option="ten")
    say(socket, **found(2, 1000))
    hear(socket, "kept", lambda k: k["ask"] == 2)
    wall = room.teach()
    say(wall, type="remove", pair=1, out=True)
    seen = hear(wall, "wall", lambda w: w["out"] == [1])
    assert (seen["votes"], seen["dots"], seen["done"]) == ({}, [], {})
    say(wall, type="remove", pair=1, out=False)
    assert hear(wall, "wall", lambda w: w["out"] == [])["votes"] == {"ten": 1}


# ---- parts ---------------------------------------------------------------------------------------


def test_the_file_of_a_class_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "class.jsonl"
    book = Book(path)
    book.enter(token(1))
    book.close()
    assert path.stat().st_mode & 0o077 == 0, "the teacher's secret is in it"
    assert token(1) not in path.read_text("utf-8")
    book = Book(path)
    assert book.known(token(1))
    with pytest.raises(BookError, match="another evenbatch serves"):
        Book(path)
    book.close()
    path.write_text(path.read_text("utf-8") + '{"pair": 7, "said": {"type": "nonsense"}}\n')
    with pytest.raises(BookError, match=r"line 3.*--class-file"):
        Book(path)
    other = tmp_path / "notes.txt"
    whole = path.read_text("utf-8").splitlines()[:2]
    odd = found(1, 1000, value=-1.0)  # of a ratio
    whole.append(json.dumps({"pair": 1, "said": odd}) + "\n")
    for notes in ("my notes\n", "my notes", "my notes\nand more of them", "{}\n", "\n".join(whole)):
        other.write_text(notes)
        with pytest.raises(BookError, match="no file of a class"):
            Book(other)
        assert other.read_text() == notes
    with pytest.raises(BookError, match="--class-file"):
        Book(tmp_path)


def test_what_cannot_be_written_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(tmp_path / "class.jsonl")
    book.enter(token(1))
    before = book.path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:20]))
    with pytest.raises(NotWritten, match="full"):
        book.take(1, m.Vote(ask=1, experiment="race", option="ten"))
    assert book.path.read_bytes() == before
    assert book.pairs[1].votes == {}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_can_be_pooled_and_judged(experiment: str) -> None:
    judge = judge_of(experiment)
    recorded = json.loads((FOLDER / f"{experiment}.json").read_text("utf-8"))["result"]
    effects = [e for e in recorded["verdict"]["effects"] if e["value"] is not None]
    pairs = []
    for n in range(6):  # around what was recorded
        shift = 1 + 0.001 * n
        pairs.append(
            {e["id"]: tally.Effect("", e["value"] * shift, 0, 0, e["unit"]) for e in effects}
        )
    together = tally.pooled(pairs, judge.units)
    assert judge.needed <= set(together)
    assert judge.answer(together) in ("holds", "holds in part", "does not hold", "cannot tell")
    for id, unit in judge.units.items():
        values = [pair[id].value for pair in pairs if id in pair]
        if not values:
            continue
        ratio = unit.startswith("times")
        wanted = ratio_effect("", values, [1] * 6, unit) if ratio else mean_effect("", values, unit)
        got = together[id]
        assert (got.value, got.low, got.high) == pytest.approx(
            (wanted.value, wanted.low, wanted.high), rel=1e-9, abs=1e-9
        )
    few, _ = tally.judged(dict(enumerate(pairs[:4])), judge, next(iter(judge.needed)))
    assert few is not None
    assert judge.answer(tally.pooled(pairs[:4], judge.units)) == "cannot tell"


def test_a_bound_leaves_the_interval_open_on_its_side() -> None:
    unit = "times fewer steps"
    pairs = [{"a": tally.Effect("", v, v, v, unit)} for v in (3.0, 4.0, 5.0)]
    pairs.append({"a": tally.Effect("", 9.0, 9.0, 9.0, unit, "at least")})
    got = tally.pooled(pairs, {"a": unit})["a"]
    assert (got.bound, got.high) == ("at least", float("inf"))
    pairs.append({"a": tally.Effect("", 1.0, 1.0, 1.0, unit, "at most")})
    got = tally.pooled(pairs, {"a": unit})["a"]
    assert (got.bound, got.low, got.high) == ("", 0.0, float("inf"))


def test_runs_of_a_pair_are_joined_and_bounds_both_ways_say_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / "class.jsonl")
    for pair, runs in enumerate(([(2, ""), (8, "at least")], [(2, "at least"), (8, "at most")]), 1):
        book.enter(token(pair))
        for place, (value, bound) in enumerate(runs):
            said = found(1, 1000 * pair + 5 * place, value=value)
            said["effects"][0]["bound"] = bound
            book.take(pair, door.read(json.dumps(said).encode()))  # type: ignore[arg-type]
    settings = tally.groups(book)[0].settings
    seen = tally.dots(tally.found(book, settings), "steps/best")
    assert [(dot.pair, dot.runs, round(dot.value, 6), dot.bound) for dot in seen] == [
        (1, 2, 4.0, "at least")
    ]
    book.close()
