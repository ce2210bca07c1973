"""What learners move with their own hands: the scenes of chapters 6 to 8, and words that open."""

from __future__ import annotations

import json

import pytest
from lesson_client import Server
from lesson_page import (
    PHONE,
    SMALLEST,
    choose,
    go,
    opened,
    predict,
    press,
    pretend,
    too_wide,
)
from playwright.sync_api import Browser, Page

from evenbatch.lesson.recorded import FOLDER

DONE = """(starts) => document.querySelectorAll('.lane i').length === starts
  && document.querySelector('.put-controls button').ariaDisabled === 'false'"""


def board(page: Page) -> dict[str, tuple[int, int]]:
    """Right answers of 100 at each place, the best first, and how many starts they are of."""
    rows = page.locator(".board li").all()
    return {
        row.locator("> span").first.inner_text(): (
            int(row.locator("b").inner_text()),
            row.locator(".lane i").count(),
        )
        for row in rows
    }


def train(page: Page, keyboard: bool) -> None:
    """One more start, to the end of its film."""
    starts = page.locator(".lane i").count()
    press(page, ".put-controls button", keyboard)
    page.wait_for_function(DONE, arg=starts + 1)
    assert "of 100 right" in page.locator(".put p[aria-live]").inner_text()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_machine_is_put_to_a_place_and_the_board_grows(
    browser: Browser, server: Server, motion: str
) -> None:
    keyboard = motion == "reduce"
    with opened(browser, viewport=PHONE, reduced_motion=motion) as page:
        go(page, server, "place")
        press(page, ".put-controls button", keyboard=True)
        assert page.locator(".board").count() == 0  # before a prediction nothing is given away
        predict(page)
        belt = page.get_by_role("slider", name="Place of the machine")
        seen = []
        for place in range(4):
            if keyboard:
                belt.focus()
                page.keyboard.press("End")
                for _ in range(3 - place):
                    page.keyboard.press("ArrowLeft")
            else:
                box = belt.bounding_box()
                assert box
                left, wide = box["x"] + 8, box["width"] - 16
                page.mouse.click(left + wide * place / 3, box["y"] + box["height"] / 2)
            assert belt.input_value() == str(place)
            train(page, keyboard)
            seen.append(board(page))
            if keyboard or place == 3:  # without its film, a start takes a tenth of the time
                train(page, keyboard)  # once more, from another start
        last = board(page)
        assert [len(one) for one in seen] == [1, 2, 3, 4]
        assert sorted(starts for _, starts in last.values()) == [2 if keyboard else 1] * 3 + [2]
        values = [right for right, _ in last.values()]
        assert values == sorted(values, reverse=True)
        assert last["before deciding"][0] > 30 + last["no normalization"][0]
        page.reload()
        page.locator(".board li").nth(3).wait_for()
        assert board(page) == last
        assert belt.input_value() == "3"
        page.get_by_label("What is learned").select_option(index=1)
        assert page.locator(".board").count() == 0  # nothing was measured on these data
        page.get_by_label("What is learned").select_option(index=0)
        press(page, ".put-controls button >> nth=1", keyboard)
        assert page.locator(".board").count() == 0


def cells(page: Page, table: str) -> list[list[str]]:
    """The numbers of a table, row by row; none where somebody is out."""
    rows = page.locator(f".shop .{table} tbody tr").all()
    return [[text for text in row.locator("td").all_inner_texts() if text] for row in rows]


@pytest.mark.parametrize("keyboard", [False, True])
def test_a_customer_who_leaves_changes_the_columns_and_no_row(
    browser: Browser, server: Server, keyboard: bool
) -> None:
    with opened(browser, viewport=PHONE) as page:
        go(page, server, "layer")
        heads = page.locator(".shop .batch thead th").all_inner_texts()
        assert heads == ["sugar", "flour", "butter"]
        customers = page.locator(".shop button")
        batch, layer = cells(page, "batch"), cells(page, "layer")
        press(page, ".shop button >> nth=1", keyboard)
        assert customers.nth(1).get_attribute("aria-pressed") == "false"
        assert cells(page, "layer") == [layer[0], [], layer[2], layer[3]]
        after = cells(page, "batch")
        assert after[1] == []
        stayed = [
            (old, new) for row in (0, 2, 3) for old, new in zip(batch[row], after[row], strict=True)
        ]
        different = sum(old != new for old, new in stayed)
        assert different >= 6
        assert page.locator(".shop .batch .changed").count() == different
        assert page.locator(".shop .layer .changed").count() == 0
        said = page.locator(".touch p[aria-live]").inner_text()
        assert f"Of the 9 numbers of those who stayed, batch norm changed {different} and" in said
        press(page, ".shop button >> nth=1", keyboard)  # and back
        assert cells(page, "batch") == batch
        for place in (0, 3, 2, 1):  # the last of them stays
            press(page, f".shop button >> nth={place}", keyboard=True)
        assert cells(page, "batch") == [[], ["0", "0", "0"], [], []]
        assert cells(page, "layer")[1] == layer[1]
        assert customers.nth(1).get_attribute("aria-disabled") == "true"
        page.reload()
        page.locator(".shop").wait_for()
        assert cells(page, "batch") == [[], ["0", "0", "0"], [], []]


WORST = {
    "break.eps": ("cost/input/0/best", "cost/before/0/best", "cost/after/0/best"),
    "break.knobs": ("gain/wide/best/both/none",),
    "break.eval": ("cost/1", "cost/32"),
    "break.noise": ("gain/little/best/batch/none", "gain/noisy/best/batch/none"),
}


def recorded_cost(name: str) -> float:
    """The largest cost that an experiment's recorded run measured."""
    result = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["result"]
    effects = {effect["id"]: effect["value"] for effect in result["verdict"]["effects"]}
    return float(max(effects[id] for id in WORST[name]))


def test_parts_come_off_and_the_meter_shows_what_was_measured(
    browser: Browser, server: Server
) -> None:
    with opened(browser, viewport=PHONE) as page:
        pretend(page)
        go(page, server, "break")
        meters = page.locator(".meter span")
        buttons = page.locator(".parts button")
        measured: list[str] = []
        for place, name in enumerate(WORST):
            waiting = meters.all_inner_texts()[place:]
            assert set(waiting) == {"not measured yet"}
            for _ in range(2):
                page.locator(".part .glides").nth(place).click(position={"x": 15, "y": 10})
            assert buttons.nth(place).get_attribute("aria-pressed") == "true"
            off = buttons.nth(place).inner_text()
            picture = page.get_by_role("img", name=f"Off is: {off}.")
            face = picture.locator(".mouth").get_attribute("d")
            choose(page, name)
            press(page, ".experiment .controls .primary", keyboard=False)
            page.wait_for_selector(".verdict")
            cost = recorded_cost(name)
            said = meters.nth(place).inner_text()
            number = float(said.split(" of 100")[0])
            assert abs(number - cost) <= max(0.05, 0.01 * cost), (said, cost)
            assert picture.locator(".mouth").get_attribute("d") != face
            wide = page.locator(".meter i").nth(place).evaluate("i => parseFloat(i.style.width)")
            assert abs(wide - cost / 1.1) < 0.5  # all on one scale
            measured.append(said)
        page.reload()
        page.wait_for_selector(".meter")
        assert meters.all_inner_texts() == measured
        assert buttons.nth(3).get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_word_says_what_it_means_where_it_stands(
    browser: Browser, server: Server, language: str
) -> None:
    words = {"en": ("epsilon", "a tiny number"), "de": ("Epsilon", "eine winzige Zahl")}
    form, meaning = words[language]
    locale = "de-DE" if language == "de" else "en-US"
    with opened(browser, viewport=SMALLEST, locale=locale) as page:
        go(page, server, "break")
        word = page.locator(f'.word:text-is("{form}")')
        assert word.count() == 1
        assert form in (page.locator(".explain").text_content() or "")  # where it is said again
        for keyboard in (False, True):
            assert word.get_attribute("aria-expanded") == "false"
            assert page.locator(".meaning").count() == 0
            word.click()
            said = page.locator(".meaning").inner_text()
            assert said.strip().startswith(f"({meaning}")
            assert not too_wide(page)
            if keyboard:
                page.keyboard.press("Enter")
            else:
                word.click()
        word.click()
        page.emulate_media(media="print")
        assert not page.locator(".meaning").is_visible()
