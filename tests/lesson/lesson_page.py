"""The page in a browser, as tests handle it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from lesson_client import Server
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER

ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ.get("EVENBATCH_SHOTS", ROOT / "out" / "shots"))
CHAPTERS = ("factory", "machine", "race", "rates", "tower", "place", "layer", "break", "review")
PAGES = ("home", *CHAPTERS, "bench", "teacher")
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
SMALLEST = {"width": 320, "height": 640}  # as wide as a page at 1280 pixels, enlarged four times
LONGEST = 240_000  # milliseconds for one chapter's experiment on a busy machine


@contextlib.contextmanager
def opened(browser: Browser, **settings: object) -> Iterator[Page]:
    """A page that fails the test if anything goes wrong in its console."""
    settings.setdefault("locale", "en-US")
    context: BrowserContext = browser.new_context(**settings)  # type: ignore[arg-type]
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_default_timeout(60_000)
    yield page
    context.close()
    assert not wrong, wrong


def found_by_axe(page: Page) -> list[Any]:
    """What is not accessible to all, by day or by night; colours glide from one to the other."""
    broken = []
    schemes: Any = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(GLIDED)
        for rule in Axe().run(page, options={"runOnly": LEVELS}).response["violations"]:
            broken.append((scheme, rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]))
    return broken


LEVELS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
GLIDED = """() => Promise.allSettled(document.getAnimations()
  .filter((one) => one instanceof CSSTransition).map((one) => one.finished))"""


def too_wide(page: Page) -> int:
    """Pixels that the page is wider than the screen."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, wide)


def go(page: Page, server: Server, place: str) -> None:
    page.goto(f"{server.address}/#/{place}")
    page.wait_for_selector("h1, .home")
    page.wait_for_function("() => window.evenbatch.live.state === 'ready'", timeout=120_000)


def press(page: Page, selector: str, keyboard: bool) -> None:
    """Activate something as a keyboard or as a pointer does."""
    found = page.locator(selector).first
    if keyboard:
        # A click waits by itself until what it hits is there and enabled.
        page.wait_for_function("element => !element.disabled", arg=found.element_handle())
        found.focus()
        page.keyboard.press("Space" if found.get_attribute("type") == "radio" else "Enter")
    else:
        found.click()


def walk(page: Page, chapter: str, keyboard: bool) -> None:
    """A chapter to its end: predict, run, see the verdict, answer."""
    if page.locator(".prediction").count():
        press(page, ".prediction input >> nth=1", keyboard)
        press(page, ".prediction button", keyboard)
        page.wait_for_selector(".locked")
    if chapter == "machine":
        for place in range(4):
            press(page, f".steps button >> nth={place}", keyboard)
        page.select_option(".machine select", index=0)
        page.wait_for_selector(".failed")
    if page.locator(".experiment .controls .primary").count():
        press(page, ".experiment .controls .primary", keyboard)
        page.wait_for_selector(".verdict", timeout=LONGEST)
        assert len(page.locator(".verdict h3 em").inner_text()) > 3
        assert page.locator(".verdict .predicted").count() == 1
    for block in range(page.locator(".check").count()):
        press(page, f".check >> nth={block} >> input >> nth=0", keyboard)
        page.wait_for_selector(f".check >> nth={block} >> .feedback strong")


def predict(page: Page, keyboard: bool = False) -> None:
    """Lock a prediction in, if none is yet."""
    if page.locator(".prediction button").count():
        press(page, ".prediction input >> nth=1", keyboard)
        press(page, ".prediction button", keyboard)
        page.wait_for_selector(".locked")


def show(page: Page, server: Server, name: str) -> None:
    """Open the chapter of an experiment, and the experiment in it."""
    go(page, server, name.split(".")[0])
    choose(page, name)


def choose(page: Page, name: str) -> None:
    """In its chapter, turn to an experiment and lock a prediction in."""
    tabs = [each for each in EXPERIMENTS if each.split(".")[0] == name.split(".")[0]]
    if len(tabs) > 1:
        page.locator(".experiment .steps button").nth(tabs.index(name)).click()
    predict(page)


def pretend(page: Page, until: str = "concluded") -> list[dict[str, Any]]:
    """Answer for the server what was recorded, up to the trials of each run or to its verdict.

    Returns:
        what the page asks for, as it does.
    """
    heard: list[dict[str, Any]] = []
    names = {(chapter, asked.get("claim")): name for name, (chapter, asked) in EXPERIMENTS.items()}

    def answer(socket: WebSocketRoute, text: str | bytes) -> None:
        asked = json.loads(text)
        heard.append(asked)
        if asked["type"] != "start":
            return
        name = names[asked["chapter"], asked["settings"].get("claim")]
        file = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        events: list[dict[str, Any]] = [
            {"type": "joined", "ask": asked["ask"], "settings": file["settings"]},
            {"type": "trials", "first": 0, "trials": file["trials"]},
            {"type": "concluded", "result": file["result"]},
        ]
        for event in events:
            socket.send(json.dumps(event | {"run": len(heard)}))
            if event["type"] == until:
                return

    def connected(socket: WebSocketRoute) -> None:
        socket.on_message(lambda text: answer(socket, text))
        socket.send(json.dumps({"type": "state", "state": "ready"}))

    page.route_web_socket("**/live", connected)
    return heard


def speak(page: Page, language: str) -> None:
    """Change the language of the page."""
    page.get_by_role("button", name={"en": "English", "de": "Deutsch"}[language]).click()
    page.wait_for_function("(code) => document.documentElement.lang === code", arg=language)
