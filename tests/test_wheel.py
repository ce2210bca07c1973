"""What is installed has everything: the lesson's page and its recorded runs too."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "evenbatch"


def built(folder: Path, kind: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (found,) = folder.iterdir()
    return found


def test_the_wheel_holds_the_package_and_the_page(tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(built(tmp_path, "wheel")).namelist())
    own = {f"evenbatch/{path.relative_to(PACKAGE)}" for path in PACKAGE.rglob("*.py")}
    assert own - names == set()
    assert "evenbatch/lesson/page/index.html" in names
    scripts = [n for n in names if n.startswith("evenbatch/lesson/page/assets/")]
    assert {Path(n).suffix for n in scripts} == {".js", ".css"}
    recorded = PACKAGE / "lesson" / "recorded"
    assert {f"evenbatch/lesson/recorded/{p.name}" for p in recorded.glob("*.json")} <= names
    assert not [n for n in names if "node_modules" in n or n.startswith(("tests", "web"))]


def test_the_source_archive_can_build_the_page_again(tmp_path: Path) -> None:
    with tarfile.open(built(tmp_path, "sdist")) as archive:
        names = {"/".join(name.split("/")[1:]) for name in archive.getnames()}
    for needed in ("web/build.py", "web/package-lock.json", "hatch_build.py", "pyproject.toml"):
        assert needed in names
    assert "src/evenbatch/lesson/page/index.html" in names, "for who has no Node"
    assert not [n for n in names if "node_modules" in n]
