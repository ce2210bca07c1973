"""The documentation site, without building it: every page is reached, the reference names what
there is and all of it, and the notebook runs. `make site` builds it, where a warning is an error.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pydoc
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "first-steps.ipynb"
SUFFIXES = (".md", ".rst", ".ipynb")
MADE = {"made/report/report", "made/commands"}  # by docs/site.py, when the site is built
REFERENCE = {path: path.read_text("utf-8") for path in DOCS.glob("reference/*.rst")}
NAMED = re.compile(r"^\.\. (?:auto\w+|py:\w+):: ([\w.]+)", re.MULTILINE)


# ---- pages ---------------------------------------------------------------------------------------


def name(path: Path) -> str:
    return path.relative_to(DOCS).with_suffix("").as_posix()


PAGES = {
    name(path): path
    for path in DOCS.rglob("*")
    if path.suffix in SUFFIXES and not path.is_relative_to(DOCS / "made")
}


def listed(page: str) -> Iterator[str]:
    """The pages in a page's tables of contents."""
    if page not in PAGES:
        return
    text = PAGES[page].read_text("utf-8")
    for block in re.findall(r"^\.\. toctree::\n((?:[ \t]+.*\n|\n)*)", text, re.MULTILINE):
        for line in filter(None, map(str.strip, block.splitlines())):
            if not line.startswith(":"):
                target = re.sub(r".*<(.*)>", r"\1", line)
                found = (PAGES[page].parent / target).resolve().relative_to(DOCS).as_posix()
                if "*" in found:
                    yield from (name(path) for path in DOCS.glob(found))
                else:
                    yield found


def reached() -> set[str]:
    """All pages on some way through the tables of contents."""
    waiting, seen = ["index"], set[str]()
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            waiting += listed(page)
    return seen


def test_every_page_is_in_a_table_of_contents() -> None:
    assert reached() - set(PAGES) == MADE
    assert set(PAGES) - reached() == set()


def test_a_page_that_nothing_lists_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAGES, "forgotten", DOCS / "forgotten.md")
    with pytest.raises(AssertionError, match="forgotten"):
        test_every_page_is_in_a_table_of_contents()


# ---- reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", REFERENCE, ids=name)
def test_the_reference_names_only_what_there_is(page: Path) -> None:
    missing = [one for one in NAMED.findall(REFERENCE[page]) if pydoc.locate(one) is None]
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", REFERENCE, ids=name)
def test_all_public_names_are_in_the_reference(page: Path) -> None:
    """Classes and functions in the `__all__` of the modules that the reference is about."""
    without_torch = [text for text in REFERENCE.values() if "evenbatch.torch" not in text]
    names = NAMED.findall("".join([*without_torch, REFERENCE[page]]))
    there = [pydoc.locate(one) for one in names]
    for module in re.findall(r"^\.\. automodule:: (\S+)", REFERENCE[page], re.MULTILINE):
        public = exported(importlib.import_module(module))
        missing = [one for one, thing in public if thing not in there]
        assert not missing, f"{module} has {missing}, which {page.name} leaves out"


def exported(module: ModuleType) -> Iterator[tuple[str, object]]:
    for one in getattr(module, "__all__", ()):
        thing = getattr(module, one)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield one, thing


def test_a_name_that_is_gone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "reference" / "store.rst"
    planted = ".. autofunction:: evenbatch.store.gone\n"
    monkeypatch.setitem(REFERENCE, page, planted)
    with pytest.raises(AssertionError, match=r"evenbatch\.store\.gone"):
        test_the_reference_names_only_what_there_is(page)


def test_a_public_name_without_reference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "reference" / "sweeps.rst"
    monkeypatch.setitem(REFERENCE, page, ".. automodule:: evenbatch.runners\n")
    for other in REFERENCE:
        monkeypatch.setitem(REFERENCE, other, REFERENCE[other].replace("runners.Local", "runners"))
    with pytest.raises(AssertionError, match="Local"):
        test_all_public_names_are_in_the_reference(page)


# ---- notebook ------------------------------------------------------------------------------------


def test_the_notebook_is_kept_without_what_came_out() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert any(cell["cell_type"] == "code" for cell in cells)
    for cell in cells:
        assert not cell.get("outputs"), "clear its outputs before it is committed"
        assert cell.get("execution_count") is None


def test_the_notebook_runs_and_shows_curves_and_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbclient
    import nbformat

    monkeypatch.setenv("EVENBATCH_STORE", str(tmp_path / "my.store"))
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [
        output["data"]["text/html"]
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert sum("data:image/svg+xml;base64," in html for html in shown) >= 2, "curves and verdicts"
    assert any("95 % interval" in html for html in shown)
