"""Progress: how much is done, how much there is, and how long it will take."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evenbatch.engine import Network, Trial
from evenbatch.protocol.verdict import Round
from evenbatch.report.progress import Pace, Watcher, Work, cost, counted


def trial(depth: int = 3, steps: int = 1000) -> Trial:
    return Trial(Network(64, (64,) * depth, 10), steps=steps)


class Clock:
    """A clock that only goes when it is made to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def log() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def test_on_a_log_it_is_lines_with_counts_and_time_left() -> None:
    clock, console = Clock(), log()
    with Watcher(
        console, {"0": Round("training", (trial(),) * 30), "1": 0}, clock=clock
    ) as watcher:
        watch = watcher.of("0", "digits")
        first = Round("tuning", (trial(),) * 20, 10)
        for done in range(21):
            watch(first, done)
            clock.now += 1
        watch(Round("measuring", (trial(),) * 15), 0)
        watcher.finish("0")
    lines = shown(console)
    assert lines[0] == "digits: finding learning rates, 0 of about 30 runs"
    assert lines[1] == "digits: finding learning rates, 5 of about 30 runs, about 25 s left"
    assert lines[-1] == "digits: measuring on fresh seeds, 20 of about 35 runs, about 15 s left"
    assert len(lines) == 6, "one every five seconds, and one for what is new"


def test_dear_runs_count_for_more_than_cheap_ones() -> None:
    cheap, dear = trial(3), trial(30)
    assert 5 < cost(dear) / cost(cheap) < 20
    assert cost(trial(steps=2000)) / cost(trial()) == pytest.approx(2, rel=0.05)
    clock, console = Clock(), log()
    guesses = {"0": Round("training", (cheap,) * 10), "1": Round("training", (dear,) * 10)}
    with Watcher(console, guesses, ["a", "b"], clock) as watcher:
        watch = watcher.of("0", "digits")
        for done in range(11):
            watch(guesses["0"], done)
            clock.now += 1
        watcher.of("1", "digits")(guesses["1"], 0)
    seconds = 10 * cost(dear) / cost(cheap)
    minutes = f"{int(seconds // 60)} min {round(seconds % 60)} s"
    assert shown(console)[-1] == f"b, digits: training, 10 of about 20 runs, about {minutes} left"


def test_what_the_store_answered_tells_nothing_about_the_pace() -> None:
    clock, console = Clock(), log()
    with Watcher(console, {"0": 100}, clock=clock) as watcher:
        watch = watcher.of("0", "digits")
        whole = Round("tuning", (trial(),) * 100)
        watch(whole, 0)
        watch(whole, 80)
        for done in range(81, 86):
            clock.now += 2
            watch(whole, done)
    last = "digits: finding learning rates, 83 of about 100 runs, about 34 s left"
    assert shown(console)[-1] == last


def test_the_pace_is_that_of_the_last_while() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.seconds(10) is None
    for seconds in (1.0,) * 20 + (3.0,) * 40:
        clock.now += seconds
        pace.add(1.0)
    assert pace.seconds(10) == pytest.approx(30)


def test_a_claims_bar_and_one_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    guesses = {"0": 4, "1": 4, "2": 8}
    with Watcher(console, guesses, ["speed", "speed", "depth"], clock) as watcher:
        watch = watcher.of("0", "digits")
        for done in range(4):
            watch(Round("tuning", (trial(),) * 4), done)
            clock.now += 1
        with watcher.paused():
            console.print("a verdict")
        assert watcher._standing(["0", "1"]).total == Work(4, 4 * cost(trial())) + Work(4, 4)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "all claims" in text
    assert "speed, digits: finding learning rates" in text
    assert "3/16" in text, "all"
    assert "3/8" in text, "the claim's"
    assert text.count("a verdict") == 1


def test_work_whose_trials_are_not_listed_is_counted_too() -> None:
    clock, console = Clock(), log()
    with Watcher(console, {"sweep": 50}, clock=clock) as watcher:
        watch = counted(watcher.of("sweep", "grid.toml"), 50)
        for done in range(11):
            watch(done)
            clock.now += 1
    assert shown(console)[-1] == "grid.toml: training, 10 of about 50 runs, about 40 s left"


def test_no_console_means_no_progress() -> None:
    with Watcher(None, {"0": 2}) as watcher:
        watcher.of("0", "digits")(Round("tuning", ()), 0)
