"""What a training ran on: machine and versions, without the machine's name."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evenbatch import __version__

PACKAGES = ("numpy", "numba", "llvmlite", "mnist1d")


def versions() -> dict[str, str]:
    """evenbatch, Python and the packages results depend on.

    >>> sorted(versions())[:2]
    ['evenbatch', 'llvmlite']
    """
    found = {"evenbatch": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, system.

    >>> machine()["cores"] >= 1
    True
    """
    from evenbatch.engine.session import cores

    return {
        "processor": processor(),
        "cores": cores(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def processor() -> str:
    """The processor's name, or its architecture where no name can be found."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        import subprocess

        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0 and result.stdout.strip():
            return result.stdout.strip()
    return platform.processor() or platform.machine()


def memory_gib() -> float | None:
    """Memory of the machine in GiB, or None where it cannot be asked."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


@cache
def code() -> str:
    """The commit this evenbatch runs from, with "+" if its files were changed since; "" if it runs
    from an installed package."""
    import subprocess

    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists() or not (root / "src" / "evenbatch").is_dir():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        found = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
