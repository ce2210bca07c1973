"""Tables as data: what they name exists, what they show is what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from evenbatch import protocol as p
from evenbatch.claims import CLAIMS, EFFORTS
from evenbatch.claims import common as c
from evenbatch.claims.claim import asked
from evenbatch.claims.comparison import Comparison
from evenbatch.engine import Curve, Trial
from evenbatch.protocol import tabled
from evenbatch.protocol.experiment import written
from evenbatch.protocol.study import ClaimStudy
from evenbatch.protocol.values import values_in
from support.curves import Model, curve, tea
from support.studies import data_of, study_of, trained


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_text_is_filled_in(claim: str) -> None:
    text = written(study_of(claim).experiment).decode()
    assert "{metric}" not in text
    assert "{points}" not in text


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim != "speed"])
@pytest.mark.parametrize("effort", EFFORTS.values(), ids=list(EFFORTS))
def test_what_tables_name_exists(claim: str, effort: Any) -> None:
    for data in data_of(claim):
        experiment = CLAIMS[claim].on(data, effort).experiment
        assert experiment.tables
        for table in experiment.tables:
            block = experiment.block(table.block)
            axes = {axis.id: axis for axis in block.axes}
            assert {*table.rows, table.across} <= {*axes, ""}
            own = set(table.rows) or set(axes)
            for column in table.columns:
                if column.given:
                    length = len(axes[table.rows[0]].levels if table.rows else block.axes[0].levels)
                    assert len(column.given) == length
                    continue
                for of in values_in(column.of):
                    there = experiment.block(of.block or block.id)
                    assert of.at in [at.id for at in there.at], column.head
                    for axis, level in of.cell.items():
                        assert there.axis(axis)[level]
                    if type(column.of) is p.Value:  # of one cell: with the row's levels it is whole
                        assert set(of.cell) | own == {axis.id for axis in there.axes}


def small(hosts: tuple[str, ...]) -> Any:
    """Two arms, and a table of them."""
    compared = Comparison(
        c.arms("none", "batch"), EFFORTS["quick"], p.changes(depth=1, width=4, steps=60),
        (0.1, 1.0), hosts, c.LEVEL,
    )  # fmt: skip
    lead = c.LEVEL.of() - c.LEVEL.of(arm="none")
    more = p.TableSpec(
        "more",
        (
            p.Column("lead", "points", lead),
            p.Column("seeds", "given", words=".0f", given=(5, None)),
            p.Column("there", "reached"),
            p.Column("lost", "diverged"),
        ),
    )
    experiment, _ = asked(
        p.Prepared(tea()), claim="small", phrase="it helps", states="", question="", measure="",
        source="", blocks=(compared.block,), effects=(compared.gain("batch", "none"),),
        rule=p.Rule(clauses=(p.holds(p.beyond("gain/arms/best/batch/none"), "ahead"),),
                    names={"gain/arms/best/batch/none": "the lead"}, otherwise="too close"),
        goals=(p.Goal(levels=("none", "batch")),),
        tables=(compared.table("{metric}", "level"), more),
    )  # fmt: skip
    return ClaimStudy(experiment, {"tea": tea()}, p.Telling(lambda _reading: "it went so"))


def ends(best: dict[str, float]) -> Model:
    """Each arm's best learning rate; without normalization it ends at 0.7, with at 0.9."""

    def model(trial: Trial) -> Curve:
        arm = trial.network.norm
        top = 0.9 if arm == "batch" else 0.7
        right = trial.learning_rate == best[arm]
        if arm == "none" and trial.seed == 0:
            return curve(trial, diverged=True)
        return curve(trial, top if right else top - 0.1)

    return model


def tables_of(study: Any, model: Model) -> Any:
    reading = study.reading(trained(study, model))
    return [tabled.table(spec, reading) for spec in study.experiment.tables]


def test_a_row_for_each_arm_and_a_column_for_each_learning_rate() -> None:
    first, second = tables_of(small(("none", "batch")), ends({"none": 0.1, "batch": 1.0}))
    assert first.title == "accuracy"
    heads = ("arm", "best learning rate", "level, there", "accuracy at the end",
             "level, at learning rate 0.1", "level, at learning rate 1")  # fmt: skip
    assert first.columns == heads
    assert first.rows[1] == ("batch norm", "1", "90.0 %", "90.0 %", "80.0 %", "90.0 %")
    assert second.rows[0][1:3] == ("–", "5")  # with itself
    assert second.rows[1][1].startswith("24.0 (")  # one of five seeds ended at chance, 0.5
    assert [row[2:] for row in second.rows] == [
        ("5", "4 of 5", "1 of 5"),
        ("–", "5 of 5", "0 of 5"),
    ]
    assert len(second.keys[0]) == 5
    assert len(second.keys[1]) == 10, "the lead is from both arms"


def test_two_hosts_of_one_learning_rate_have_one_column() -> None:
    first, _ = tables_of(small(("none", "batch")), ends({"none": 0.1, "batch": 0.1}))
    assert first.columns[4:] == ("level, at learning rate 0.1",)


def test_learning_rates_that_do_not_exist_are_an_error() -> None:
    study = small(("none",))
    wrong = p.TableSpec("", (p.Column("at nowhere", of=c.LEVEL.of(at="nowhere")),))
    experiment = msgspec.structs.replace(study.experiment, tables=(wrong,))
    with pytest.raises(ValueError, match="block 'arms' is not measured at 'nowhere'"):
        tables_of(replace(study, experiment=experiment), ends({"none": 0.1, "batch": 1.0}))
