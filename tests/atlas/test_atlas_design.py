"""The design is fixed: setting number i is always the same one, and the sample is even."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest

from evenbatch.atlas.design import AXES, DEAREST, LARGEST, settings
from evenbatch.protocol.verdict import ExperimentError

FIRST = "80a9d465455d50da"
"""Hash of the first thousand: whatever changes it makes every measured atlas another one."""


def test_the_first_settings_are_what_they_were() -> None:
    text = json.dumps([[n, *vars(s).values()] for n, s in settings(0, 1000)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == FIRST


def test_a_number_names_one_setting_however_it_is_asked_for() -> None:
    many = dict(settings(0, 3000))
    for first, count in ((0, 1), (1, 1), (5, 7), (1023, 3), (2500, 100)):
        for number, setting in settings(first, count):
            assert many[number] == setting
    assert len(set(many.values())) > 0.95 * len(many)


def test_values_are_about_equally_likely_and_only_dear_settings_are_left_out() -> None:
    found = [s for _, s in settings(0, 4096)]
    assert 0.8 < len(found) / 4096 < 0.9
    assert all(s.products <= DEAREST for s in found)
    for name in set(AXES) - {"depth", "width", "batch_size", "residual"}:  # what makes it dear
        counts = Counter(getattr(s, name) for s in found)
        assert set(counts) == set(AXES[name])
        assert max(counts.values()) < 1.1 * min(counts.values())
    assert all(s.residual == 0 for s in found if s.depth < 3)


@pytest.mark.parametrize(("first", "count"), [(0, 0), (0, -5), (-1, 3), (LARGEST, 1), (5, LARGEST)])
def test_settings_that_are_not_there(first: int, count: int) -> None:
    with pytest.raises(ExperimentError, match="For example: --settings 200 --first 0"):
        list(settings(first, count))
