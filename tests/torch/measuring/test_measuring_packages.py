"""docs/layers.md: as large as asked, made by the rules of today, true of the packages here."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = ("complextorch", "normflows", "pytorch_tabnet", "snntorch", "x_transformers")


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("layers_page", ROOT / "docs" / "layers.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
CONTENT = json.loads((ROOT / "docs" / "layers.json").read_text("utf-8"))


def test_the_page_is_what_was_recorded() -> None:
    assert (ROOT / "docs" / "layers.md").read_text("utf-8") == SCRIPT.render(CONTENT)
    assert len(CONTENT["layers"]) >= 60
    assert len({row["package"] for row in CONTENT["layers"]}) >= 25


def test_it_was_recorded_with_these_rules_rewrites_and_layers() -> None:
    from evenbatch import __version__
    from evenbatch.torch import rewrite
    from evenbatch.torch.auditing.rules import RULES

    remedy = "record it again: python docs/layers.py"
    assert CONTENT["evenbatch"] == __version__, remedy
    assert CONTENT["rules"] == list(RULES), remedy
    verbs = {name for name in rewrite.__all__ if name[0].islower()} - {"unsync"}
    assert set(CONTENT["verbs"]) == set(SCRIPT.VERBS) == verbs, remedy
    asked = [(package, layer) for package, _, layer, _ in SCRIPT.LAYERS]
    assert [(row["package"], row["layer"]) for row in CONTENT["layers"]] == asked, remedy
    for row in CONTENT["layers"]:
        assert {*SCRIPT.COLUMNS, "audit"} <= set(row)
        assert set(row["verbs"]) == set(SCRIPT.VERBS)


@pytest.mark.parametrize("package", HERE)
@pytest.mark.filterwarnings("ignore")  # the packages' own
def test_the_packages_here_do_what_is_recorded(package: str) -> None:
    importlib.import_module(package)
    found = SCRIPT.record((package,))
    assert not found["missing"]
    recorded = [row for row in CONTENT["layers"] if row["package"] == package]
    assert found["layers"]
    for new, old in zip(found["layers"], recorded, strict=True):
        if new["version"] != old["version"]:
            pytest.skip(f"{package} {new['version']}; {old['version']} is recorded")
        for key in (*SCRIPT.COLUMNS, "audit"):
            assert new[key] == old[key], (new["layer"], key)
        done = {verb: said == "changed" for verb, said in new["verbs"].items()}
        assert done == {verb: said == "changed" for verb, said in old["verbs"].items()}
    assert "layers_page" not in sys.modules
