"""Packages that only some tests need; with `--installed-only` those tests are skipped without.

Where a package is missing nothing else is left out by itself: a test that cannot import what it
needs fails.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OPTIONAL = {
    "axe_playwright_python", "complextorch", "executorch", "jax", "mnist1d", "nbclient", "ncnn",
    "normflows", "onnx", "onnxruntime", "openvino", "peft", "playwright", "pytorch_tabnet", "ray",
    "snntorch", "torch", "transformers", "x_transformers",
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]


class SkipWithout:
    """Turns the import of an optional package that is not installed into a skipped test.

    Only imports written in this project: other packages look for optional ones of their own.
    """

    def __init__(self) -> None:
        self.missing = {name for name in OPTIONAL if not _installed(name)}

    def find_spec(self, name: str, _path: Any = None, _target: ModuleType | None = None) -> None:
        """Called by each import of what is not loaded yet."""
        package = name.partition(".")[0]
        if package in self.missing and ROOT in Path(_importing_file()).resolve().parents:
            pytest.skip(f"{package} is not installed", allow_module_level=True)


def skip_without_mnist1d() -> None:
    """The data that a package makes are missing where it is."""
    from evenbatch.data import mnist1d

    def missing() -> str:
        pytest.skip("mnist1d is not installed")

    if not _installed("mnist1d"):
        mnist1d._generator = missing


def _installed(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # tests/torch, seen as a package, has none


def _importing_file() -> str:
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame.f_code.co_filename
