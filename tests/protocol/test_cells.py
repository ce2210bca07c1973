"""What all claims train unless they say otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from race_models import tea

from evenbatch.claims import ExperimentError
from evenbatch.protocol.setup import Setup


def test_a_trial_is_made_once_and_is_the_same_however_its_changes_are_ordered() -> None:
    setup = Setup(tea())
    one = setup.trial(3, norm="batch", learning_rate=0.3)
    assert setup.trial(3, learning_rate=0.3, norm="batch") is one
    assert setup.trial(4, norm="batch", learning_rate=0.3) is not one


def test_the_same_setup_on_other_data_makes_trials_on_those() -> None:
    setup = Setup(tea())
    setup.trial(0, norm="batch")
    other = setup.with_data(replace(tea(), name="mate"))
    assert other.trial(0, norm="batch").data == "mate"
    assert setup.trial(0, norm="batch").data == "tea"
    assert setup.trial(0, norm="batch", data=replace(tea(), name="rooibos")).data == "rooibos"


def test_changed_settings_of_a_copy_count() -> None:
    setup = Setup(tea(), settings={"steps": 10})
    assert setup.trial(0).steps == 10
    assert replace(setup, settings={"steps": 20}).trial(0).steps == 20


def test_a_table_smaller_than_a_batch_is_an_error_that_says_so() -> None:
    with pytest.raises(ExperimentError, match=r"tea has 20 training rows.*batches of 32"):
        Setup(tea(20)).trial(0)
