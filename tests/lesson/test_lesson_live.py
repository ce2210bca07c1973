"""The server as a page sees it: runs, shared runs, what happens when things go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from lesson_client import Seen, Server, ask, follow
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from evenbatch.data import load
from evenbatch.engine import train
from evenbatch.lesson import chapters
from evenbatch.lesson.hosts import Hosts, addresses

SMALL = {"steps": 200, "seeds": 2, "arms": [{"width": 16}, {"norm": "batch", "width": 16}]}


def run(server: Server, chapter: str, settings: object) -> Seen:
    with server.connect() as socket:
        return follow(socket, ask(socket, chapter, settings))


def test_a_run_comes_with_trials_growing_points_endings_and_a_verdict(server: Server) -> None:
    seen = run(server, "bench", SMALL)
    assert not seen.error
    assert len(seen.trials) == 4
    assert set(seen.ended.values()) == {"finished"}
    assert seen.result is not None
    assert seen.result["claim"] == "bench"
    assert seen.result["statement"]["rule"]
    assert {trial["norm"] for trial in seen.trials.values()} == {"none", "batch"}


def test_the_numbers_are_those_of_python_to_the_bit(server: Server) -> None:
    seen = run(server, "bench", SMALL)
    settings = chapters.normal("bench", json.dumps(SMALL).encode())
    experiment = chapters.study("bench", settings)
    wanted = experiment.trials({}).trials
    curves = {curve.trial.key: curve for curve in train(wanted, {"digits": load("digits")})}
    assert {trial["key"] for trial in seen.trials.values()} == set(curves)
    for place, trial in seen.trials.items():
        points, curve = seen.curve(place), curves[trial["key"]]
        assert np.array_equal(points[:, 0], curve.step)
        assert np.array_equal(points[:, 1], curve.metric.astype(np.float32))
        assert np.array_equal(points[:, 2], curve.test_loss.astype(np.float32))


def test_the_normalization_toggle_changes_the_training(server: Server) -> None:
    seen = run(server, "bench", SMALL)
    by_norm = {trial["norm"]: seen.curve(place) for place, trial in seen.trials.items()}
    assert not np.array_equal(by_norm["none"][1:, 2], by_norm["batch"][1:, 2])


def test_curves_grow_instead_of_arriving_at_the_end(server: Server) -> None:
    settings = {"steps": 3000, "seeds": 1, "arms": [{"width": 64, "depth": 6, "norm": "layer"}]}
    seen = run(server, "bench", settings)
    assert seen.frames >= 3, "one frame is no growing curve"
    assert len(seen.curve(0)) == 51


def test_two_pages_that_ask_the_same_share_one_run(server: Server) -> None:
    settings = SMALL | {"seed": 77}
    with server.connect() as one, server.connect() as two:
        first = follow(one, ask(one, "bench", settings), until="joined")
        second = follow(two, ask(two, "bench", settings | {"seeds": 2}), until="joined")
        assert first.number == second.number


def test_who_comes_later_gets_every_point(server: Server) -> None:
    early = run(server, "bench", SMALL)
    late = run(server, "bench", SMALL)
    assert late.number == early.number
    for place in early.trials:
        assert np.array_equal(early.curve(place), late.curve(place), equal_nan=True)


def test_a_run_asked_for_again_and_again_by_one_page_comes_each_time(server: Server) -> None:
    with server.connect() as socket:
        times = [follow(socket, ask(socket, "bench", SMALL), seconds=30) for _ in range(3)]
    for seen in times:
        assert seen.result == times[0].result
        assert seen.trials == times[0].trials
        assert seen.ended == times[0].ended
        for place in seen.trials:
            assert np.array_equal(seen.curve(place), times[0].curve(place), equal_nan=True)


def test_other_seeds_are_another_run(server: Server) -> None:
    first, second = (run(server, "bench", SMALL | {"seed": seed}) for seed in (0, 2))
    assert first.number != second.number
    seeds = [{trial["seed"] for trial in seen.trials.values()} for seen in (first, second)]
    assert seeds == [{0, 1}, {2, 3}]


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def command_of(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()


def test_a_killed_training_process_is_replaced_and_the_run_goes_on(server: Server) -> None:
    settings = {"steps": 3000, "seeds": 10, "arms": [{"norm": "batch", "width": 96, "depth": 8}]}
    with server.connect() as socket:
        number = ask(socket, "bench", settings)
        follow(socket, number, until="points")
        trainers = [pid for pid in children(server.pid) if "spawn_main" in command_of(pid)]
        assert trainers
        for pid in trainers:
            os.kill(pid, signal.SIGKILL)
        # The page would ask again after a lost connection; here the server itself goes on.
        seen = follow(socket, ask(socket, "bench", settings), seconds=120)
    assert seen.verdict is not None, seen.error
    assert len(seen.ended) == 10
    finished = run(server, "bench", SMALL)
    assert finished.verdict is not None


def test_a_stopped_run_ends_and_the_connection_goes_on(server: Server) -> None:
    settings = {"steps": 3000, "seeds": 10, "arms": [{"width": 128, "depth": 12, "norm": "batch"}]}
    with server.connect() as socket:
        number = ask(socket, "bench", settings)
        follow(socket, number, until="points")
        socket.send(json.dumps({"type": "stop", "ask": number}))
        began = time.monotonic()
        again = follow(socket, ask(socket, "bench", SMALL), seconds=30)
    assert again.verdict is not None
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("chapter", "settings", "said"),
    [
        ("bench", {"steps": 10**9}, "<= 3000"),
        ("bench", {"arms": [{}] * 7}, "length <= 6"),
        ("bench", {"arms": []}, "length >= 1"),
        ("bench", {"arms": [{"width": 1 << 20}]}, "<= 128"),
        ("bench", {"arms": [{"norm": "<script>"}]}, "Invalid enum value"),
        ("bench", {"arms": [{"depth": 100, "width": 128}] * 6, "steps": 3000}, "may ask for"),
        ("bench", {"arms": [{"norm": "group", "width": 6}]}, "groups is 4"),
        ("factory", {"amounts": {"poison": 2}}, "no ingredient 'poison'"),
        ("claim", {"claim": "everything"}, "no claim 'everything'"),
        ("nowhere", {}, "no chapter 'nowhere'"),
        ("rates", {"surprise": 1}, "unknown field `surprise`"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_a_reason(
    server: Server, chapter: str, settings: object, said: str
) -> None:
    assert said in run(server, chapter, settings).error


def test_one_page_cannot_queue_without_end(server: Server) -> None:
    with server.connect() as socket:
        asks = []
        for seed in range(6):
            settings = {"steps": 3000, "seeds": 10, "seed": 1000 + seed}
            settings["arms"] = [{"width": 128, "depth": 10, "norm": "batch"}]  # type: ignore[assignment]
            asks.append(ask(socket, "bench", settings))
        seen = follow(socket, asks[-1], seconds=20)
    assert "runs waiting" in seen.error


def test_two_hundred_bad_messages_and_the_connection_goes_on(server: Server) -> None:
    rng = np.random.default_rng(0)
    with server.connect() as socket:
        for i in range(200):
            size = int(rng.integers(0, 200))
            noise = bytes(rng.integers(0, 256, size, dtype=np.uint8))
            kinds: list[str | bytes] = [
                noise,
                noise.decode("latin-1"),
                "[" * 3000,
                json.dumps({"type": "start", "ask": -1, "chapter": "race"}),
                json.dumps({"type": ["start"]}),
                json.dumps({"type": "stop", "ask": "all"}),
                json.dumps({"type": "start", "ask": 1, "chapter": "x" * 5000}),
                "null",
            ]
            socket.send(kinds[i % len(kinds)])
        errors = 0
        while errors < 200:
            got = socket.recv(timeout=30)
            errors += isinstance(got, str) and json.loads(got)["type"] == "refused"
        assert follow(socket, ask(socket, "bench", SMALL), seconds=30).verdict is not None


def drain(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=10)


def test_a_message_of_a_megabyte_closes_that_connection_and_no_other(server: Server) -> None:
    with server.connect() as other, server.connect() as socket:
        socket.send("x" * (1 << 20))
        with pytest.raises(ConnectionClosedError, match="1009"):
            drain(socket)
        assert follow(other, ask(other, "bench", SMALL)).verdict is not None


def test_trust_is_checked_anew_each_time(server: Server) -> None:
    seeds = []
    with server.connect() as socket:
        for number in (1, 2):
            socket.send(json.dumps({"type": "trust", "ask": number}))
            while True:
                got = socket.recv(timeout=60)
                if isinstance(got, str) and (message := json.loads(got))["type"] == "trusted":
                    break
            checked = message["checked"]
            assert max(checked["gradient"].values()) < 1e-3
            assert checked["toggle"] > 0.01
            seeds.append(checked["seed"])
    assert seeds[0] != seeds[1]


def fetch(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(server.address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def test_the_page_comes_with_strict_headers(server: Server) -> None:
    status, headers, text = fetch(server, "/")
    assert status == 200
    assert '<div id="app">' in text
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_another_host_or_origin_is_refused(server: Server) -> None:
    assert fetch(server, "/", Host="evil.example")[0] == 403
    assert fetch(server, "/", Origin="http://evil.example")[0] == 403
    with pytest.raises(InvalidStatus):
        server.connect(origin="http://evil.example")


def test_a_lesson_for_a_room_answers_by_address_and_name_and_to_no_other_site(
    open_server: Server,
) -> None:
    port = open_server.port
    for address in ["127.0.0.1", *addresses("0.0.0.0")]:
        hosts = Hosts(port, frozenset())
        with urllib.request.urlopen(hosts.address(address), timeout=10) as answer:
            assert answer.status == 200, address
        origin = hosts.address(address).rstrip("/")
        live = origin.replace("http:", "ws:") + "/live"
        with connect(live, origin=Origin(origin)) as socket:
            assert json.loads(socket.recv(timeout=20))["type"] == "state"
        with pytest.raises(InvalidStatus):
            connect(live, origin=Origin(f"http://192.0.2.99:{port}"))
    assert fetch(open_server, "/", Host=f"lesson.school:{port}")[0] == 200
    assert fetch(open_server, "/", Host=f"evil.example:{port}")[0] == 403
    own = f"127.0.0.1:{port}"
    assert fetch(open_server, "/", Host=own, Origin=f"http://localhost:{port}")[0] == 403


@pytest.mark.parametrize(
    "path", ["/assets/../app.py", "/assets/%2e%2e/%2e%2e/app.py", "/recorded/..%2fapp.json", "/x"]
)
def test_nothing_but_the_page_is_served(server: Server, path: str) -> None:
    status, _, text = fetch(server, path)
    assert status == 404
    assert "import" not in text
