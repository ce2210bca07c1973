"""Puts the lesson's page, and the kernels for WebAssembly where `make kernels` has built them, into
wheels and source archives."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _script(root: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"web_{name}", Path(root) / "web" / f"{name}.py")
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
        return [package] if (package := _script(self.root, "build").wants()) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        page = Path(self.root) / "src" / "evenbatch" / "lesson" / "page"
        if (Path(self.root) / "web" / "build.py").is_file():
            _script(self.root, "build").build()
        elif not (page / "index.html").is_file():
            raise RuntimeError("the lesson's page is neither built nor are its sources here")
        build_data["artifacts"].append("src/evenbatch/lesson/page/**")
        self._add_kernels(build_data)

    def _add_kernels(self, build_data: dict[str, Any]) -> None:
        # Not built here: that takes a minute and tools of 100 MB, for every install from a clone.
        shipped = Path(self.root) / "src" / "evenbatch" / "lesson" / "wasm"
        if not shipped.is_dir():
            return
        if not _script(self.root, "kernels").up_to_date():
            raise RuntimeError(
                f"the modules in {shipped} are older than the kernels: run `make kernels`, or "
                "delete that folder to do without them"
            )
        build_data["artifacts"].append("src/evenbatch/lesson/wasm/**")
