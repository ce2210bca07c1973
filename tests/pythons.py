"""The fast part of the tests on every other Python of this machine (`make pythons`).

    python tests/pythons.py [3.12 …]           in a virtual environment for each
    python tests/pythons.py --here [ARGS …]    with this one, as it is; more arguments are pytest's

Each gets a virtual environment of its own beside `.venv`, without PyTorch, Ray and JAX; what is
tested there are the kernels, the normalizers, the engine, the claims and the command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = [f"3.{minor}" for minor in range(11, 16)]
FAST = ["kernels", "norms", "engine", "protocol", "claims", "test_cli.py", "test_cli_again.py",
        "test_cli_sweep.py"]  # fmt: skip


def version_of(python: str) -> str:
    """Such as 3.12, or nothing if it does not start (as a pyenv shim may not)."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def pythons() -> dict[str, str]:
    """Path of one Python for each version but this one's, from the PATH and from pyenv."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in VERSIONS:
        places = [shutil.which(f"python{version}")]
        places += [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        fit = [p for p in places if p and version_of(p) == version]
        if version != own and fit:
            found[version] = fit[0]
    return found


def fast(python: str) -> list[str]:
    """The command that runs the fast part."""
    parts = [str(Path("tests") / part) for part in FAST]
    return [python, "-m", "pytest", "-q", "-r", "fE", "-n", "2", "--installed-only", *parts]


def tested(version: str, python: str) -> bool:
    """Whether the fast part passes on it."""
    started = time.monotonic()
    folder = ROOT / ".venv" / "pythons" / version
    own = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "-c", "constraints.txt"]  # fmt: skip
    steps = [
        [python, "-m", "venv", str(folder)],
        [*install, "-e", ".[tables,test]" if version == "3.15" else ".[mnist1d,tables,test]"],
        fast(own),
    ]
    passed = True
    for step in steps:
        passed = passed and subprocess.run(step, cwd=ROOT, check=False).returncode == 0
    seconds = time.monotonic() - started
    sys.stdout.write(f"Python {version}: {'passed' if passed else 'FAILED'}, {seconds:.0f} s\n")
    sys.stdout.flush()
    return passed


def main() -> int:
    """Test each; the number of those on which something failed."""
    if sys.argv[1:2] == ["--here"]:
        return subprocess.run(
            [*fast(sys.executable), *sys.argv[2:]], cwd=ROOT, check=False
        ).returncode
    chosen = pythons()
    sys.stdout.write(f"Other Pythons here: {', '.join(chosen) or 'none'}\n")
    sys.stdout.flush()
    wanted = [v for v in chosen if not sys.argv[1:] or v in sys.argv[1:]]
    return sum(not tested(version, chosen[version]) for version in wanted)


if __name__ == "__main__":
    sys.exit(main())
