"""The browsers that the tests of the page are run in: found on this machine, or brought to it.

    python tests/browsers.py chromium firefox     find each, or bring it; names those it cannot

`make test` calls it first. A browser that is named by CHROMIUM or FIREFOX is taken as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Browser:
    """Where one kind of browser is usually found, and the names of its packages."""

    debian: str
    commands: tuple[str, ...]
    macos: tuple[str, ...]
    windows: tuple[str, ...] = field(default=())


BROWSERS = {
    "chromium": Browser(
        debian="chromium",
        commands=(
            "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
            "microsoft-edge", "microsoft-edge-stable", "msedge",
        ),
        macos=("Google Chrome", "Chromium", "Microsoft Edge"),
        windows=(r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe"),
    ),
    "firefox": Browser(
        debian="firefox-esr",
        commands=("firefox-esr", "firefox"),
        macos=("Firefox",),
        windows=(r"Mozilla Firefox\firefox.exe",),
    ),
}  # fmt: skip


def _candidates(name: str) -> Iterator[str | None]:
    browser = BROWSERS[name]
    yield from (shutil.which(command) for command in browser.commands)
    for app in browser.macos:
        for root in (Path("/Applications"), Path("~/Applications").expanduser()):
            folder = root / f"{app}.app" / "Contents" / "MacOS"
            yield str(folder / ("firefox" if app == "Firefox" else app))
    for root in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if root in os.environ:
            yield from (str(Path(os.environ[root], *p.split("\\"))) for p in browser.windows)
    yield _of_playwright(name)


def _of_playwright(name: str) -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path: str = getattr(playwright, name).executable_path
    return path


def _starts(path: str | None) -> bool:
    """False for what is missing, and for a browser without the libraries that it needs."""
    if not path or not Path(path).is_file():
        return False
    if sys.platform == "win32":  # there it would open a window
        return True
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def find(name: str) -> str | None:
    """Path of a browser of this kind, or None.

    Raises:
        FileNotFoundError: the environment names one that is not there or does not start.
    """
    chosen = os.environ.get(name.upper())
    if chosen:
        path = shutil.which(chosen)
        if not _starts(path):
            raise FileNotFoundError(f"{name.upper()}={chosen} is no browser that starts here")
        return path
    return next((path for path in _candidates(name) if _starts(path)), None)


def bring(name: str) -> str | None:
    """Find a browser, or download Playwright's, or install Debian's package as root may."""
    ways = [[sys.executable, "-m", "playwright", "install", name]]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        ways.append(["apt-get", "update", "-qq"])
        ways.append(["apt-get", "install", "-y", "-qq", BROWSERS[name].debian])
    for way in ways:
        if find(name):
            break
        sys.stdout.write(f"No {name} here; trying: {' '.join(way[way[0] == sys.executable :])}\n")
        sys.stdout.flush()
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            way, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        find.cache_clear()
    return find(name)


def how_to_get(name: str) -> str:
    """What to do where none could be brought."""
    return (
        f"install {BROWSERS[name].macos[0]} or Debian's {BROWSERS[name].debian}, "
        f"or set {name.upper()} to the path of one"
    )


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        found = bring(wanted)
        sys.stdout.write(f"{wanted}: {found or 'none found; ' + how_to_get(wanted)}\n")
