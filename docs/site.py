"""Builds the documentation site: `make site`, or python docs/site.py [report.json].

What the program makes comes first, into docs/made (which git ignores): a report, and the reference
of the command line. The report is that of the last `make prove`; where there is none, a quick one
is measured. Then Sphinx builds build/site, where a warning is an error; the lesson is put beside
it, in build/site/lesson, and the atlas, in build/site/atlas.html.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS, MADE, BUILD = ROOT / "docs", ROOT / "docs" / "made", ROOT / "build"


def main(arguments: list[str]) -> int:
    """Make what is made, and build; the exit code is Sphinx's."""
    shutil.rmtree(MADE, ignore_errors=True)
    make_report(Path(arguments[0]) if arguments else ROOT / "evenbatch-out" / "report.json")
    make_commands()
    options = ["-W", "--keep-going", "-q", "-d", BUILD / "doctrees"]
    code = subprocess.run(python("sphinx", *options, DOCS, BUILD / "site")).returncode
    make_lesson()
    subprocess.run(python("evenbatch", "atlas", "--out", BUILD / "site"), check=True)
    print("warnings are errors" if code else "build/site/index.html", flush=True)
    return code


def python(*command: object) -> list[str]:
    """A module's command line."""
    return [sys.executable, "-m", *map(str, command)]


def make_report(path: Path) -> None:
    """The report as a page of the site, with the one file that it is elsewhere beside it."""
    from evenbatch.report import pages

    if not path.is_file():
        print(f"{path} is not there: measuring every claim, about two minutes", flush=True)
        path = BUILD / "report" / "report.json"
        prove = python("evenbatch", "prove", "--effort", "quick", "--quiet")
        subprocess.run([*prove, "--out", "build/report"], check=True, cwd=ROOT)
    pages.write(MADE / "report", json.loads(path.read_text("utf-8")))
    page = MADE / "report" / "report.md"
    title, rest = page.read_text("utf-8").split("\n", 1)
    files = "As one file to keep: [report.html](report.html). As data: [report.json](report.json)."
    page.write_text(f"{title}\n\n{files}\n{rest}", "utf-8")


def make_commands() -> None:
    """Every command with its arguments, choices and defaults, as Typer writes them."""
    page = MADE / "commands.md"
    docs = python("typer", "evenbatch.cli", "utils", "docs", "--name", "evenbatch")
    subprocess.run(
        [*docs, "--title", "Commands", "--output", str(page)],
        check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONUTF8": "1"},
    )  # fmt: skip


def make_lesson() -> None:
    """The lesson beside the pages: whoever reads of it can open it."""
    from evenbatch.lesson.export import export

    export(BUILD / "site" / "lesson")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
