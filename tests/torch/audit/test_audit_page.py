"""docs/rules.md says what the rules say."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import evenbatch.torch
from evenbatch.torch.auditing import rules
from evenbatch.torch.auditing.rules import RULES
from evenbatch.torch.auditing.rules.__main__ import page

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
RULES_FOLDER = Path(rules.__file__).parent


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "make it again: python -m evenbatch.torch.auditing.rules > docs/rules.md"
    )


def test_every_rule_stands_in_it_once() -> None:
    text = page()
    for code, rule in RULES.items():
        assert text.count(f"### {code} {rule.name}\n") == 1
        assert f"(#{code.lower()}-{rule.name})" in text


def test_every_example_is_python() -> None:
    """The site colours it, and warns of what it cannot read."""
    for block in re.findall(r"```python\n(.*?)```", page(), re.DOTALL):
        ast.parse(textwrap.dedent(block))


def test_what_the_rules_recommend_exists() -> None:
    """Every name of this package that a rule's page or message mentions."""
    source = "".join(path.read_text("utf-8") for path in RULES_FOLDER.glob("eb*.py"))
    named = set(re.findall(r"evenbatch\.torch import (\w+)", source))
    named |= set(re.findall(r"evenbatch\.torch\.(\w+)\b(?!\.)(?! import)", source))
    assert named >= {"swap", "refresh", "freeze", "fold", "sync", "unsync", "BatchNorm1d"}
    assert not named - set(evenbatch.torch.__all__)
