"""docs/rules.md says what the rules say."""

from __future__ import annotations

from pathlib import Path

from evenbatch.torch.auditing.rules import RULES
from evenbatch.torch.auditing.rules.__main__ import page

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "make it again: python -m evenbatch.torch.auditing.rules > docs/rules.md"
    )


def test_every_rule_stands_in_it_once() -> None:
    text = page()
    for code, rule in RULES.items():
        assert text.count(f"### {code} {rule.name}\n") == 1
        assert f"(#{code.lower()}-{rule.name})" in text
