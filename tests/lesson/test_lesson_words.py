"""The page's words: the same keys, the same blanks, in every language; no borrowed sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evenbatch.atlas.conditions import CONDITIONS

WEB = Path(__file__).resolve().parents[2] / "web"
FILES = (WEB / "src" / "words").glob("*.json")
LANGUAGES = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}
for path in (WEB / "src").glob("*/words.json"):
    for code, more in json.loads(path.read_text("utf-8")).items():
        LANGUAGES[code] |= more
SOURCE = {path: path.read_text("utf-8") for path in (WEB / "src").rglob("*.ts*")}
ANSWERS = ("holds", "holds-in-part", "does-not-hold", "cannot-tell")


def test_there_are_two_languages() -> None:
    assert set(LANGUAGES) == {"en", "de"}


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_language_has_every_key_and_every_blank(code: str) -> None:
    english, words = LANGUAGES["en"], LANGUAGES[code]
    assert sorted(words) == sorted(english)
    for key, text in words.items():
        assert text.strip(), key
        blanks = set(re.findall(r"\{(\w+)\}", text))
        assert blanks == set(re.findall(r"\{(\w+)\}", english[key])), key


def test_the_second_language_is_no_copy() -> None:
    english, german = LANGUAGES["en"], LANGUAGES["de"]
    same = [key for key in english if english[key] == german[key] and len(english[key]) > 25]
    assert not same


def test_every_key_that_the_source_names_is_there() -> None:
    words = LANGUAGES["en"]
    for path, text in SOURCE.items():
        for key in re.findall(r"""\btt?\(\s*["']([\w.-]+)["']""", text):
            assert key in words, f"{path.name}: {key}"


def chapters() -> dict[str, str]:
    """Source of each chapter's file by the chapter's id."""
    found = {}
    for path, text in SOURCE.items():
        if path.parent.name == "chapters" and (match := re.search(r'const ID = "([\w-]+)"', text)):
            found[match.group(1)] = text
    return found


def test_every_chapter_has_its_words_at_both_levels() -> None:
    words = LANGUAGES["en"]
    assert len(chapters()) == 8  # and the machine, whose id stands in its last lines
    for name, text in chapters().items():
        picture = ("scene",) if "  Scene,\n" in text else ()
        wanted = [f"{name}.{part}" for part in ("title", "brief", *picture)]
        wanted += [f"{name}.story.{level}" for level in ("cookie", "maths")]
        for options in re.findall(r"options: \[([^\]]*)\]", text):
            if name == "review":
                continue
            for option in re.findall(r'"([\w-]+)"', options):
                wanted += [f"{name}.check.{option}", f"{name}.check.{option}.why"]
        for experiment in re.findall(r'name: "([\w.]+)"', text):
            wanted += [f"{experiment}.happened.{answer}" for answer in ANSWERS]
            wanted += [f"{experiment}.tab", f"{experiment}.words", f"{experiment}.start"]
        missing = [key for key in wanted if key not in words]
        assert not missing, missing


def test_the_chapters_take_sixty_minutes() -> None:
    minutes = [
        int(m)
        for path, text in SOURCE.items()
        if path.parent.name == "chapters"
        for m in re.findall(r"minutes: (\d+)", text)
    ]
    assert len(minutes) == 9
    assert sum(minutes) == 60


FIRST = {
    "break": "break.eps"
}  # the experiment that a chapter opens with, where it has another name
PICTURES = {
    "factory": 3,
    "race": 2,
    "tower": 2,
    "place": 2,
    "layer": 2,
    "break": 2,
    "review": 0,
}  # to look at, where not one
A_MINUTE = 130  # words that a learner reads
LOOKING, RUNNING = 0.75, 0.5  # minutes for a picture, and to start a run and see it end


def test_whoever_reads_every_word_needs_no_longer_than_is_said() -> None:
    """Of what is not folded and stands under no other tab, in cookie words."""
    words = LANGUAGES["en"]
    needed = {}
    for chapter in [*chapters(), "machine"]:
        first = FIRST.get(chapter, chapter)
        parts = ["title", "story.cookie", "touch.title", "touch", "explain", "explain.cookie"]
        keys = [f"{chapter}.{part}" for part in (*parts, "experiment.title", "experiment")]
        keys += [f"{first}.{part}" for part in ("tab", "words", "happened.more", "elsewhere")]
        keys += [key for key in words if key.startswith((f"{first}.predict", f"{chapter}.say"))]
        keys += [f"{first}.happened.holds-in-part"]
        checks = (f"{chapter}.check", "review." if chapter == "review" else "-")
        keys += [key for key in words if key.startswith(checks) and not key.endswith(".why")]
        text = " ".join(words.get(key, "") for key in dict.fromkeys(keys))
        pictures = PICTURES.get(chapter, 1)
        running = RUNNING if f"{first}.predict" in words else 0
        needed[chapter] = len(text.split()) / A_MINUTE + LOOKING * pictures + running
    said = {
        name: int(found.group(1))
        for name, text in [*chapters().items(), ("machine", machine_source())]
        if (found := re.search(r"minutes: (\d+)", text))
    }
    assert set(said) == set(needed)
    assert {name: round(n, 1) for name, n in needed.items() if n > said[name]} == {}
    assert sum(needed.values()) > 25  # nothing was overlooked


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_the_lesson_says_where_claims_hold_as_the_atlas_does(code: str) -> None:
    """The shares are written by web/made.py; these are the settings they are shares of."""
    texts = [text for key, text in LANGUAGES[code].items() if key.endswith(".elsewhere")]
    for condition in CONDITIONS:
        where = f"{condition.more[0]} {condition.less[0] * (condition.claim != 'batch-size')}"
        named = re.findall(r"\d+|MNIST|PyTorch|He|Xavier|sigmoid|tanh", where)
        assert any(all(n.lower() in text.lower() for n in named) for text in texts), where


def machine_source() -> str:
    """The one chapter whose id stands in its last lines."""
    return next(text for path, text in SOURCE.items() if path.name == "machine.tsx")


def test_nobody_says_what_a_network_wants() -> None:
    wishes = {
        "en": r"network (wants|likes|hates|thinks|feels)",
        "de": r"Netz (will|mag|hasst|denkt|fühlt)",
    }
    for code, pattern in wishes.items():
        for key, text in LANGUAGES[code].items():
            if not key.startswith("teacher.myth"):
                assert not re.search(pattern, text), key
