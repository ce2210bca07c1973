"""The modules for WebAssembly: what is asked for where tools are missing, and how they are shipped.

That they compute what they should is in tests/engine/test_engine_wasm.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bench.harness import ROOT, script


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = script("kernels")
    monkeypatch.setattr(kernels, "PINNED", {"numba": "0.1", "no-such-linker": "2"})
    with pytest.raises(kernels.BuildError, match=r"pip install numba==0\.1 no-such-linker==2"):
        kernels.build(tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_the_tools_are_those_that_make_installs() -> None:
    """Numba and llvmlite are in everyone's environment; another version there would miss."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    for package, version in script("kernels").PINNED.items():
        assert f"{package}=={version}" in lines


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the sources with a page, and with modules that are what their stamp says."""
    root = tmp_path / "clone"
    leave = shutil.ignore_patterns("page", "wasm", "node_modules", "__pycache__")
    for folder in ("src", "web"):
        shutil.copytree(ROOT / folder, root / folder, ignore=leave)
    for file in ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, root / file)
    for file in ("CHANGELOG.md", "CITATION.cff", ".gitignore"):
        shutil.copy(ROOT / file, root / file)
    build, kernels = script("build", root), script("kernels", root)
    for folder, names in ((build.PAGE, ["index.html"]), (kernels.SHIPPED, kernels.FILES)):
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(b"made")
    build.STAMP.write_text(build.stamp())
    kernels.STAMP.write_text(kernels.stamp())
    return root


def package(root: Path, kind: str) -> Any:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(root / "dist")]
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)


def test_modules_are_shipped_in_wheel_and_source_archive(clone: Path) -> None:
    for kind in ("wheel", "sdist"):
        done = package(clone, kind)
        assert done.returncode == 0, done.stderr
    (wheel,), (archive,) = (clone / "dist").glob("*.whl"), (clone / "dist").glob("*.tar.gz")
    wanted = {f"evenbatch/lesson/wasm/{name}" for name in script("kernels").FILES}
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(archive) as source:
        names = {"/".join(name.split("/")[2:]) for name in source.getnames()}
    assert wanted <= names


def test_old_modules_are_not_shipped(clone: Path) -> None:
    with (clone / "src" / "evenbatch" / "kernels" / "_lanes.py").open("a") as file:
        file.write("# changed\n")
    done = package(clone, "wheel")
    assert done.returncode != 0
    assert "older than the kernels: run `make kernels`, or delete" in done.stderr
