"""The report of the very same request, where it lies already: nothing is worked out twice.

Runs come from the store in a second or two; what takes longer is to draw two hundred figures
and to write five megabytes that are there already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenbatch.claims import Effort
from evenbatch.engine.machine import machine, versions
from evenbatch.report.results import overlaid
from evenbatch.store import Store

if TYPE_CHECKING:
    from evenbatch.app.parts import Part

FLOORS = (
    "app", "claims", "data", "engine", "kernels", "norms", "protocol", "report", "runners", "store",
)  # fmt: skip
"""The floors an answer comes from: after a change in any of their files it is found anew."""


def request(parts: Sequence[Part], effort: Effort) -> str:
    """What is asked, of what data, with what code, on what machine: as a hash."""
    asked = {
        "parts": [(p.claim, p.data, p.skipped, _fingerprints(p)) for p in parts],
        "effort": asdict(effort),
        "versions": versions(),
        "machine": machine(),
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode())
    package = Path(__file__).resolve().parent.parent
    for floor in FLOORS:
        for path in sorted((package / floor).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _fingerprints(part: Part) -> dict[str, str]:
    if part.study is None:
        return {}
    return {name: data.fingerprint for name, data in part.study.datasets.items()}


def answer(folder: Path, asked: str, parts: Sequence[Part], store: Store) -> dict[str, Any] | None:
    """The record in a folder, if it answers just this request and is whole.

    None too if the store has lost a trial of it: who empties the store wants it measured again.
    """
    try:
        content: Any = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        whole = content["request"] == asked and content["complete"] is True
        whole = whole and (folder / "report.html").is_file() and (folder / "report.md").is_file()
        if not whole or not store.holds(_trained(parts, content["experiments"])):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no report, or a file that is none
    found: dict[str, Any] = content
    return found


def _trained(
    parts: Sequence[Part], records: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[str, str]]:
    """Key and data of every trial in a record but those that were only timed, which a store keeps
    as one."""
    for part, entry in zip(parts, records, strict=True):
        data = _fingerprints(part)
        for key, settings in entry.get("trials", {}).items():
            if key in entry["timed"]:
                continue
            yield key, data[overlaid(entry["shared"], settings)["data"]]
