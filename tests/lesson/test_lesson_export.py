"""The lesson as files: what is written, and that it teaches without any program behind it."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.browser.lesson import OVER, READY, START
from bench.browser.pages import served
from lesson_client import Server
from lesson_page import (
    DESKTOP,
    LONGEST,
    PHONE,
    ROOT,
    SHOTS,
    SMALLEST,
    choose,
    opened,
    predict,
    press,
    show,
    too_wide,
)
from playwright.sync_api import Browser, Page

from evenbatch.lesson import app
from evenbatch.lesson import export as exporting
from evenbatch.lesson.export import ExportError, export
from evenbatch.lesson.recorded import EXPERIMENTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lesson as a class gets it."""
    for script in ("build.py", "kernels.py"):
        command = [sys.executable, str(ROOT / "web" / script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "need other tools" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path_factory.mktemp("site") / "lesson"
    export(made)
    return made


@pytest.fixture(scope="module")
def files(folder: Path) -> Iterator[str]:
    """Address of the folder on a server."""
    with served(folder) as address:
        yield address


# ---- what is written -----------------------------------------------------------------------------


def test_the_pages_need_nothing_from_elsewhere(folder: Path) -> None:
    index, single = ((folder / name).read_text("utf-8") for name in ("index.html", "lesson.html"))
    links = re.findall(r'(?:src|href)="([^"]*)"', index)
    assert links
    for link in links:
        assert link.startswith("data:") or (folder / link).is_file(), link
    assert "'wasm-unsafe-eval'" in index
    assert "'unsafe-" not in index
    tags = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", single, flags=re.DOTALL)
    assert not [link for link in re.findall(r'(?:src|href)="([^"]*)"', tags) if link != "data:,"]


def test_what_is_kept_for_offline_is_all_there_is(folder: Path) -> None:
    script = (folder / "sw.js").read_text("utf-8")
    found = re.search(r"const FILES = (\[.*\]);", script)
    assert found
    kept = set(json.loads(found.group(1))) - {"./"}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert kept == there - {"sw.js", "lesson.html"}


def test_sizes(folder: Path) -> None:
    """Of what a learner waits for, and of the one file."""
    assert (folder / "lesson.html").stat().st_size <= 1.5e6
    own = [*(folder / "assets").iterdir(), folder / "index.html", folder / exporting.MODULE]
    own[-1] = folder / "engine" / exporting.MODULE
    later = ("de-", "codes-", "result-", "teacher-")  # for another language, and for teachers
    packed = sum(len(gzip.compress(p.read_bytes())) for p in own if not p.name.startswith(later))
    assert packed <= 190_000, packed


def test_written_again_an_export_is_whole_and_takes_nothing_of_others(
    folder: Path, tmp_path: Path
) -> None:
    export(tmp_path)
    script = (tmp_path / "sw.js").read_text("utf-8")
    more = '["./", "assets/index-old.js", "../outside.txt", '
    (tmp_path / "sw.js").write_text(script.replace('["./", ', more), "utf-8")
    for name in ("assets/index-old.js", "assets/mine.png", "notes.txt", "recorded/song.mp3"):
        (tmp_path / name).write_text("x")
    (tmp_path.parent / "outside.txt").write_text("x")
    (tmp_path / "engine" / "folder").mkdir()
    export(tmp_path)
    assert not (tmp_path / "assets" / "index-old.js").exists()
    for name in ("assets/mine.png", "notes.txt", "recorded/song.mp3", "../outside.txt"):
        assert (tmp_path / name).read_text() == "x"
    assert (tmp_path / "sw.js").read_bytes() == (folder / "sw.js").read_bytes()
    (tmp_path / "index.html").write_text("my own page")
    with pytest.raises(ExportError, match="another page, which would be lost"):
        export(tmp_path)
    assert (tmp_path / "index.html").read_text() == "my own page"


def test_what_is_missing_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ExportError, match="is a file; give a folder"):
        export(file)
    monkeypatch.setattr(exporting, "ENGINE", tmp_path)
    with pytest.raises(ExportError, match="run `make kernels`"):
        export(tmp_path / "out")
    monkeypatch.setattr(exporting, "PAGE", tmp_path)
    with pytest.raises(ExportError, match="run `make page`"):
        export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(folder: Path, tmp_path: Path) -> None:
    assert folder
    command = [sys.executable, "-m", "evenbatch", "lesson", "--export"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "index.html" in done.stdout
    assert "lesson.html" in done.stdout
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*command, str(tmp_path / "file")], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "give a folder" in done.stderr


# ---- without any program behind it ---------------------------------------------------------------


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(READY)


def tab(page: Page, name: str) -> None:
    """Open the chapter of an experiment, and the experiment in it; predict."""
    chapter = name.split(".")[0]
    page.evaluate("(place) => { location.hash = `#/${place}`; }", chapter)
    page.wait_for_selector(START)
    choose(page, name)


def run(page: Page) -> str:
    """Press the button and wait for the verdict; what it says."""
    page.locator(START).click()
    page.wait_for_function(OVER, timeout=LONGEST)
    assert page.locator(".controls .failed").count() == 0, page.locator(".controls").inner_text()
    return page.locator(".verdict h3").inner_text()


WHOLE = ("factory", "rates", "layer.stories", "break.eval")
"""Experiments of the one file that are trained to their ends, with each data set that is in it."""


@pytest.fixture(scope="module")
def short(folder: Path) -> Path:
    """The one file, but for nine tenths of its networks' steps: it takes a third of the time."""
    text = (folder / "lesson.html").read_text("utf-8")
    text, found = re.subn(r'"steps":(\d+)0\b', r'"steps":\1', text)
    assert found > len(EXPERIMENTS)
    file = folder.parent / "short.html"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_one_file_teaches_every_chapter(
    browser: Browser, folder: Path, short: Path, name: str
) -> None:
    with opened(browser, viewport=DESKTOP) as page:
        ready(page, (folder / "lesson.html" if name in WHOLE else short).as_uri())
        tab(page, name)
        assert re.search(r"holds|does not hold|cannot tell", run(page))
        assert page.locator(".verdict .predicted").count() == 1
        assert page.locator(".verdict svg").count() >= 1


def test_pressed_again_the_device_takes_new_seeds(browser: Browser, files: str) -> None:
    with opened(browser, viewport=PHONE) as page:
        ready(page, files)
        tab(page, "factory")
        seeds = []
        for _ in range(3):
            run(page)
            seeds.append(page.locator(".verdict .drawn summary").first.inner_text())
        for said, wanted in zip(seeds, ("seeds 0–4", "seeds 5–9", "seeds 10–14"), strict=True):
            assert wanted in said
        assert int(page.locator(".reel input").first.get_attribute("max") or 0) >= 20
        assert too_wide(page) == 0
        page.reload()
        page.wait_for_selector(".verdict")
        assert "Your own run" in page.locator(".verdict").inner_text()


def test_the_workbench_trains_on_the_device(browser: Browser, files: str) -> None:
    state = json.dumps(
        {"steps": 100, "seeds": 2, "arms": [{}, {"norm": "layer", "optimizer": "adam"}]}
    )
    with opened(browser) as page:
        ready(page, f"{files}/#/bench?state={state}")
        press(page, ".controls .primary", keyboard=True)
        page.wait_for_selector(".verdict", timeout=LONGEST)
        assert " points (" in page.locator(".verdict").inner_text()


def test_what_is_fetched_early_is_fetched_once(browser: Browser, files: str) -> None:
    with alone(browser) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
        ready(page, files)
        tab(page, "factory")
        run(page)
        early = [name for name in asked if re.match(r"kernels-|experiments-|cookies\.", name)]
        assert sorted(name.split("-")[0] for name in early) == [
            "cookies.bin.gz", "experiments", "kernels",
        ]  # fmt: skip


def test_it_works_without_a_network_after_the_first_visit(browser: Browser, files: str) -> None:
    with opened(browser) as page:
        ready(page, files)
        page.wait_for_function("() => navigator.serviceWorker.controller !== null")
        page.context.set_offline(True)
        page.reload()
        page.wait_for_function(READY)
        tab(page, "factory")
        assert run(page)


@contextlib.contextmanager
def alone(browser: Browser, service_workers: Any = "block") -> Iterator[Page]:
    """A page in whose console there may be complaints; no service worker answers for the server."""
    context = browser.new_context(locale="en-US", service_workers=service_workers)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": b"no module"}])
def test_without_its_engine_a_page_shows_recorded_runs_and_says_why(
    browser: Browser, files: str, answer: dict[str, Any]
) -> None:
    with alone(browser) as page:
        page.route("**/*.wasm", lambda route: route.fulfill(**answer))
        page.goto(f"{files}/#/rates")
        page.wait_for_function("() => window.evenbatch?.live.state === 'unable'")
        page.get_by_text("No network can be trained here").first.wait_for()
        predict(page)
        page.get_by_role("button", name="Show a recorded run instead").click()
        page.wait_for_selector(".verdict")
        assert "Recorded, not live" in page.locator(".recorded").inner_text()


def test_the_one_file_has_recorded_runs(browser: Browser, folder: Path) -> None:
    with alone(browser) as page:
        page.add_init_script("delete globalThis.WebAssembly")
        page.goto(f"{(folder / 'lesson.html').as_uri()}#/rates")
        page.wait_for_function("() => window.evenbatch?.live.state === 'unable'")
        predict(page)
        page.get_by_role("button", name="Show a recorded run instead").click()
        page.wait_for_selector(".verdict .recorded")


def test_a_new_version_leaves_an_open_page_its_files(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(folder, site)
    with served(site) as address, alone(browser, service_workers="allow") as page:
        ready(page, address)
        page.wait_for_function("() => navigator.serviceWorker.controller !== null")
        script = (site / "sw.js").read_text("utf-8")
        new = re.sub(r"(\$\{OWN\})\w+", r"\1newer", script)
        new = re.sub(r"FILES = \[.*\]", 'FILES = ["./"]', new)
        assert "newer" in new
        (site / "sw.js").write_text(new, "utf-8")
        shutil.rmtree(site / "assets")
        page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update())")
        page.wait_for_timeout(1500)
        page.get_by_role("button", name="Deutsch").click()
        page.wait_for_function("() => document.documentElement.lang === 'de'")
        tab(page, "factory")
        assert run(page)


def test_who_trains_can_be_changed_in_the_middle(
    browser: Browser, folder: Path, server: Server
) -> None:
    assert folder
    with opened(browser) as page:
        show(page, server, "rates")
        page.locator(START).click()
        page.get_by_role("button", name="trained on this device").click()
        page.wait_for_selector(".verdict", timeout=LONGEST)


def test_a_damaged_data_set_is_said_and_asked_for_again(browser: Browser, files: str) -> None:
    with alone(browser) as page:
        page.route("**/digits.bin.gz", lambda route: route.fulfill(body=b"\x1f\x8bno"))
        ready(page, f"{files}/#/rates")
        predict(page)
        page.locator(START).click()
        page.wait_for_selector(".controls .failed")
        assert "data set is damaged" in page.locator(".controls .failed").inner_text()
        page.unroute("**/digits.bin.gz")
        assert "learning rate" in run(page)


def test_stopped_and_left_a_run_does_no_harm(browser: Browser, files: str) -> None:
    with opened(browser) as page:
        ready(page, files)
        tab(page, "tower")
        page.locator(START).click()
        page.get_by_role("button", name="Stop").click()
        page.locator(".experiment .controls", has_text="Stopped").wait_for()
        tab(page, "factory")
        page.locator(START).click()
        page.go_back()
        page.go_forward()
        page.wait_for_selector(".verdict", timeout=LONGEST)
        page.locator(START).click()
        page.reload()
        page.wait_for_function(READY)
        assert run(page)


def test_where_a_server_is_the_learner_chooses(
    browser: Browser, folder: Path, server: Server
) -> None:
    assert folder
    with opened(browser) as page:
        show(page, server, "factory")
        here = page.get_by_role("button", name="trained on this device")
        here.click()
        page.wait_for_function(READY)
        keys = "() => [...document.querySelectorAll('.live .keys code')].map((c) => c.textContent)"

        def keys_of_a_run() -> list[str]:
            run(page)
            page.locator(".floor .drawn summary").click()
            found: list[str] = page.evaluate(keys)
            page.locator(".floor .drawn summary").click()
            return found

        assert all(key.endswith("-wasm") for key in keys_of_a_run())
        page.get_by_role("button", name="trained by the server").click()
        page.wait_for_function(READY)
        assert not any(key.endswith("-wasm") for key in keys_of_a_run())


CURVES = """async () => {
  const run = window.evenbatch.live.start("bench", SETTINGS);
  while (run.busy) await new Promise((done) => setTimeout(done, 50));
  const curve = (i) => [run.curves[i].metric, run.curves[i].testLoss];
  return run.trials.map((trial, i) => [trial.norm, trial.seed, ...curve(i)]);
}"""

NATIVE = """
import json, sys
from evenbatch.lesson import chapters
from evenbatch.engine import train
study = chapters.study("bench", chapters.normal("bench", sys.argv[1].encode()))
curves = train(list(study.trials({}).trials), study.datasets, threads=1)
print(json.dumps([[c.trial.network.norm, c.trial.seed, [*map(float, c.metric)],
                   [*map(float, c.test_loss)]] for c in curves]))
"""


def test_a_browser_trains_what_python_trains_to_the_bit(browser: Browser, files: str) -> None:
    """Python without fused products, as a page has none."""
    arms = [{"norm": norm, "optimizer": "adam"} for norm in ("none", "batch", "layer")]
    settings = json.dumps({"steps": 300, "seeds": 2, "arms": arms})
    plain = {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", NATIVE, settings],
        env=os.environ | plain,
        capture_output=True,
        text=True,
        check=True,
    )
    with opened(browser) as page:
        ready(page, files)
        found = page.evaluate(CURVES.replace("SETTINGS", settings))
    assert sorted(found) == sorted(json.loads(done.stdout))
    assert len(found) == 6


def test_the_policy_of_the_server_lets_a_page_train_and_nothing_else() -> None:
    policy = app.HEADERS["Content-Security-Policy"]
    assert "'wasm-unsafe-eval'" in policy
    assert "worker-src 'self'" in policy
    assert "'unsafe-" not in policy


# ---- a class without a server --------------------------------------------------------------------


@pytest.mark.parametrize("single", [False, True])
def test_the_code_that_a_pair_sees_is_taken_by_the_teachers_page(
    browser: Browser, folder: Path, files: str, single: bool
) -> None:
    address = (folder / "lesson.html").as_uri() if single else f"{files}/index.html"
    codes = []
    for pair in (3, 4):
        with opened(browser, viewport=PHONE) as page:
            page.goto(f"{address}#/home")
            page.fill(".pair-number input", str(pair))
            page.evaluate("location.hash = '#/factory'")
            predict(page)
            page.click(".experiment .controls .primary")
            page.wait_for_selector(".give .code", timeout=LONGEST)
            codes.append(page.inner_text(".give .code"))
            assert too_wide(page) == 0
            page.reload()  # what was found is kept, and so is its code
            page.wait_for_selector(".give .code")
            assert page.inner_text(".give .code") == codes[-1]
            page.screenshot(path=SHOTS / f"code-{pair}.png")
    assert len(set(codes)) == 2
    with opened(browser, viewport=DESKTOP) as page:
        page.goto(f"{address}#/teacher")
        page.click("a[href='#/codes']")
        page.fill("textarea", f"{codes[0]}\n{codes[1].lower()}\n{codes[0]}\n9{codes[1][1:]}")
        page.wait_for_selector(".dot >> nth=1")
        assert page.locator(".dot").count() == 2
        assert "2 pairs together" in page.inner_text(".together")
        assert page.locator(".wrong li").all_inner_texts() == [
            f"Line 4: 9{codes[1][1:].replace(' ', '')}: a character is wrong. "
            "Compare it with the pair's page."
        ]
        with page.expect_download() as got:
            page.get_by_role("button", name="Save as CSV").click()
        rows = list(csv.DictReader(got.value.path().read_text("utf-8").splitlines()))
        assert [(row["pair"], row["effect"], row["seed"]) for row in rows] == [
            ("3", "drift", "3000"),
            ("4", "drift", "4000"),
        ]
        page.screenshot(path=SHOTS / "codes.png", full_page=True)
        page.set_viewport_size(SMALLEST)
        assert too_wide(page) == 0
