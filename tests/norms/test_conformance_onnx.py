"""Every ONNX backend node case of the five operators, run on our normalizers.

The cases come from ``onnx.backend.test.case.node``. A case named ``*_expanded*`` is the same
operator written out as a graph of others, with inputs and outputs of its own: those are run on the
operator's normalizer too. Tolerances are the suite's.

ONNX's BatchNormalization says ``running = momentum * old + (1 - momentum) * new`` with the biased
variance; ours is PyTorch's, so momentum is turned round and the variance converted here.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from evenbatch.norms import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm

# Cases known when this was written; a newer onnx may have more, never fewer.
AT_LEAST = {
    "BatchNormalization": 4,
    "LayerNormalization": 57,
    "RMSNormalization": 38,
    "GroupNormalization": 4,
    "InstanceNormalization": 2,
}


# Collecting computes every operator's expected outputs; pooling takes two thirds of the time.
NOT_NEEDED = [
    f"onnx.backend.test.case.node.{name}" for name in ("averagepool", "lppool", "maxpool")
]


def _collect() -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    """Operator name -> its cases, each with the operator's attributes."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        # Other operators' cases overflow on purpose while they are made.
        warnings.simplefilter("ignore", RuntimeWarning)
        for name in NOT_NEEDED:
            patch.setitem(sys.modules, name, ModuleType(name))
        everything = collect_testcases(None)
    nodes = {}
    for case in everything:
        graph = case.model.graph.node
        if len(graph) == 1 and graph[0].op_type in AT_LEAST:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in graph[0].attribute}
            nodes[case.name] = (graph[0].op_type, attributes)
    cases: dict[str, list[tuple[Any, dict[str, Any]]]] = {name: [] for name in AT_LEAST}
    for case in everything:
        base = re.sub("_expanded.*", "", case.name)
        if base in nodes:
            operator, attributes = nodes[base]
            cases[operator].append((case, attributes))
    return cases


@pytest.fixture(scope="module")
def cases() -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    return _collect()


def _batch(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    x, gamma, beta, mean, var = inputs
    keep = attributes.get("momentum", 0.9)
    norm = BatchNorm(
        len(gamma), eps=attributes.get("epsilon", 1e-5), momentum=1 - keep, dtype=x.dtype
    )
    norm.gamma, norm.beta, norm.running_mean, norm.running_var = gamma, beta, mean, var
    if not attributes.get("training_mode", 0):
        return [norm.eval()(x)]
    y = norm(x)
    n = x.size // len(gamma)
    biased = (norm.running_var - keep * var) * (n - 1) / n + keep * var
    return [y, norm.running_mean, biased.astype(x.dtype)]


def _instance(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    x, gamma, beta = inputs
    norm = InstanceNorm(len(gamma), eps=attributes.get("epsilon", 1e-5), affine=True, dtype=x.dtype)
    norm.gamma, norm.beta = gamma, beta
    return [norm(x)]


def _group(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    x, gamma, beta = inputs
    norm = GroupNorm(
        attributes["num_groups"], len(gamma), eps=attributes.get("epsilon", 1e-5), dtype=x.dtype
    )
    norm.gamma, norm.beta = gamma, beta
    return [norm(x)]


def _layer(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    x, gamma, beta = inputs
    axis = attributes.get("axis", -1) % x.ndim
    norm = LayerNorm(x.shape[axis:], eps=attributes.get("epsilon", 1e-5), dtype=x.dtype)
    norm.gamma, norm.beta = gamma, beta
    y = norm(x)
    assert norm._saved is not None
    shape = x.shape[:axis] + (1,) * (x.ndim - axis)
    mean = norm._saved.mean.astype(x.dtype).reshape(shape)
    rstd = (1 / np.sqrt(norm._saved.var + norm.eps)).astype(x.dtype).reshape(shape)
    return [y, mean, rstd]


def _rms(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    x, gamma = inputs
    axis = attributes.get("axis", -1) % x.ndim
    norm = RMSNorm(x.shape[axis:], eps=attributes.get("epsilon", 1e-5), dtype=x.dtype)
    norm.gamma = gamma
    return [norm(x)]


RUN: dict[str, Callable[[list[Any], dict[str, Any]], list[Any]]] = {
    "BatchNormalization": _batch,
    "LayerNormalization": _layer,
    "RMSNormalization": _rms,
    "GroupNormalization": _group,
    "InstanceNormalization": _instance,
}


@pytest.mark.parametrize("operator", AT_LEAST)
def test_every_node_case(
    operator: str, cases: dict[str, Any], tally: Callable[[str, int, int], None]
) -> None:
    failures = []
    for case, attributes in cases[operator]:
        for inputs, outputs in case.data_sets:
            try:
                ours = RUN[operator](list(inputs), attributes)
                assert len(ours) == len(outputs)
                for a, b in zip(ours, outputs, strict=True):
                    assert a.dtype == b.dtype
                    np.testing.assert_allclose(a, b, rtol=case.rtol, atol=case.atol)
            except AssertionError as error:
                failures.append(f"{case.name}: {error}")
    ran = sum(len(case.data_sets) for case, _ in cases[operator])
    tally(f"ONNX {operator}", ran, ran - len(failures))
    assert ran >= AT_LEAST[operator]
    assert not failures, "\n".join(failures)
