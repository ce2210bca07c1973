"""Claims on convolutional networks: which, on what, and that nothing but the layers changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evenbatch.app.answered import request
from evenbatch.app.parts import parts_for, parts_of
from evenbatch.app.tables import Tables
from evenbatch.claims import CLAIMS
from evenbatch.claims.batch_spread import _sums
from evenbatch.claims.claim import DEFAULT, Effort
from evenbatch.claims.convolutional import BRIEF, NOT, ON, by_convolution
from evenbatch.data import DataError, load, mnist1d
from evenbatch.engine import Network, initial_weights
from evenbatch.protocol.verdict import NotHere
from support.curves import tea
from support.studies import QUICK, concluded
from support.worlds import World, start_of

DIGITS = load("digits")


def names(claim: str, conv: bool | None, *data: Any, effort: Effort = DEFAULT) -> list[str]:
    return [part.data for part in parts_of(claim, data, None, None, effort, Tables(), conv)]


def test_every_claim_is_measured_by_convolution_or_says_why_not() -> None:
    assert sorted((*ON, *NOT)) == sorted(CLAIMS)
    for claim, data in ON.items():
        assert set(data) in ({"digits"}, {"mnist1d"}, {"digits", "mnist1d"}), claim


def test_a_default_run_has_both_and_data_that_were_asked_for_only_one() -> None:
    own, by = ["digits", "cookies"], "digits by convolution"
    assert names("batch-size", None) == [*own, by]
    assert names("batch-size", False) == own
    assert names("batch-size", True) == [by]
    assert names("batch-size", None, "digits") == ["digits"]
    assert names("batch-size", True, "digits") == [by]


def test_a_quick_run_has_a_few_on_one_data_set() -> None:
    assert set(BRIEF) <= set(ON)
    assert names("speed", None, effort=QUICK) == ["digits", "cookies", "digits by convolution"]
    assert names("batch-size", None, effort=QUICK) == ["digits", "cookies"]
    assert names("batch-size", True, effort=QUICK) == ["digits by convolution"]


def test_what_cannot_be_convolved_is_skipped_with_the_reason() -> None:
    (part,) = parts_of("placement", (), None, None, QUICK, Tables(), True)
    assert part.study is None
    assert part.skipped.startswith("It is not measured by convolution: ")
    (part,) = parts_of("speed", (tea(),), None, None, QUICK, Tables(), True)
    assert part.skipped == "The columns of tea are not positions that could be convolved."
    with pytest.raises(NotHere):
        CLAIMS["speed"].on(tea(), QUICK, by_convolution)


def test_mnist1d_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_args: object, **_named: object) -> None:
        raise DataError(mnist1d.ABSENT)

    monkeypatch.setattr(Tables, "load", gone)
    (part,) = parts_of("learning-rate", (), None, None, QUICK, Tables(), True)
    assert (part.data, part.skipped) == ("mnist1d by convolution", mnist1d.ABSENT)


@pytest.mark.parametrize("claim", ON)
def test_nothing_but_the_layers_changes(claim: str) -> None:
    plain = CLAIMS[claim].on(DIGITS, QUICK).trials({}).trials
    other = CLAIMS[claim].on(DIGITS, QUICK, by_convolution).trials({}).trials
    assert len(plain) == len(other)
    for one, conv in zip(plain, other, strict=True):
        assert conv.network.depth == one.network.depth
        assert (conv.network.hidden, one.network.conv) == ((), ())
        layers = {"hidden": one.network.hidden, "conv": (), "shape": (), "flatten": False}
        assert replace(conv, network=replace(conv.network, **layers)) == one


def test_the_verdict_says_what_it_is_on() -> None:
    study = CLAIMS["speed"].on(DIGITS, QUICK, by_convolution)
    verdict = concluded(study, World(1, start_of(DIGITS), calm=True))
    assert verdict.sentence.startswith("digits by convolution: ")
    assert "convolutions (3 × 16 of kernel 3, stride 2)" in verdict.measured_on


def test_the_data_a_claim_makes_keep_the_name_that_was_asked_for() -> None:
    assert names("regularization", True) == ["digits by convolution"]


def test_yesterdays_answer_is_one_to_the_same_networks() -> None:
    asked = [parts_for(("speed",), (), None, None, "quick", None, conv=c) for c in (None, False)]
    assert len({request(parts, how) for how, parts in asked}) == 2


def test_the_scatter_behind_a_convolution_is_that_of_its_sums() -> None:
    conv = ({"channels": 3, "kernel": 3, "stride": 2},)
    network = Network(64, (), 10, conv=conv, shape=(8, 8, 1))
    sums, weight = _sums(DIGITS, network, 0), initial_weights(network, 0).linears[0].weight
    image = DIGITS.x_train[7].reshape(8, 8)
    # The place in the second row and third column looks at rows 1 to 3 and columns 3 to 5.
    assert sums.shape == (DIGITS.n_train, 16, 3)
    expected = (weight[:, 0] * image[1:4, 3:6]).sum(axis=(1, 2))
    other = (weight[:, 0] * image[3:6, 3:6]).sum(axis=(1, 2))
    assert sums[7, 6] - sums[7, 10] == pytest.approx(expected - other, rel=1e-5)
