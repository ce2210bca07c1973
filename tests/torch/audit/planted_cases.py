"""The table of planted problems: a case for every rule."""

from __future__ import annotations

import planted_deploy
import planted_running
import planted_statistics
import planted_structure
import planted_training
import planted_use
from planted import Case

CASES: dict[str, Case] = {
    **planted_structure.CASES,
    **planted_statistics.CASES,
    **planted_training.CASES,
    **planted_running.CASES,
    **planted_use.CASES,
    **planted_deploy.CASES,
}
