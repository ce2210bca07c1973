"""What README, changelog and metadata say is so: versions, pins, verdicts."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import evenbatch
from evenbatch.claims.convolutional import NOT, ON
from evenbatch.report.markdown import put
from evenbatch.report.results import brief, read

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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("recorded", "verdicts"),
        ("recorded-conv", "convolution"),
        ("recorded-mnist", "figure-1a"),
    ],
)
def test_the_verdicts_of_the_readme_are_those_of_the_recorded_run(file: str, name: str) -> None:
    content = json.loads((ROOT / "docs" / f"{file}.json").read_text("utf-8"))
    command = f"python -m evenbatch.report docs/{file}.json --table README.md --name {name}"
    assert put(README, read(content), name) == README, f"make the table anew: {command}"
    assert brief(content) == content, "more is recorded than the answers"


def test_what_is_measured_by_convolution_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "measure.md").read_text("utf-8")
    rows = re.search(r"by convolution on \|\n.*\n((?:\|.*\n)+)", page)
    assert rows
    said = {}
    for row in rows.group(1).splitlines():
        claims, text = (part.strip() for part in row.strip("|").split("|"))
        said |= dict.fromkeys(claims.split(", "), text)
    why = {claim: f"no: {reason}" for claim, reason in NOT.items()}
    assert said == {claim: ", ".join(data) for claim, data in ON.items()} | why
