"""Conditions turned round are true where they were not."""

from __future__ import annotations

from itertools import product

import pytest

from evenbatch import protocol as p
from evenbatch.protocol.verdict import Effect

SIGNS = (">=", ">", "<", "<=")
ENDS = tuple(product((0.5, 1.0, 1.5), (0.8, 1.0, 2.0)))  # on both sides of the bounds, and on them
ONE = [p.Interval("a/x", end, sign, 1) for end, sign in product(("low", "high"), SIGNS)]
EVERY = [p.Interval("a/*", "low", sign, 1, how) for sign, how in product(SIGNS, ("all", "any"))]
JOINED = [
    p.above("a/x", 1) & p.below("a/y", 2),
    p.above("a/x", 1) | p.below("a/y", 2) | p.beyond("a/y", 1),
    (p.above("a/x", 1) & p.up_to("a/y", 2)) | p.below("a/x", 1),
    p.Each({"x": "x", "y": "y"}, p.above("a/$", 1) & p.up_to("a/$", 1)),
    p.Each({"x": "x", "y": "y"}, p.above("a/$", 1), "any"),
]


@pytest.mark.parametrize("condition", [*ONE, *EVERY, *JOINED], ids=repr)
def test_turned_round_is_the_opposite(condition: p.Interval) -> None:
    said = set()
    for x, y in product(ENDS, ENDS):
        ends = {"x": x, "y": y}.items()
        effects = {f"a/{id}": Effect("", 1.0, *lie, "", id=f"a/{id}") for id, lie in ends}
        said.add(condition.holds(effects))
        assert (~condition).holds(effects) is not condition.holds(effects)
        assert (~~condition).holds(effects) is condition.holds(effects)
    assert len(said) == 2


def test_joined_conditions_stay_flat() -> None:
    a, b, c = (p.above(f"a/{id}", 1) for id in "xyz")
    assert (a & b & c).of == (a, b, c)
    assert (a | b | c).of == (a, b, c)
