"""What the page does between its runs: settings, focus, reloads, small screens, several tabs."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from lesson_client import Server
from lesson_page import (
    DESKTOP,
    LONGEST,
    PAGES,
    PHONE,
    go,
    opened,
    predict,
    press,
    pretend,
    show,
    speak,
)
from playwright.sync_api import Browser, Page

from evenbatch.lesson.recorded import EXPERIMENTS

START = ".experiment .controls .primary"
STRIPS = [name for name in EXPERIMENTS if name not in ("factory", "race")]
SMALL_BENCH = json.dumps({"steps": 100, "seeds": 2, "arms": [{"width": 8}, {"width": 8}]})

# Pairs of texts of one drawing that overlap by more than a rim, and texts that its edge cuts off.
COLLIDING = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('.verdict svg, .machine svg')) {
    const texts = [...svg.querySelectorAll('text')].filter((t) => t.textContent.trim());
    const boxes = texts.map((t) => t.getBoundingClientRect());
    const edge = svg.getBoundingClientRect();
    boxes.forEach((box, i) => {
      const out = Math.max(edge.left - box.left, box.right - edge.right, edge.top - box.top,
        box.bottom - edge.bottom);
      if (out > 3) found.push(`cut off: ${texts[i].textContent}`);
    });
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, k) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      const pair = [texts[i].textContent, texts[i + 1 + k].textContent];
      if (wide > 2 && high > 4 && pair[0] !== pair[1]) found.push(pair.join(' | '));
    }));
  }
  return found;
}"""

# Once figures have been drawn anew for the width that they have now.
DRAWN = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""


def verdict(page: Page) -> None:
    page.wait_for_selector(".verdict", timeout=LONGEST)


def seeds(page: Page) -> str:
    return page.locator(".experiment .drawn summary").last.inner_text()


# ---- again, and with other settings --------------------------------------------------------------


def test_start_can_be_pressed_again_and_again_and_takes_new_seeds(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        show(page, server, "factory")
        shown = []
        for _ in range(3):
            press(page, START, keyboard=False)
            page.wait_for_function("() => !document.querySelector('.experiment progress')")
            verdict(page)
            shown.append(seeds(page))
        assert ["seeds 0–4" in shown[0], "seeds 5–9" in shown[1], "seeds 10–14" in shown[2]] == [
            True
        ] * 3


def test_the_workbench_runs_again_and_its_link_and_lines_have_the_new_seed(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        go(page, server, f"bench?state={SMALL_BENCH}")
        for first in (0, 2, 4):
            press(page, ".controls .primary", keyboard=False)
            page.wait_for_function(
                "(seeds) => [...document.querySelectorAll('.drawn summary')]"
                ".some((s) => s.textContent.includes(seeds)) && document.querySelector('.verdict')",
                arg=f"seeds {first}–{first + 1}",
            )
            assert f'"seed":{first}' in page.evaluate("decodeURIComponent(location.hash)")
            lines = page.locator("pre code").text_content() or ""
            assert f"range({first}, {first + 2})" in lines


def test_a_result_of_other_settings_says_so(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        show(page, server, "factory")
        press(page, START, keyboard=False)
        verdict(page)
        assert page.locator(".stale").count() == 0
        slider = page.locator(".experiment .knobs input").first
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".stale .other-settings").is_visible()
        assert page.locator(START).inner_text() != "Run again, with new seeds"
        page.keyboard.press("ArrowLeft")
        assert page.locator(".stale").count() == 0
        page.keyboard.press("ArrowRight")
        press(page, START, keyboard=False)
        page.wait_for_function("() => !document.querySelector('.stale')")
        verdict(page)
        assert "seeds 0–4" in seeds(page)


# ---- where the focus is --------------------------------------------------------------------------


def focused(page: Page, selector: str) -> bool:
    found: bool = page.evaluate("(s) => document.activeElement?.matches(s) ?? false", selector)
    return found


def test_who_uses_the_keyboard_is_never_lost(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "factory")
        predict(page, keyboard=True)
        page.wait_for_function("() => document.activeElement.matches('.locked')")
        page.locator(START).focus()
        page.keyboard.press("Enter")
        assert focused(page, START) or focused(page, ".verdict h3")
        verdict(page)
        page.wait_for_function("() => document.activeElement.matches('.verdict h3')")


def test_stopping_and_removing_lead_to_what_comes_next(browser: Browser, server: Server) -> None:
    state = json.dumps({"steps": 3000, "seeds": 10, "seed": 99, "arms": [{"depth": 20}, {}]})
    with opened(browser) as page:
        go(page, server, f"bench?state={state}")
        press(page, ".controls .primary", keyboard=True)
        stop = page.get_by_role("button", name="Stop")
        stop.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.matches('.controls .primary')")
        page.get_by_role("button", name="Remove this arm").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.textContent === 'Add an arm'")


def test_start_is_pressed_once_however_often_it_is_hit(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        heard = pretend(page, until="trials")
        show(page, server, "factory")
        page.locator(START).focus()
        for _ in range(4):
            page.keyboard.press("Enter")
        page.evaluate(
            "(s) => { for (let i = 0; i < 3; i++) document.querySelector(s).click(); }", START
        )
        page.wait_for_selector(".drawn")
        assert [asked["type"] for asked in heard] == ["start"]


# ---- reload, tabs, links -------------------------------------------------------------------------


def test_a_reload_keeps_settings_and_result(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        show(page, server, "factory")
        page.locator(".experiment .knobs input").first.focus()
        page.keyboard.press("ArrowRight")
        press(page, START, keyboard=False)
        verdict(page)
        said = page.locator(".verdict > p").first.inner_text()
        page.reload()
        verdict(page)
        assert page.locator(".experiment .knobs output").first.inner_text() == "× 2"
        assert page.locator(".stale").count() == 0
        assert said in page.locator(".verdict").inner_text()
        assert "Your own run" in page.locator(".verdict").inner_text()
        press(page, START, keyboard=False)
        page.wait_for_function("() => document.querySelector('.floor .crumbs')")
        verdict(page)
        assert "seeds 5–9" in seeds(page)


@pytest.mark.parametrize("kept", ["{", "[]", '{"results": {"race": {"answer": "holds"}}}'])
def test_what_an_older_page_kept_does_no_harm(browser: Browser, server: Server, kept: str) -> None:
    with opened(browser) as page:
        page.add_init_script(f"localStorage.setItem('evenbatch-lesson', {json.dumps(kept)})")
        for place in ("race", "review"):
            go(page, server, place)
            assert page.locator("h1").is_visible()


def test_two_tabs_lose_nothing_of_each_other(browser: Browser, server: Server) -> None:
    with opened(browser) as one:
        two = one.context.new_page()
        go(two, server, "rates")
        show(one, server, "factory")
        press(one, START, keyboard=False)
        verdict(one)
        predict(two)
        one.reload()
        verdict(one)
        go(one, server, "rates")
        assert one.locator(".locked").count() == 1


ARMS = ".arms button[aria-pressed]"


def test_a_link_followed_in_the_workbench_is_taken(browser: Browser, server: Server) -> None:
    with opened(browser) as page:
        go(page, server, "bench")
        assert page.locator(ARMS).count() == 2
        page.evaluate("(state) => { location.hash = '#/bench?state=' + state; }", '{"arms":[{}]}')
        page.wait_for_function(f"() => document.querySelectorAll('{ARMS}').length === 1")
        page.goto("about:blank")
        page.goto(f"{server.address}/#/bench")
        page.wait_for_selector(ARMS)
        assert page.locator(ARMS).count() == 1  # as it was left


@pytest.mark.parametrize(
    "state", ['{"arms":[{"depth":-1}]}', '{"arms":[{"norm":"x"}],"steps":null}', "%", "{"]
)
def test_a_broken_link_opens_a_workbench(browser: Browser, server: Server, state: str) -> None:
    with opened(browser) as page:
        go(page, server, f"bench?state={state}")
        assert page.locator(ARMS).count() >= 1
        assert "Network(" in (page.locator("pre code").text_content() or "")


def test_a_check_asked_for_without_a_connection_is_made_once_there_is_one(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        go(page, server, "home")
        page.locator(".trust summary").click()
        page.evaluate("window.evenbatch.live.drop()")
        page.wait_for_function("() => window.evenbatch.live.state === 'lost'")
        page.locator(".trust button").click()
        page.wait_for_selector(".trust table", timeout=LONGEST)


# ---- how it fits ---------------------------------------------------------------------------------


def test_the_way_through_the_chapters_is_one_row_everywhere(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as page:
        pretend(page)
        high = {}
        for place in PAGES:
            go(page, server, place)
            for language in ("en", "de"):
                speak(page, language)
                for wide in (700, 1024, 1280):
                    page.set_viewport_size({"width": wide, "height": 800})
                    box = page.locator(".way").bounding_box()
                    assert box is not None
                    high[place, language, wide] = round(box["height"])
        assert len(set(high.values())) == 1, high


def test_numbers_of_a_run_are_in_sight_on_a_phone(browser: Browser, server: Server) -> None:
    with opened(browser, viewport=PHONE) as page:
        pretend(page, until="trials")
        for name in STRIPS:
            show(page, server, name)
            press(page, START, keyboard=False)
            for language in ("en", "de"):
                speak(page, language)
                box = page.locator(".strip-table tbody td").first.bounding_box()
                assert box is not None
                assert box["x"] + box["width"] <= PHONE["width"] * 0.75, (name, language)


def test_words_in_figures_do_not_run_into_each_other(browser: Browser, server: Server) -> None:
    with opened(browser, viewport=DESKTOP) as page:
        pretend(page)
        colliding = {}
        for name in EXPERIMENTS:
            show(page, server, name)
            press(page, START, keyboard=False)
            page.wait_for_selector(".verdict svg")
            for language in ("en", "de"):
                speak(page, language)
                for screen, size in (("desktop", DESKTOP), ("phone", PHONE)):
                    page.set_viewport_size(size)
                    page.evaluate(DRAWN)
                    colliding[name, language, screen] = page.evaluate(COLLIDING)
        assert not any(colliding.values()), colliding


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_machine_undone_shows_every_order_at_its_own_place(
    browser: Browser, server: Server, size: dict[str, int]
) -> None:
    with opened(browser, viewport=size) as page:
        go(page, server, "machine")
        page.locator(".steps button").nth(3).click()
        page.get_by_role("button", name="Set gamma to the spread").click()
        lines = page.locator(".machine .lines").last.locator("svg > g")
        assert lines.count() == 3
        for line in range(2):  # sugar and flour differ; the oven does not
            places = [dot.bounding_box() for dot in lines.nth(line).locator(".cookie").all()]
            middles = sorted(box["x"] for box in places if box)
            assert min(b - a for a, b in pairwise(middles)) > 8
        assert page.evaluate(COLLIDING) == []
