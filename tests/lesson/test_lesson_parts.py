"""The parts of the server that need no server."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS
from evenbatch.data import load
from evenbatch.engine import Curve, Network, Session, Trial
from evenbatch.lesson import chapters, events, messages, serve, trust, wire
from evenbatch.lesson.factory import factory, with_amounts
from evenbatch.lesson.hosts import Hosts, addresses
from evenbatch.lesson.hub import Cursor, Hub, SharedRun, Watcher
from evenbatch.lesson.layers import layer_inputs
from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER
from evenbatch.lesson.training import Run
from evenbatch.lesson.trials import TrialShown, described
from evenbatch.norms import BatchNorm, LayerNorm
from evenbatch.protocol.verdict import ANSWERS, CANNOT_TELL, FAILS, Effect
from evenbatch.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"type": "start"}',
        '{"type": "nothing"}',
        '{"type":"stop","ask":1.5}',
        '{"type":"stop","ask":1,"more":2}',
        b"\xff\xfe",
        "[" * 5000,
    ],
)
def test_bad_messages_are_told_apart_from_crashes(text: str | bytes) -> None:
    with pytest.raises(messages.BadMessage):
        messages.read(text)


def test_a_long_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(messages.BadMessage, match="8300 bytes; at most 8192"):
        messages.read(" " * 8300)


def test_the_same_question_is_one_run_however_it_is_asked() -> None:
    asked = [b"{}", b'{"seeds":5,"data":"digits"}', b'{ "data" : "digits" }']
    assert len({chapters.normal("rates", settings) for settings in asked}) == 1
    amounts = (b"{}", b'{"amounts": {"sugar_cups": 1}}')
    assert len({chapters.normal("factory", settings) for settings in amounts}) == 1


def test_a_frame_and_back() -> None:
    rng = np.random.default_rng(0)
    sent = [(1, 2, 3, rng.normal(size=(4, 4))), (7, 0, 0, np.full((1, 4), np.nan))]
    frame = b"".join(wire.record(r, t, f, p.astype(np.float32)) for r, t, f, p in sent)
    for (r, t, f, p), (r2, t2, f2, p2) in zip(sent, wire.records(frame), strict=True):
        assert (r, t, f) == (r2, t2, f2)
        assert np.array_equal(p.astype(np.float32), p2, equal_nan=True)


def points(first: int, values: np.ndarray[Any, Any]) -> events.Points:
    return events.Points(run=1, trial=0, first=first, points=values)


def watched_run() -> tuple[Hub, SharedRun, Watcher]:
    hub, watcher = Hub(None), Watcher()
    run = SharedRun(next(hub.numbers), ("bench", b"{}"))
    hub.runs[run.name] = hub.by_number[run.number] = run
    run.watchers.add(watcher)
    watcher.asks[1] = run
    watcher.cursors[run] = Cursor()
    return hub, run, watcher


def test_a_slow_page_gets_one_large_update_instead_of_many() -> None:
    hub, _run, watcher = watched_run()
    for first in range(0, 50, 5):
        hub.handle(points(first, np.full((5, 4), first, np.float32)))
    _, frame, _ = watcher.take()
    ((_, _, first, kept),) = wire.records(frame)
    assert (first, len(kept)) == (0, 50)
    assert watcher.take() == ([], b"", [])


def test_a_point_that_comes_twice_is_kept_once() -> None:
    hub, run, watcher = watched_run()
    hub.handle(points(0, np.zeros((5, 4), np.float32)))
    hub.handle(points(3, np.ones((4, 4), np.float32)))
    ((_, _, _, kept),) = wire.records(watcher.take()[1])
    assert kept[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert run.counts[0] == 7


def test_only_the_newest_round_is_sent() -> None:
    hub, _run, watcher = watched_run()
    for done in range(10):
        hub.handle(events.Progress(run=1, phase="measuring", done=done, total=10))
    (message,), _, _ = watcher.take()
    assert message.done == 9


def test_a_finished_run_is_sent_whole_to_a_page_that_asks_again() -> None:
    hub, run, watcher = watched_run()
    hub.handle(points(0, np.zeros((5, 4), np.float32)))
    hub.handle(events.Ended(run=1, trial=0, how="finished", at=10))
    hub.handle(events.Stopped(run=1))
    first = watcher.take()
    assert len(first[2]) == 2
    assert watcher.take() == ([], b"", [])
    assert hub.start_run(watcher, 2, *run.name) is run
    assert watcher.take() == first


def test_a_run_asked_for_twice_goes_on_while_one_of_both_wants_it() -> None:
    hub, run, watcher = watched_run()
    halted: list[events.Order] = []
    hub._order = halted.append  # type: ignore[method-assign]
    assert hub.start_run(watcher, 2, *run.name) is run
    hub.unwatch(watcher, 1)
    assert not halted
    assert watcher in run.watchers
    hub.unwatch(watcher, 2)
    assert halted == [events.Halt(run.number)]
    assert hub.runs == {}


def test_a_failed_run_is_tried_anew_and_then_forgotten() -> None:
    hub, run, watcher = watched_run()
    hub._order = lambda _order: None  # type: ignore[method-assign]
    hub.handle(events.Failed(run=1, text="no memory"))
    again = hub.start_run(watcher, 2, *run.name)
    assert again is not run
    hub.unwatch(watcher, 1)
    assert list(hub.by_number.values()) == [again]
    assert hub.runs == {run.name: again}


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms", "group"])
@pytest.mark.parametrize("placement", ["before", "after", "input"])
def test_what_the_histograms_show_is_what_the_engine_saw(norm: str, placement: str) -> None:
    data = load("digits")
    network = Network(
        inputs=64, hidden=(16, 12), outputs=10, norm=norm, placement=placement, groups=4,
        activation="tanh",
    )  # fmt: skip
    rows = np.arange(40, dtype=np.int64)[None]
    trial = Trial(network, steps=1, batch_size=40, learning_rate=0.0, probe_every=1)
    with Session([trial], batches={0: rows}) as session:
        session.advance(1)
        inputs, _ = layer_inputs(network, session.weights(0), data.x_train[:40])
        probes = session.curves()[0].probes
    assert probes is not None
    assert np.allclose([x.mean() for x in inputs], probes.input_mean[0], atol=2e-5)
    assert np.allclose([x.std() for x in inputs], probes.input_std[0], atol=2e-5)


def test_the_film_is_there_too_where_the_store_knew_the_curves(tmp_path: Path) -> None:
    asked = chapters.normal("factory", b'{"seeds": 1}')
    films = []
    with Store(tmp_path / "store.db") as store:
        for number in (1, 2):
            sent: list[events.Event] = []
            Run(number, "factory", asked, sent.append).go(store, threads=1)
            assert isinstance(sent[-1], events.Concluded), sent[-1]
            films.append([event.layers for event in sent if isinstance(event, events.Looked)])
    first, again = films
    assert len(first) >= 20
    assert len(again) >= 20
    assert (first[0].step, first[-1].step) == (0, 400)
    assert {arm.arm for arm in first[0].arms} == {"none", "batch"}
    assert (again[0], again[-1]) == (first[0], first[-1])  # the same networks, to the bit


def test_amounts_change_the_data_and_nothing_else() -> None:
    data = load("cookies")
    plain, sweet = (with_amounts(data, amounts).data for amounts in ({}, {"sugar_cups": 4.0}))
    ratio = sweet.x_train / np.where(plain.x_train == 0, 1, plain.x_train)
    assert np.allclose(ratio[:, data.features.index("sugar_cups")], 4)
    others = [i for i, name in enumerate(data.features) if name != "sugar_cups"]
    assert np.array_equal(plain.x_train[:, others], sweet.x_train[:, others])
    assert plain.fingerprint != sweet.fingerprint
    assert plain.name != sweet.name


def test_the_factory_rule_can_say_no() -> None:
    rule = factory(with_amounts(load("cookies"), {}), rate=0.1, seeds=5).experiment.rule
    for value, low, high, seeds, answer in (
        (0.5, 0.4, 0.6, 5, FAILS),
        (3.0, 0.5, 9.0, 5, CANNOT_TELL),
        (3.0, 2.5, 4.0, 4, CANNOT_TELL),
    ):
        drift = Effect("", value, low, high, "", seeds=seeds, id="drift")
        assert rule.apply({"drift": drift}).answer == answer


def test_trust_finds_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [trust.gradient_error(norm, seed) for seed in range(20) for norm in trust.NORMS]
    assert max(found) < 1e-5  # the page's mark is at 1e-4, and each press takes another seed
    monkeypatch.setattr(trust, "RATE", trust.RATE)
    real = trust._shifted

    def wrong(weights, directions, h):  # type: ignore[no-untyped-def]
        return real(weights, directions, h * 1.01)

    monkeypatch.setattr(trust, "_shifted", wrong)
    assert trust.gradient_error("batch") > 1e-3


def test_the_cases_of_the_machine_are_those_of_the_normalizers() -> None:
    cases = json.loads((ROOT / "web" / "tests" / "machine.json").read_text("utf-8"))
    assert len(cases) >= 10
    for case in cases:
        table = np.array(case["table"], np.float64)
        layer = BatchNorm(table.shape[1], eps=case["eps"], dtype=np.float64)
        layer.gamma[:], layer.beta[:] = case["gamma"], case["beta"]
        with np.errstate(all="ignore"):
            # One example alone has no statistics; the layer refuses it.
            out = layer(table) if len(table) > 1 else np.array(case["out"], np.float64)
            within = LayerNorm(table.shape[1], eps=case["eps"], dtype=np.float64)(table)
        wanted = np.array(case["out"], np.float64)  # null is no number
        assert np.allclose(out, wanted, atol=1e-12, equal_nan=True), case
        assert np.allclose(within, np.array(case["within"], float), atol=1e-12, equal_nan=True)


def test_every_recorded_run_is_of_a_claim_there_is_and_says_when_and_where() -> None:
    page = (ROOT / "web" / "src" / "chapters").glob("*.tsx")
    named = set(re.findall(r'name: "([\w.]+)"', "".join(path.read_text("utf-8") for path in page)))
    assert named <= set(EXPERIMENTS)
    for name, (chapter, settings) in EXPERIMENTS.items():
        assert settings.get("claim", "speed") in CLAIMS
        chapters.normal(chapter, json.dumps(settings).encode())
        file = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        assert file["when"]
        assert file["machine"]
        assert file["result"]["verdict"]["answer"] in ANSWERS


def test_a_taken_port_is_a_readable_error() -> None:
    with serve.free_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(serve.LessonError, match=rf"port {port} .*--port 0"):
            serve.free_socket("127.0.0.1", port)


@pytest.mark.parametrize(
    ("served", "port", "asked", "allowed"),
    [
        ("127.0.0.1", 8765, "127.0.0.1:8765", True),
        ("127.0.0.1", 8765, "LocalHost:8765", True),
        ("127.0.0.1", 8765, "192.168.1.5:8765", False),
        ("127.0.0.1", 80, "127.0.0.1", True),
        ("::1", 8765, "[::1]:8765", True),
        ("192.168.1.5", 8765, "192.168.1.5:8765", True),
        ("192.168.1.5", 8765, "192.168.1.6:8765", False),
        ("0.0.0.0", 8765, "192.168.1.6:8765", True),
        ("0.0.0.0", 8765, "[2001:db8::7]:8765", True),
        ("0.0.0.0", 8765, "192.168.1.6:80", False),
        ("0.0.0.0", 8765, "192.168.1.6.evil.example:8765", False),
        ("0.0.0.0", 8765, "evil.example:8765", False),
        ("0.0.0.0", 8765, "", False),
        ("0.0.0.0", 8765, ":8765", False),
        ("0.0.0.0", 8765, f"{socket.gethostname()}:8765", True),
        ("0.0.0.0", 8765, f"{socket.gethostname().partition('.')[0]}.local:8765", True),
        ("0.0.0.0", 8765, "lesson.school:8765", True),
        ("0.0.0.0", 8765, "lesson.school", True),
    ],
)
def test_who_asks_by_an_address_or_a_known_name_is_answered(
    served: str, port: int, asked: str, allowed: bool
) -> None:
    assert Hosts.of(served, port, ["Lesson.School"]).allow(asked) is allowed


def test_the_machines_own_addresses_are_found() -> None:
    found = addresses("::")
    assert set(addresses("0.0.0.0")) <= set(found)
    assert len(set(found)) == len(found)
    for address in found:  # each is one of this machine: a socket can be bound to it
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as bound:
            bound.bind((address, 0))


# ---- what the page is told of trials -------------------------------------------------------------


def told(chapter: str, settings: object, curves: dict[str, Curve]) -> list[TrialShown]:
    """All trials that a study wants next."""
    study = chapters.study(chapter, chapters.normal(chapter, json.dumps(settings).encode()))
    return list(described(study, curves, study.trials(curves).trials))


def test_arms_dialled_alike_are_one_trial_at_two_places() -> None:
    arms = [{"width": 8}, {"width": 8}, {"width": 8, "norm": "batch"}]
    shown = told("bench", {"arms": arms, "seeds": 2, "seed": 5_000_000}, {})
    assert [trial.seed for trial in shown] == [5_000_000, 5_000_000, 5_000_001, 5_000_001]
    assert {trial.phase for trial in shown} == {"measuring"}
    both, third = shown[0], shown[1]
    assert [place.cell["arm"] for place in both.places] == ["1", "2"]
    assert [place.cell["arm"] for place in third.places] == ["3"]


def test_who_searches_and_who_measures_at_which_rates_follows_from_the_curves() -> None:
    settings = {"data": "cookies", "depth": 1, "seeds": 2}
    study = chapters.study("race", chapters.normal("race", json.dumps(settings).encode()))
    curves: dict[str, Curve] = {}
    while (wanted := study.trials(curves)).phase == "tuning":
        shown = described(study, curves, wanted.trials)
        assert {trial.phase for trial in shown} == {"tuning"}
        assert {trial.places[0].cell["arm"] for trial in shown} <= {"none", "batch"}
        assert not any(trial.places[0].at for trial in shown)
        curves |= {trial.key: invented(trial) for trial in wanted.trials}
    shown = described(study, curves, wanted.trials)
    best = study.race.search(curves).best  # type: ignore[union-attr]
    assert len(set(best.values())) == 2
    at_best = [trial for trial in shown if "best" in trial.places[0].at]
    assert len(at_best) == 4
    assert all(trial.rate == best[trial.places[0].cell["arm"]] for trial in at_best)
    hosted = [trial for trial in shown if "at-batch" in trial.places[0].at]
    assert {trial.rate for trial in hosted} == {best["batch"]}
    assert len(hosted) == 4


def invented(trial: Trial) -> Curve:
    """A curve whose height depends on how near the learning rate is to the arm's own best."""
    best = -0.5 if trial.network.norm == "batch" else -1.5
    end = 0.9 - 0.1 * abs(np.log10(trial.learning_rate) - best)
    step = np.array(trial.evaluation_steps())
    nothing = np.full(len(step), np.nan)
    metric = np.linspace(0.25, end, len(step))
    return Curve(trial, step, nothing, nothing, nothing, metric, nothing, nothing, "finished",
                 trial.steps)  # fmt: skip


def test_only_new_points_are_copied() -> None:
    network = Network(inputs=64, hidden=(8,), outputs=10)
    with Session([Trial(network, "digits", steps=40, evaluate_every=10)], threads=1) as session:
        session.advance(20)
        first = session.points(0)
        session.advance(20)
        rest, whole = session.points(0, len(first.step)), session.curves()[0]
    assert np.concatenate([first.step, rest.step]).tolist() == whole.step.tolist()
    assert np.array_equal(np.concatenate([first.metric, rest.metric]), whole.metric)
    assert (first.ended, rest.ended, rest.ended_at) == ("running", "finished", 40)
