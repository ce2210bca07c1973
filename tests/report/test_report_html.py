"""The page: well formed, complete by itself, every link leads somewhere, every name is escaped."""

from __future__ import annotations

import gzip
import re

import pytest
from invented import NASTY, lines, many, part, report, strips
from reading import Element, tree

from evenbatch.report import html


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(many())


@pytest.fixture(scope="module")
def root(page: str) -> Element:
    return tree(page)


def test_it_is_well_formed_and_no_id_is_given_twice(root: Element) -> None:
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert len(root.all("h1")) == 1
    assert root.one("html").attributes["lang"] == "en"


def test_every_link_in_the_page_leads_somewhere(root: Element) -> None:
    ids = {e.attributes["id"] for e in root.all() if "id" in e.attributes}
    targets = [a.attributes["href"] for a in root.all("a")]
    inside = [t.removeprefix("#") for t in targets if t.startswith("#")]
    assert len(inside) > 150
    assert set(inside) <= ids
    outside = {t for t in targets if not t.startswith("#")}
    assert outside == {"https://arxiv.org/abs/1502.03167", "https://doi.org/10.1002/sim.3095"}


def test_nothing_is_loaded(page: str, root: Element) -> None:
    assert not root.all("link")
    assert not root.all("img")
    assert not any("src" in e.attributes for e in root.all())
    assert "@import" not in page
    assert "url(" not in page
    allowed = {"http://www.w3.org/2000/svg"}
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    links = {a.attributes["href"] for a in root.all("a")}
    assert addresses <= allowed | links


def test_every_figure_has_a_text_alternative(root: Element) -> None:
    pictures = [svg for svg in root.all("svg") if "tiny" not in svg.style]
    assert all(svg.attributes["aria-hidden"] for svg in root.all("svg", "tiny"))
    assert len(pictures) == 2 * len(root.all("figure")) == 64
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        names = picture.attributes["aria-labelledby"].split()
        told = {e.attributes["id"]: e.text for e in picture.all() if "id" in e.attributes}
        assert [bool(told[name]) for name in names] == [True, True]


def test_every_verdict_is_in_the_summary_with_sign_and_word(root: Element) -> None:
    table = root.one("table", "summary")
    badges = [badge.text for badge in table.all("span", "badge")]
    assert len(badges) == 32
    assert set(badges) == {"✓holds", "◐holds in part", "✗does not hold", "?cannot tell"}
    assert table.text.count("times fewer steps") == 32


def test_a_row_leads_to_the_keys_of_its_trials() -> None:
    found = report([part("a", "digits", "holds", (lines(),))])
    (entry,) = found.entries
    assert entry.verdict is not None
    root = tree(html.render(found))
    by_id = {e.attributes["id"]: e for e in root.all() if "id" in e.attributes}
    (table,) = entry.verdict.tables
    rows = root.one("article").all("tbody")[1].all("tr")
    for row, keys in zip(rows, table.keys, strict=True):
        (link,) = row.all("a")
        first, last = (int(n) for n in link.text.split("–"))
        stem = link.attributes["href"].removeprefix("#").rpartition("_")[0]
        listed = set()
        for number in range(first, last + 1):
            heading = by_id[f"{stem}_{number}"]
            siblings = by_id[stem].inner
            place = next(k for k, e in enumerate(siblings) if e is heading)
            keys_of = siblings[place + 1]
            assert isinstance(keys_of, Element)
            listed |= set(re.findall(r"\b[0-9a-f]{24}\b", keys_of.text))
        assert listed == set(keys)


def test_names_are_escaped() -> None:
    figure = lines((NASTY, "batch norm"))
    one = part(NASTY, NASTY, "holds", (figure, strips((NASTY, "b & c"))))
    one["verdict"]["tables"][0]["columns"][0] = NASTY
    one["verdict"]["tables"][0]["rows"][0][0] = NASTY
    one["verdict"]["notes"] = [NASTY]
    one["verdict"]["sentence"] = one["verdict"]["measured_on"] = one["phrase"] = NASTY
    one["statement"]["arms"][0] = [NASTY, '"> <img src=x onerror=alert(2)>']
    one["shared"]["data"] = NASTY
    page = html.render(report([one]))
    assert "<script>alert" not in page
    root = tree(page)
    assert len(root.all("script")) == 1, "the page's own"
    assert not root.all("img")
    assert NASTY in root.one("article").text
    assert [p.text for p in root.all("p", "caption")] == ["Effects", "Each learning rate"]


def test_a_partial_run_says_so() -> None:
    one = part("a", "digits", "cannot tell", ()) | {"complete": False}
    root = tree(html.render(report([one], complete=False)))
    assert root.one("p", "partial").text.startswith("Partial.")
    assert "partial" in root.one("table", "summary").text
    whole = tree(html.render(report([part("a", "digits", "holds", ())])))
    assert not whole.all("p", "partial")


def test_a_skipped_claim_is_listed_with_its_reason() -> None:
    from evenbatch.report.record import skipped

    reason = "The files of MNIST are not there & nothing was measured."
    root = tree(html.render(report([skipped("ioffe", "figure 1a", "mnist", reason)])))
    assert reason in root.one("table", "summary").text
    assert "–skipped" in root.one("table", "summary").text
    assert reason in root.one("article").text


def test_thousands_of_trials_fit_into_two_megabytes() -> None:
    page = html.render(many(16, 200)).encode()
    assert len(page) < 2_000_000
    assert len(gzip.compress(page)) < 600_000
