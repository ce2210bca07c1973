"""The examples of docs/torch.md run, and print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "torch.md").read_text("utf-8")
CODE = r"```python\n(.*?)```"


def without_numbers(text: str) -> list[str]:
    """Its words: the differences measured are those of rounding."""
    return re.sub(r"\d\.\de[-+]\d\d", "…", text).split()


def test_the_pages_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(CODE, PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "docs/torch.md", "exec"), {})
    (shown,) = re.findall(CODE + r"\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert without_numbers(capsys.readouterr().out) == without_numbers(shown[1])


def test_what_the_page_says_of_pytorchs_converter_is_so() -> None:
    """The day it keeps the relu, the page can be shorter."""
    from torch import nn

    from evenbatch.torch import BatchNorm2d

    made = nn.SyncBatchNorm.convert_sync_batchnorm(BatchNorm2d(3, activation="relu"))
    assert type(made) is nn.SyncBatchNorm
    assert not hasattr(made, "activation")
