"""Puts the lesson's page into wheels and source archives; `make lesson` builds it elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _builder(root: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_build", Path(root) / "web" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CustomBuildHook(BuildHookInterface[Any]):
    """Builds the page where it is missing or old."""

    def dependencies(self) -> list[str]:
        page = Path(self.root) / "src" / "evenbatch" / "lesson" / "page" / "index.html"
        if page.is_file() or not (Path(self.root) / "web" / "build.py").is_file():
            return []
        return [package] if (package := _builder(self.root).wants()) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        page = Path(self.root) / "src" / "evenbatch" / "lesson" / "page"
        if (Path(self.root) / "web" / "build.py").is_file():
            _builder(self.root).build()
        elif not (page / "index.html").is_file():
            raise RuntimeError("the lesson's page is neither built nor are its sources here")
        build_data["artifacts"].append("src/evenbatch/lesson/page/**")
