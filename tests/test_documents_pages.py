"""Every page of the documents: its Python runs, its commands parse, its links and anchors lead
somewhere, and nothing was left to be filled in.

A page whose Python starts from what its reader already has finds that in `tests/documents/`, in a
file of the page's name, which runs before it (and may use `monkeypatch`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from evenbatch import cli

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/*.md")])
    if not path.is_relative_to(ROOT / "docs" / "made")  # by docs/site.py
}
FRAGMENTS = {"docs/rules.md"}  # examples of a line or two, of models that are not there
SHOWN = {"README.md": "10.66"}  # what a page's code prints: the variance of 2, 10 and 6 cups
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    return [text for _, kind, text in BLOCK.findall(PAGES[page]) if kind == language]


def prose(page: str) -> str:
    """A page without its code and names of variables."""
    return re.sub(r"`[^`]*`|\w+\\_[\w\\]*", "", BLOCK.sub("", PAGES[page]))


# ---- Python --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python") and p not in FRAGMENTS])
def test_the_python_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = [compile(block, page, "exec") for block in blocks(page, "python")]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENBATCH_STORE", str(tmp_path / "my.store"))
    names: dict[str, object] = {"__name__": "page", "monkeypatch": monkeypatch}
    before = Path(__file__).parent / "documents" / f"{Path(page).stem}.py"
    if before.is_file():
        exec(compile(before.read_text("utf-8"), str(before), "exec"), names)
    for block in code:
        exec(block, names)
    assert SHOWN.get(page, "") in capsys.readouterr().out


# ---- commands ------------------------------------------------------------------------------------

COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?evenbatch( .*)?$", re.MULTILINE)


def commands(page: str) -> Iterator[str]:
    """Lines of code blocks that call evenbatch, without the explanation that may stand beside."""
    for _, kind, text in BLOCK.findall(PAGES[page]):
        if kind in ("", "sh", "bash", "console"):
            for line in COMMAND.findall(text.replace("\\\n", " ")):
                yield re.split(r" {2,}", line.strip())[0]


def mentioned(page: str) -> Iterator[str]:
    """Commands in a sentence, with what they show as optional."""
    for text in re.findall(r"`evenbatch( [^`]*)`", BLOCK.sub("", PAGES[page])):
        yield re.sub(r"[\[\]…]|\.\.\.", " ", text).strip()


def found(line: str) -> tuple[Any, list[str]]:
    command: Any = typer.main.get_command(cli.app)
    words = shlex.split(line)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_parse(page: str) -> None:
    for line in commands(page):
        command, words = found(line)
        try:
            command.make_context("evenbatch", words)
        except Exception as error:
            pytest.fail(f"evenbatch {line}: {error}")
    for line in mentioned(page):
        command, words = found(line)
        options = {n for p in command.params for n in (*p.opts, *p.secondary_opts)}
        wrong = {word for word in words if word.startswith("--")} - options - {"--help"}
        assert not wrong, f"evenbatch {line}: there is no {', '.join(wrong)}"


@pytest.mark.parametrize("line", ["prvoe", "prove --sedes 5", "race --seeds many"])
def test_a_command_that_does_not_parse_is_seen(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAGES, "planted", f"```\nevenbatch {line}   explained\n```\n")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_the_commands_of_a_page_parse("planted")


@pytest.mark.parametrize("page", PAGES)
def test_modules_targets_and_extras_of_a_page_exist(page: str) -> None:
    text = PAGES[page]
    for module in re.findall(r"python -m ((?:evenbatch|bench)[\w.]*)", text):
        assert importlib.util.find_spec(module.rstrip(".")), f"there is no module {module}"
    rules = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`|   )make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", rules, re.MULTILINE), f"make {target} does not exist"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extras in re.findall(r"evenbatch\[([\w,]+)\]", text):
        assert set(extras.split(",")) <= set(project["optional-dependencies"]), extras


# ---- links and placeholders ----------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """Those that GitHub gives the headings of a page."""
    seen: dict[str, int] = {}
    made = set(re.findall(r'<a (?:id|name)="([^"]+)"', PAGES[page]))
    for title in re.findall(r"^#+ +(.*?) *#*$", BLOCK.sub("", PAGES[page]), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        made.add(f"{slug}-{count}" if count else slug)
    return made


@pytest.mark.parametrize("page", PAGES)
def test_every_local_link_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", PAGES[page])):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{link} is missing"
        if anchor:
            name = Path(os.path.relpath(target, ROOT)).as_posix()
            assert anchor in anchors(name), f"{link}: no heading makes that anchor"


# Names that are written in capitals; what else is, was to be replaced.
CAPITALS = {
    "ARFF", "BLAS", "BYOL", "CHANGELOG", "CITATION", "CONDUCT", "CONTRIBUTING", "CUDA", "EPYC",
    "HTML", "HTTP", "HTTPS", "IEEE", "IREE", "JSON", "LICENSE", "LLVM", "MNIST", "NNCF",
    "NVIDIA", "ONNX", "README", "RELEASING", "SARIF", "SECURITY", "SIMD", "TOML", "XNNPACK", "YAML",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_nothing_waits_to_be_filled_in(page: str) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", prose(page))
    wrong = set(re.findall(r"\b[A-Z]{4,}\b", text)) - CAPITALS
    wrong |= set(re.findall(r"\b(?:TBD|XXX|lorem ipsum)\b|\?\?\?", text))
    assert not wrong, f"{sorted(wrong)}: a placeholder? (a name in capitals goes into CAPITALS)"


# CONTRIBUTING.md says what not to say.
@pytest.mark.parametrize("page", sorted({*PAGES} - {"CONTRIBUTING.md"}))
def test_the_words_of_the_house(page: str) -> None:
    wrong = re.findall(r"\btrainings\b|\bsurely\b|\bfor sure\b", prose(page), re.IGNORECASE)
    assert not wrong, f"{wrong}: a run is called a run, and a sentence says what its interval says"
