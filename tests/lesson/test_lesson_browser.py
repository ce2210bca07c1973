"""The page in a real Chromium, against the real server and engine."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from lesson_client import Server
from lesson_page import (
    CHAPTERS,
    DESKTOP,
    LONGEST,
    PAGES,
    PHONE,
    SHOTS,
    SMALLEST,
    choose,
    found_by_axe,
    go,
    opened,
    press,
    pretend,
    too_wide,
    walk,
)
from playwright.sync_api import Browser

from evenbatch.lesson import chapters


@pytest.mark.parametrize(
    ("language", "hand", "screen"),
    [
        # Every pair of two of them; a walk trains all chapters' experiments.
        ("en", "pointer", "desktop"),
        ("en", "keyboard", "phone"),
        ("de", "keyboard", "desktop"),
        ("de", "pointer", "phone"),
    ],
)
def test_every_chapter_can_be_walked_to_its_end(
    browser: Browser, server: Server, language: str, hand: str, screen: str
) -> None:
    keyboard, phone = hand == "keyboard", screen == "phone"
    locale = "de-DE" if language == "de" else "en-US"
    size = PHONE if phone else DESKTOP
    # axe reads one walk's chapters. It is from outside, which the page's own policy would refuse.
    audited = (language, hand) == ("en", "pointer")
    with opened(browser, locale=locale, viewport=size, has_touch=phone, bypass_csp=audited) as page:
        go(page, server, "factory")
        for place, chapter in enumerate(CHAPTERS):
            page.wait_for_selector(f'.way a[aria-current="page"] >> text={place + 1}')
            walk(page, chapter, keyboard)
            assert not too_wide(page), f"{chapter}: {too_wide(page)} pixels wider than the screen"
            SHOTS.mkdir(parents=True, exist_ok=True)
            name = f"{place + 1}-{chapter}-{'phone' if phone else 'desktop'}-{language}.png"
            page.screenshot(path=SHOTS / name, full_page=True)
            if audited:
                page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
                assert not found_by_axe(page), chapter
            if chapter != "review":
                press(page, ".onward .primary", keyboard)
        rows = page.locator(".record tbody tr")
        assert rows.count() == 7
        for row in range(rows.count()):
            assert "–" not in rows.nth(row).locator("td").nth(0).inner_text()
            assert rows.nth(row).locator("td").nth(1).inner_text() != "–"
        assert page.locator(".own").count() >= 6


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_page_is_wider_than_the_smallest_screen(
    browser: Browser, server: Server, language: str
) -> None:
    locale = "de-DE" if language == "de" else "en-US"
    with opened(browser, locale=locale, viewport=SMALLEST) as page:
        wide = {}
        for level in ("cookie", "maths"):
            for place in PAGES:
                go(page, server, place)
                page.locator(".switch button").nth(int(level == "maths")).click()
                page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
                wide[place, level] = too_wide(page)
    assert not any(wide.values()), wide


@pytest.mark.parametrize("place", ["home", "bench", "teacher", "codes"])
def test_axe_finds_nothing(browser: Browser, server: Server, place: str) -> None:
    """Of the chapters it reads what a walk leaves of them, above."""
    with opened(browser, viewport=DESKTOP, bypass_csp=True) as page:
        go(page, server, place)
        assert not found_by_axe(page)


def test_decimals_can_be_typed_and_the_old_amounts_brought_back(
    browser: Browser, server: Server
) -> None:
    with opened(browser, locale="de-DE") as page:
        go(page, server, "machine")
        page.locator(".machine summary").click()
        first = page.locator(".editable input").first
        first.fill("")
        first.press_sequentially("2,5")
        assert first.input_value() == "2,5"
        mean = page.locator(".result td").first
        assert mean.inner_text() == "5,625"  # of 2.5, 10, 6 and 4
        page.locator(".steps button").nth(3).click()
        page.get_by_role("button", name=re.compile("Gamma auf die Streuung")).click()
        out = page.locator(".machine table").last.locator("td").all_inner_texts()
        assert out[:6] == ["2,5", "400", "180", "10", "620", "180"]


def test_cookies_are_dragged_and_slide_to_zero(browser: Browser, server: Server) -> None:
    with opened(browser, viewport=PHONE, has_touch=True, reduced_motion="reduce") as page:
        go(page, server, "machine")
        sugar = page.locator(".lines svg > g").first
        cookies = sugar.get_by_role("slider")
        zero = sugar.locator(".zero")

        def places() -> list[float]:
            boxes = [one.locator(".cookie").bounding_box() for one in cookies.all()]
            middle = zero.bounding_box()
            assert middle is not None
            return [box["x"] + box["width"] / 2 - middle["x"] for box in boxes if box]

        at = places()
        assert min(at) > 0  # cups of sugar
        page.locator(".steps button").nth(1).click()
        moved = places()
        assert abs(sum(moved)) < 4
        assert all(abs(b - a - (moved[0] - at[0])) < 0.1 for a, b in zip(at, moved, strict=True))
        page.locator(".steps button").nth(2).click()
        assert max(places()) - min(places()) < 0.9 * (max(at) - min(at))
        assert "sugar, they still are 1, 4, 3, 2" in page.locator(".machine").inner_text()
        for times in (1, 2):  # by keys: from 4 cups to as many as order 3 has, and beyond
            cookies.nth(3).focus()
            for _ in range(4 * times):
                page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowLeft")
        assert cookies.nth(3).get_attribute("aria-valuenow") == "9"
        assert "they still are 1, 3, 4, 2" in page.locator(".machine").inner_text()
        page.locator(".steps button").first.click()
        box = cookies.nth(0).locator(".cookie").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 8, box["y"] + 8)
        page.mouse.down()
        page.mouse.move(box["x"] + 8 + at[1] - at[0], box["y"] + 30)  # to where order 2 is
        page.mouse.up()
        assert cookies.nth(0).get_attribute("aria-valuenow") == "10"
        page.reload()
        page.wait_for_selector(".lines")
        assert cookies.nth(0).get_attribute("aria-valuenow") == "10"
        page.get_by_role("button", name="Put everything back").click()
        assert places() == at


def test_a_whisper_fades_or_swells_and_layers_light_up(browser: Browser, server: Server) -> None:
    with opened(browser, viewport=PHONE) as page:
        pretend(page)
        go(page, server, "tower")
        slider, said = page.locator(".touch input"), page.locator(".touch [aria-live]")
        windows = page.locator(".touch .window")
        level = "one => getComputedStyle(one).getPropertyValue('--level').trim()"
        for _ in "ab":
            slider.focus()
            page.keyboard.press("End")
            assert "117 times as loud as at the top, and with the corridor 118" in said.inner_text()
            page.keyboard.press("Home")
            assert "0.00515 times as loud as at the top, and with the corridor 1.01" in (
                said.inner_text()
            )
        lit = [one.evaluate(level) for one in windows.all()]
        assert len(lit) == 100
        assert (lit[0], lit[49], lit[99]) == ("98%", "0%", "100%")
        page.reload()
        page.wait_for_selector(".touch .window")
        assert slider.input_value() == "0.9"
        choose(page, "tower.gradients")
        assert page.locator(".experiment .window").count() == 0  # before it is measured
        press(page, ".experiment .controls .primary", keyboard=False)
        figure = page.locator(".verdict > figure")
        windows = figure.locator(".window")
        windows.first.wait_for()
        assert windows.count() == 14
        lit = [one.evaluate(level) for one in windows.all()]
        assert (lit[6], lit[13]) == ("1%", "100%")  # the faintest is of a later step
        drawn = figure.locator("svg").get_attribute("aria-label") or ""
        assert drawn.startswith("no normalization: 20 0.019, ")
        assert drawn.endswith("2 44")
        figure.locator("input").focus()
        for pressed, step in (("End", "190"), ("Home", "0")) * 2:
            page.keyboard.press(pressed)
            assert figure.locator("output").inner_text() == step
            now = figure.locator("svg").get_attribute("aria-label")
            assert (now == drawn) is (step == "0")


def test_seeds_and_keys_stand_under_every_chart(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "factory")
        walk(page, "factory", keyboard=False)
        figures = page.locator(".experiment figure")
        assert figures.count() == 2
        for place in range(2):
            line = figures.nth(place).locator(".drawn summary")
            assert "seed" in line.inner_text()
            short = line.locator("code").all_inner_texts()
            assert short
            assert all(re.fullmatch(r"[0-9a-f]{8}", key) for key in short)
            line.click()
            figures.nth(place).locator(".keys").wait_for()
            long = figures.nth(place).locator(".keys code").all_inner_texts()
            assert {key[:8] for key in long} >= set(short)
        assert "seeds 0–4" in figures.nth(1).locator(".drawn summary").inner_text()
        curves = figures.nth(1).locator(".keys code").all_inner_texts()
        settings = chapters.normal("factory", b"{}")
        trained = chapters.study("factory", settings).trials({}).trials
        assert set(curves) == {trial.key for trial in trained}
        go(page, server, "rates")
        walk(page, "rates", keyboard=False)
        assert page.locator(".verdict figure .drawn code").count() == 3


def test_the_layers_film_runs_and_can_be_held(browser: Browser, server: Server) -> None:
    with opened(browser, reduced_motion="reduce") as page:
        go(page, server, "factory")
        sack = page.locator(".floor .rises").first
        low = sack.get_attribute("style")
        page.locator(".experiment .knobs input").first.focus()
        page.keyboard.press("ArrowRight")
        assert sack.get_attribute("style") != low
        assert "sugar × 2" in (page.locator(".floor svg").first.get_attribute("aria-label") or "")
        page.keyboard.press("ArrowLeft")
        assert sack.get_attribute("style") == low
        piles = page.locator(".figure.floor svg")
        assert piles.locator(".crumbs").count() == 0  # nothing is known before it is trained
        walk(page, "factory", keyboard=False)
        slider = page.locator(".reel input")
        assert piles.locator(".crumbs").count() == piles.locator(".ghost").count() == 6
        last = int(slider.get_attribute("max") or 0)
        assert last >= 20
        assert slider.input_value() == str(last)  # no film of its own for those who want none
        slider.focus()
        page.keyboard.press("Home")
        assert page.locator(".reel output").inner_text() == "0"
        drawn = "path => path.getAttribute('d')"
        heaps, ghosts = (
            [one.evaluate(drawn) for one in piles.locator(kind).all()]
            for kind in (".crumbs", ".ghost")
        )
        assert heaps == ghosts  # at the start, the pile at the start
        assert "0 spreads from the start" in (piles.get_attribute("aria-label") or "")
        page.locator(".reel button").click()
        page.wait_for_function(
            "(last) => +document.querySelector('.reel input').value === last", arg=last
        )
        for heap, ghost in zip(
            *(piles.locator(kind).all() for kind in (".crumbs", ".ghost")), strict=True
        ):
            assert heap.evaluate(drawn) != ghost.evaluate(drawn)
        assert "of 100 right" in (piles.text_content() or "")


def test_the_python_lines_repeat_what_the_workbench_showed(
    browser: Browser, server: Server
) -> None:
    state = json.dumps({"steps": 150, "seeds": 2, "arms": [{"norm": "layer", "width": 24}]})
    with opened(browser, accept_downloads=True) as page:
        go(page, server, f"bench?state={state}")
        press(page, ".controls .primary", keyboard=False)
        page.wait_for_selector(".verdict", timeout=LONGEST)
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV").click()
        lines = Path(saved.value.path()).read_text("utf-8").splitlines()
        with page.expect_download() as picture:
            page.get_by_role("button", name="PNG").click()
        assert Path(picture.value.path()).read_bytes().startswith(b"\x89PNG")
        python = page.locator("pre code").text_content() or ""
        link = page.url
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(python, {})
    ends = {}
    for line in lines[1:]:
        cells = line.split(",")
        ends[cells[1]] = float(cells[4])  # the last line of a seed is its end
    told = {line.split()[1]: float(line.split()[2]) for line in said.getvalue().splitlines()}
    assert told.keys() == ends.keys()
    assert all(abs(told[seed] - ends[seed]) < 1e-6 for seed in ends)
    with opened(browser) as page:
        page.goto(link)
        page.wait_for_selector(".arm")
        assert page.locator(".arms button").all_inner_texts() == ["1. layer norm", "Add an arm"]
        assert page.locator(".arm select").first.input_value() == "layer"


def test_the_workbench_compares_all_arms_with_the_first(browser: Browser, server: Server) -> None:
    slow, fast = {"norm": "batch", "learning_rate": 0.001}, {"norm": "batch", "learning_rate": 0.1}
    state = json.dumps({"steps": 150, "seeds": 3, "arms": [slow, fast, fast]})
    with opened(browser, accept_downloads=True) as page:
        go(page, server, "bench")
        page.get_by_label("A link or settings").fill("http://elsewhere.example/x")
        page.keyboard.press("Enter")
        page.get_by_text("That is no link to a workbench.").wait_for()
        # The address of another computer's lesson stands before the settings.
        page.get_by_label("A link or settings").fill(f"http://10.0.0.7:8000/#/bench?state={state}")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="3. learning rate 0.1").click()
        page.get_by_label("batch size").fill("7")
        press(page, ".controls .primary", keyboard=False)
        page.wait_for_selector(".ends", timeout=LONGEST)
        rows = page.locator(".ends tbody tr").all_inner_texts()
        names = [row.split("\t")[0] for row in rows]
        assert names[0] == "1. learning rate 0.001, batch size 32"
        assert names[2] == "3. learning rate 0.1, batch size 128"
        assert "–" in rows[0]
        for row in rows[1:]:
            assert re.search(r"\+\d+(\.\d)? points \(\+\d+(\.\d)? to \+\d+(\.\d)?\)", row), row
        with page.expect_download() as saved:
            page.get_by_role("button", name="PNG").click()
        content = Path(saved.value.path()).read_bytes()
        assert int.from_bytes(content[16:20]) == 1200  # a width for a report, whatever the window
        for _ in range(2):
            press(page, ".arm > button", keyboard=True)
        page.wait_for_function("() => document.activeElement.textContent === 'Add an arm'")
        assert page.locator(".arm > button").count() == 0


def test_a_reload_and_a_lost_connection_keep_what_is_finished(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        go(page, server, "factory")
        walk(page, "factory", keyboard=False)
        page.reload()
        page.wait_for_selector(".locked")
        go(page, server, "rates")
        press(page, ".prediction input >> nth=1", keyboard=False)
        press(page, ".prediction button", keyboard=False)
        page.select_option(".experiment select", index=1)
        press(page, ".experiment .controls .primary", keyboard=False)
        page.wait_for_selector(".strip-table")
        page.evaluate("window.evenbatch.live.drop()")
        page.wait_for_selector(".verdict", timeout=LONGEST)
        assert page.locator(".key-missing").count() == 0


SEEN = """() => {
  window.seen = [];
  new MutationObserver(() => {
    for (const what of ["progress", ".verdict"]) {
      if (document.querySelector(what) && !window.seen.includes(what)) window.seen.push(what);
    }
  }).observe(document.body, { subtree: true, childList: true });
}"""


def test_a_run_shows_that_it_is_on(browser: Browser, server: Server) -> None:
    """How fast the first points come is measured in bench/."""
    state = json.dumps({"steps": 3000, "seeds": 10, "seed": 4242})
    with opened(browser) as page:
        go(page, server, f"bench?state={state}")
        page.evaluate(SEEN)  # a fast run is over before anybody asks
        press(page, ".controls .primary", keyboard=False)
        page.wait_for_selector(".verdict", timeout=LONGEST)
        seen = page.evaluate("() => window.seen")
        assert seen.index("progress") < seen.index(".verdict")


def test_a_machine_too_slow_shows_a_recorded_run_and_says_so(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        page.route_web_socket("**/live", lambda _socket: None)  # an engine that never answers
        page.clock.install()
        page.goto(f"{server.address}/#/factory")
        press(page, ".prediction input >> nth=1", keyboard=False)
        press(page, ".prediction button", keyboard=False)
        recorded = page.get_by_role("button", name="Show a recorded run instead")
        assert recorded.count() == 0
        page.clock.fast_forward(21_000)
        recorded.click()
        page.wait_for_selector(".verdict")
        assert "Recorded, not live" in page.locator(".recorded").inner_text()
        assert int(page.locator(".reel input").get_attribute("max") or 0) >= 20
        kept = page.evaluate("JSON.parse(localStorage.getItem('evenbatch-lesson')).results")
        assert kept == {}  # a recorded run is nobody's own result


def test_reading_level_and_language_change_the_words_at_once(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        go(page, server, "machine")
        plain = page.locator(".story").inner_text()
        page.get_by_role("button", name="maths words").click()
        assert "σ²" in page.locator(".story").inner_text()
        page.get_by_role("button", name="cookie words").click()
        assert page.locator(".story").inner_text() == plain
        page.get_by_role("button", name="Deutsch").click()
        page.wait_for_function("() => document.documentElement.lang === 'de'")
        assert page.locator("h1").inner_text() == "Die Ausgleichsmaschine"


def test_the_teachers_pages_print(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "teacher")
        page.wait_for_selector(".sheet")
        page.emulate_media(media="print")
        assert not page.locator(".tools").is_visible()
        assert page.locator(".sheet").count() == 3  # cards, worksheet and key
        assert page.locator(".to-cut > div").count() == 10
        ends = page.locator("tbody tr:last-child th[scope=row]").all_inner_texts()[:2]
        assert ends == ["58–60", "43–45"]
        SHOTS.mkdir(parents=True, exist_ok=True)
        pdf = page.pdf(path=SHOTS / "teacher.pdf", format="A4")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 3 or len(pdf) > 20_000


def test_the_record_prints_alone_and_on_white(browser: Browser, server: Server) -> None:
    with opened(browser, color_scheme="dark") as page:
        go(page, server, "review")
        page.evaluate("window.print = () => { window.printed = document.body.dataset.print; }")
        page.locator(".record .primary").click()
        assert page.evaluate("window.printed") == "record"
        page.emulate_media(media="print")
        assert page.locator(".record table").is_visible()
        assert page.locator(".record .print-only").is_visible()
        assert not page.locator(".question-block").first.is_visible()
        assert not page.locator("h1").is_visible()
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
            "rgb(255, 255, 255)"
        )


def test_the_right_answer_is_not_always_the_first(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "review")
        blocks = page.locator(".check")
        for block in range(blocks.count()):
            blocks.nth(block).locator("input").first.click()
        right = page.locator(".check .feedback.right").count()
        assert 1 <= right <= blocks.count() // 2


def test_the_trust_corner_shows_a_fresh_check(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "home")
        page.locator(".trust summary").click()
        page.locator(".trust button").click()
        page.wait_for_selector(".trust table", timeout=60_000)
        cells = page.locator(".trust td").all_inner_texts()
        assert len(cells) == 5
        assert all("✓" in cell for cell in cells)
