"""What README, changelog and metadata say is so: versions, pins, verdicts."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import evenbatch
from evenbatch.report.results import read
from evenbatch.report.words import told

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_version_stands_in_one_place_and_the_changelog_knows_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/evenbatch/__init__.py"
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## {evenbatch.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_what_make_installs_is_pinned() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=;]", item)[0] for item in wanted} - {"evenbatch"}
    assert names <= pinned, f"not pinned: {sorted(names - pinned)}"


SHORT = {"holds": "✓ holds", "holds in part": "◐ in part", "does not hold": "✗ does not hold",
         "cannot tell": "? cannot tell"}  # fmt: skip


def test_the_verdicts_of_the_readme_are_those_of_the_report() -> None:
    content = json.loads((ROOT / "docs" / "report" / "report.json").read_text("utf-8"))
    rows = []
    for phrase, entries in read(content).claims.items():
        cells = []
        for entry in entries:
            if entry.verdict is None:
                cells.append(f"{entry.data}: – needs MNIST's files")
                continue
            effect = told(entry.verdict.effects[0])[0]
            cells.append(f"{entry.data}: {SHORT[entry.answer]} ({effect})")
        rows.append(f"| {entries[0].phrase} | {' | '.join([*cells, '', ''][:2])} |")
        assert phrase == entries[0].claim
    table = re.search(r"<!-- verdicts -->\n(.*?)<!-- /verdicts -->", README, re.DOTALL)
    assert table is not None
    assert table.group(1).splitlines()[2:] == rows, "\n".join(rows)
