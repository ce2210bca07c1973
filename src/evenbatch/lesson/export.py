"""The lesson as a folder for any web server, and as one file: nothing needs Python to train."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

from evenbatch.lesson.app import DEVICE, ENGINE, MODULE, PAGE, POLICY, early, headed
from evenbatch.lesson.recorded import FOLDER as RECORDED

OFFLINE = Path(__file__).parent / "offline.js"
IN_THE_FILE = ("digits", "cookies", "stories")
LARGE = "mnist1d"
"""Larger than all the rest together, and there only where its generator was when it was built."""

WALL = "wall-"
"""The files of the page for the projector, which needs the server of a class."""

MORE = "manifest-src 'self'"
"""To be installed. What a server adds besides (frame-ancestors) a page cannot set for itself."""

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<rect width="64" height="64" rx="14" fill="#8a4b0f"/>
<circle cx="32" cy="32" r="20" fill="#eac993"/><circle cx="25" cy="26" r="3.5"
fill="#4a2a0a"/><circle cx="40" cy="29" r="3.5" fill="#4a2a0a"/><circle cx="31" cy="41" r="3.5"
fill="#4a2a0a"/></svg>
"""

MANIFEST = {
    "name": "The even batch",
    "short_name": "Even batch",
    "start_url": "./",
    "display": "standalone",
    "background_color": "#fdf8f0",
    "theme_color": "#8a4b0f",
    "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
}


class ExportError(Exception):
    """The lesson cannot be written; the message says what is missing."""


def export(folder: Path) -> list[Path]:
    """Write the lesson into a folder.

    ``index.html`` and what lies beside it go on any web server, which needs no setting; over https
    the page works without a network after the first visit. ``lesson.html`` is all of it but
    MNIST-1D in one file that is opened by a double click.

    Args:
        folder: made if it is missing. Of an earlier export, what is not written any more goes; what
            is in it besides stays.

    Returns:
        the two pages.

    Raises:
        ExportError: the page or the kernels for a browser are not built, the folder is a file, or
            it holds a page that is not the lesson.
    """
    check()
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder")
    index, single = folder / "index.html", folder / "lesson.html"
    for one in (index, single):
        if one.exists() and DEVICE not in one.read_text("utf-8", "replace"):
            raise ExportError(f"{one} is another page, which would be lost; give another folder")
    before = _kept_offline(folder)
    copied = [(PAGE / "assets", "assets"), (RECORDED, "recorded")]
    wanted = [(path, f"{part}/{path.name}") for source, part in copied for path in source.iterdir()]
    wanted = [one for one in wanted if not one[0].name.startswith(WALL)]
    wanted += [(ENGINE / name, f"engine/{name}") for name in _engine_files()]
    for path, name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    page = (PAGE / "index.html").read_text("utf-8")
    head = [
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}; {MORE}" />',
        DEVICE,
        *early(),
        '<link rel="manifest" href="manifest.webmanifest" />',
    ]
    index.write_text(headed(page, "\n    ".join(head)), "utf-8")
    (folder / "icon.svg").write_text(ICON, "utf-8")
    (folder / "manifest.webmanifest").write_text(json.dumps(MANIFEST, indent=1), "utf-8")
    own = ["index.html", "icon.svg", "manifest.webmanifest", *sorted(name for _, name in wanted)]
    for old in before - set(own):
        (folder / old).unlink(missing_ok=True)
    _keep_offline(folder, own)
    single.write_text(one_file(), "utf-8")
    return [index, single]


def check() -> None:
    """Raise `ExportError` unless all there is to write is there."""
    if not (PAGE / "single" / "lesson.js").is_file():
        raise ExportError("the page is not built: run `make page`")
    missing = [name for name in _engine_files() if not (ENGINE / name).is_file()]
    if missing:
        raise ExportError(
            f"the engine for a browser is not built ({missing[0]} is missing): run `make kernels` "
            "in a clone, or install a wheel, which brings it"
        )


def _engine_files() -> list[str]:
    large = [LARGE] if (ENGINE / f"{LARGE}.bin.gz").is_file() else []
    return [MODULE, *(f"{data}.bin.gz" for data in (*IN_THE_FILE, *large))]


def one_file() -> str:
    """The whole lesson as one page, with its recorded runs and all data sets but MNIST-1D."""
    script = (PAGE / "single" / "lesson.js").read_text("utf-8")
    style = (PAGE / "single" / "lesson.css").read_text("utf-8")
    files = {f"engine/{MODULE}": _inside((ENGINE / MODULE).read_bytes(), "application/wasm")}
    for data in IN_THE_FILE:
        packed = ENGINE / f"{data}.bin.gz"
        files[f"engine/{packed.name}"] = _inside(packed.read_bytes(), "application/gzip")
    for path in sorted(RECORDED.glob("*.json")):
        packed_run = gzip.compress(path.read_bytes(), 9, mtime=0)
        files[f"recorded/{path.name}"] = _inside(packed_run, "application/gzip")
    page = (PAGE / "single" / "index.html").read_text("utf-8")
    page = re.sub(r'\s*<link rel="stylesheet"[^>]*>', "", page)
    page = re.sub(r"\s*<script [^>]*></script>", "", page)
    head = (
        f"{DEVICE}\n"
        f"    <style>{style}</style>\n"
        f"    <script>globalThis.evenbatchFiles = {json.dumps(files)};</script>"
    )
    body = f'<script type="module">{_safe(script)}</script>\n  </body>'
    return headed(page, head).replace("</body>", body)


def _safe(script: str) -> str:
    """A script that may stand in a page: HTML ends it at the first such tag, in a string too."""
    return re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE)


def _inside(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _kept_offline(folder: Path) -> set[str]:
    """What an earlier export wrote, by its own list."""
    script = folder / "sw.js"
    text = script.read_text("utf-8") if script.is_file() else ""
    found = re.search(r"^const FILES = (\[.*\]);$", text, re.M)
    names = json.loads(found.group(1)) if found else []
    return {name for name in names if re.fullmatch(r"(assets|engine|recorded)/[\w.-]+", name)}


def _keep_offline(folder: Path, files: list[str]) -> None:
    digest = hashlib.sha256()
    for name in files:
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    script = OFFLINE.read_text("utf-8").replace("VERSION", digest.hexdigest()[:12])
    script = script.replace("FILES = []", f"FILES = {json.dumps(['./', *files])}")
    (folder / "sw.js").write_text(script, "utf-8")
