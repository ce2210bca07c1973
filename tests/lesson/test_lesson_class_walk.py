"""A teacher and two pupils in real browsers: join, vote, train, see it on the wall."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from lesson_client import served
from lesson_page import DESKTOP, LONGEST, PHONE, SHOTS, found_by_axe, opened, too_wide

PROJECTOR = {"width": 1920, "height": 1080}


def test_a_class_from_joining_to_the_wall(browser: Any, tmp_path: Path) -> None:
    book, store = tmp_path / "class.jsonl", tmp_path / "store.db"
    options = ("--class", "--class-file", str(book))
    SHOTS.mkdir(parents=True, exist_ok=True)
    with (
        served(store, *options) as server,
        opened(browser, viewport=PROJECTOR) as wall,
        opened(browser, viewport=PHONE) as one,
        opened(browser, viewport=DESKTOP) as two,
    ):
        first = json.loads(book.read_text("utf-8").splitlines()[0])
        wall.goto(f"{server.address}/wall#{first['secret']}")
        wall.wait_for_selector(".code")
        assert first["secret"] not in wall.url, "whoever sees the projector could read it"
        assert wall.inner_text(".code") == first["code"]
        for place, page in enumerate((one, two), 1):
            page.goto(f"{server.address}/#/join?{first['code']}")
            page.click(".join button")
            page.wait_for_selector(".joined")
            assert page.inner_text(".place") == f"Pair {place}"
            assert too_wide(page) == 0
        one.screenshot(path=SHOTS / "class-pupil-joined.png")
        # Follow me.
        wall.select_option(".leading select >> nth=0", "factory")
        wall.get_by_role("button", name="Follow me").click()
        for page in (one, two):
            page.wait_for_url("**/#/factory")
            page.click(".prediction input >> nth=1")
            page.click(".prediction button")
        wall.wait_for_selector("text=2 of 2 pairs have voted, 0 have a result.")
        assert wall.locator(".votes, .dot").count() == 0, "covered until it is revealed"
        one.click(".experiment .controls .primary")
        two.click(".experiment .controls .primary")
        # Led on while it trains: what it finds counts all the same.
        wall.select_option(".leading select >> nth=1", "race")
        wall.select_option(".leading select >> nth=0", "machine")
        wall.get_by_role("button", name="Follow me").click()
        two.wait_for_url("**/#/machine")
        wall.select_option(".leading select >> nth=1", "factory")
        wall.wait_for_selector("text=2 of 2 pairs have voted, 2 have a result.", timeout=LONGEST)
        wall.get_by_role("button", name="Reveal").click()
        wall.wait_for_selector(".dot >> nth=1")
        assert wall.locator(".votes strong").all_inner_texts() == ["0", "2", "0", "0"]
        assert "2 pairs together" in wall.inner_text(".together")
        wall.screenshot(path=SHOTS / "class-wall.png")
        lines = [json.loads(line) for line in book.read_text("utf-8").splitlines()[1:]]
        seeds = [line["said"]["settings"]["seed"] for line in lines if "settings" in line["said"]]
        assert sorted(seeds) == [1000, 2000], "each pair has seeds of its own"
        # The teacher speaks.
        wall.get_by_role("button", name="Pause").click()
        one.wait_for_selector(".paused")
        assert one.locator("[inert] .way").count() == 1
        wall.get_by_role("button", name="Go on").click()
        one.wait_for_selector(".paused", state="detached")
        # Loaded anew, a device is who it was, and is not led back to where the class was.
        one.goto(f"{server.address}/#/race")
        one.reload()
        one.wait_for_selector("text=Pair 1")
        assert one.url.endswith("#/race")
        # Asked to forget, it is still who it is.
        one.evaluate("() => { window.confirm = () => true; location.hash = '#/review'; }")
        one.get_by_role("button", name="Forget").click()
        assert one.inner_text(".place") == "Pair 1"


def test_a_killed_server_is_found_again_and_gets_what_it_missed(
    browser: Any, tmp_path: Path
) -> None:
    book, store = tmp_path / "class.jsonl", tmp_path / "store.db"
    options = ("--class", "--class-file", str(book))
    context = browser.new_context(viewport=PHONE, locale="en-US")
    page = context.new_page()
    with served(store, *options) as server:
        first = json.loads(book.read_text("utf-8").splitlines()[0])
        page.goto(f"{server.address}/#/join?{first['code']}")
        page.click(".join button")
        page.wait_for_selector(".joined")
        page.evaluate("location.hash = '#/race'")
        page.wait_for_selector(".prediction input")
        os.kill(server.pid, signal.SIGKILL)
        page.wait_for_selector("text=The class cannot be reached")
        page.click(".prediction input >> nth=3")
        page.click(".prediction button")
    assert "vote" not in book.read_text("utf-8")
    with served(store, *options, "--port", str(server.port)):
        page.wait_for_function(
            "() => !document.querySelector('.place').innerText.includes('reached')", timeout=30_000
        )
        page.wait_for_function(
            "() => JSON.parse(localStorage['evenbatch-lesson']).unsent.length === 0"
        )
    said = [json.loads(line)["said"] for line in book.read_text("utf-8").splitlines()[1:]]
    assert [s["option"] for s in said if s["type"] == "vote"] == ["ten"]
    context.close()


def test_a_stranger_sees_no_wall(browser: Any, tmp_path: Path) -> None:
    options = ("--class", "--class-file", str(tmp_path / "class.jsonl"))
    with (
        served(tmp_path / "store.db", *options) as server,
        opened(browser, viewport=DESKTOP) as page,
    ):
        page.goto(f"{server.address}/wall#guess")
        page.wait_for_selector("[role=alert]")
        assert "not the teacher's address" in page.inner_text("[role=alert]")
        page.goto(f"{server.address}/#/join?WRONG")
        page.click(".join button")
        page.wait_for_selector("text=That is not the code on the wall.")
        assert page.locator(".place").count() == 0


def test_axe_finds_nothing_on_the_wall(browser: Any, tmp_path: Path) -> None:
    book = tmp_path / "class.jsonl"
    options = ("--class", "--class-file", str(book))
    with (
        served(tmp_path / "store.db", *options) as server,
        opened(browser, viewport=PROJECTOR, bypass_csp=True) as page,
    ):
        first = json.loads(book.read_text("utf-8").splitlines()[0])
        page.goto(f"{server.address}/wall#{first['secret']}")
        page.wait_for_selector(".covered")
        assert not found_by_axe(page)
        page.get_by_role("button", name="Reveal").click()
        page.wait_for_selector(".votes")
        assert not found_by_axe(page)
