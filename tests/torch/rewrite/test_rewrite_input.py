"""Wrong and unusual models and batches: a message that names the place, and the model untouched."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rewrite_cases import Model, changed, reasons, worn
from torch import nn

from evenbatch.torch import (
    RewriteError,
    accelerate,
    fold,
    freeze,
    place,
    refresh,
    swap,
    sync,
    unsync,
)

SHAPE = (4, 3, 8, 8)

# Those that run the model on the batch, and those that only look at it.
RUNNING: dict[str, Callable[[Any, Any], Any]] = {
    "fold": fold,
    "swap": lambda model, batch: swap(model, "batch", "group", batch=batch),
    "place": lambda model, batch: place(model, "group", batch=batch),
    "refresh": lambda model, batch: refresh(model, [batch]),
    "unsync": lambda model, batch: unsync(model, batch=batch),
    "accelerate": accelerate,
}
LOOKING: dict[str, Callable[[Any, Any], Any]] = {
    "freeze": lambda model, batch: freeze(model),
    "sync": lambda model, batch: sync(model),
}
ALL = {**RUNNING, **LOOKING}


def network(**like: Any) -> Any:
    layers = [
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 4),
    ]  # fmt: skip
    return worn(nn.Sequential(*layers)).to(**like)


def scripted(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        return torch.jit.script(model)


def traced(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, torch.randn(SHAPE))


def exported(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model, (torch.randn(SHAPE),))


def lazy() -> Any:
    return nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d()).eval()


# ---- models that cannot be changed ---------------------------------------------------------------

MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "scripted": (lambda: scripted(network()), "the model is a scripted module"),
    "traced": (lambda: traced(network()), "the model is a scripted module"),
    "scripted in part": (lambda: nn.Sequential(scripted(network())), "0 is a scripted module"),
    "compiled": (
        lambda: torch.compile(network(), backend="eager"),
        "the model is compiled (torch.compile); rewrite the model first and compile it afterwards",
    ),
    "compiled in part": (
        lambda: nn.Sequential(torch.compile(network(), backend="eager")),
        "0 is compiled (torch.compile)",
    ),
    "exported": (
        lambda: exported(network()).module(),
        "the model is an exported graph, which holds operators and no layers; rewrite the model it "
        "was made from",
    ),
    "an exported program": (
        lambda: exported(network()),
        "needs a torch.nn.Module, got an ExportedProgram; rewrite the model it was made from",
    ),
    "lazy": (lazy, "0.weight is lazy, its shape is not known yet; run the model once first"),
    "a function": (lambda: network, "got a function; call it, if it makes the model"),
    "a class": (lambda: nn.Sequential, "got the class Sequential; call it, and give what it"),
    "a state dict": (
        lambda: network().state_dict(),
        "got an OrderedDict; if it is a state_dict, load it into a model first",
    ),
    "a word": (lambda: "resnet18", "needs a torch.nn.Module, got a str"),
}


@pytest.mark.parametrize("what", ALL)
@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_be_rewritten(name: str, what: str) -> None:
    build, words = MODELS[name]
    with pytest.raises(RewriteError) as caught:
        ALL[what](build(), torch.randn(SHAPE))
    assert str(caught.value).startswith(f"{what}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("what", ALL)
def test_a_model_compiled_in_place_follows(what: str) -> None:
    """Its code is compiled again where its layers are others."""
    graphs = []

    def compiled(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()  # PyTorch compiles the same code a few times only
    model, x = Model(lambda m, x: m.body(x), body=network()).eval(), torch.randn(SHAPE)
    model.compile(backend=compiled, fullgraph=True)
    model(x)
    assert len(graphs) == 1
    ALL[what](model, x)
    torch.testing.assert_close(model(x), model.forward(x))
    assert len(graphs) == (1 if what in ("refresh", "unsync") else 2)


@pytest.mark.parametrize("what", ALL)
def test_a_model_without_norms(what: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval()
    done = ALL[what](model, torch.randn(SHAPE))
    assert not done
    assert set(reasons(done)) == ({"1"} if what == "place" else set())


# ---- batches -------------------------------------------------------------------------------------

BATCHES: dict[str, tuple[Any, str]] = {
    "wrong size": (torch.randn(4, 3, 9, 8), "the model failed in 6 on the batch ((4, 3, 9, 8)"),
    "wrong channels": (torch.randn(4, 5, 8, 8), "in 0 on the batch ((4, 5, 8, 8) float32): "),
    "wrong dimensions": (torch.randn(4, 8), "in 0 on the batch ((4, 8) float32): RuntimeError"),
    "whole numbers": (torch.zeros(SHAPE, dtype=torch.int64), "the batch ((4, 3, 8, 8) int64): "),
    "half": (torch.zeros(SHAPE, dtype=torch.float16), "; 0.weight is float32, the batch float16"),
    "meta": (
        torch.zeros(SHAPE, device="meta"),
        "; 0.weight is on cpu, the batch is on meta; the meta device holds no numbers",
    ),
    "wrong keyword": (
        {"pixels": torch.randn(SHAPE)},
        "(given whole, as the forward has no argument 'pixels': ",
    ),
    "nothing in it": ((), "on the batch (without tensors): TypeError"),
    "no example": (torch.zeros(0, 3, 8, 8), "the batch ((0, 3, 8, 8) float32) holds no example"),
    "a word": ("x", "the batch is of type str; give a tensor, a tuple of the forward's arguments"),
    "NumPy's": (torch.zeros(SHAPE).numpy(), "the batch is of type ndarray; give a tensor"),
}


@pytest.mark.parametrize("what", RUNNING)
@pytest.mark.parametrize("name", BATCHES)
def test_a_wrong_batch(name: str, what: str) -> None:
    batch, words = BATCHES[name]
    if what == "refresh":
        words = words.replace(" in 6 on the batch", " on batch 0")
        words = words.replace("in 0 on the batch", "on batch 0").replace("the batch (", "batch 0 (")
        if name == "meta":
            words = "refresh: a batch is on the meta device, which holds no numbers"
    model = network()
    shown, state = repr(model), copy.deepcopy(model.state_dict())
    if (what, name) == ("refresh", "no example"):  # others may follow it
        reason = reasons(refresh(model, [batch]))["1"]
        assert reason == "it was given 0 values per channel; a variance needs 2"
    else:
        with pytest.raises(RewriteError) as caught:
            RUNNING[what](model, batch)
        assert str(caught.value).startswith(f"{what}: ")
        assert words in str(caught.value)
    assert repr(model) == shown
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_a_batch_that_is_missing() -> None:
    with pytest.raises(RewriteError, match="swap: needs a batch: the shapes of the inputs decide"):
        swap(network(), "batch", "group", batch=None)
    with pytest.raises(
        RewriteError, match="refresh: batch 0: the batch is of type NoneType; give a"
    ):
        refresh(network(), [None])
    for loader in (torch.randn(SHAPE), None, 3):
        with pytest.raises(RewriteError, match=r"refresh: the loader is a .*; give something that"):
            refresh(network(), loader)  # type: ignore[arg-type]
    with pytest.raises(RewriteError, match="limit must be at least 1, or None for all, got 0"):
        refresh(network(), [torch.randn(SHAPE)], limit=0)


@pytest.mark.parametrize("groups", [0, -2, 2.0, "2"])
def test_groups_that_are_no_number_of_groups(groups: Any) -> None:
    x = torch.randn(SHAPE)
    with pytest.raises(RewriteError, match="swap: groups must be a whole number from 1 on, got"):
        swap(network(), "batch", "group", batch=x, groups=groups)
    with pytest.raises(RewriteError, match="place: groups must be a whole number from 1 on, got"):
        place(network(), "group", batch=x, groups=groups)


# ---- meta, half precision, several devices or types ----------------------------------------------


def test_a_model_on_the_meta_device() -> None:
    """Its shapes can be rewritten; what needs numbers is refused."""
    x = torch.zeros(SHAPE, device="meta")
    for what in ("fold", "freeze", "refresh"):
        model = network(device="meta")
        done = ALL[what](model, x)
        assert not done
        assert "on the meta device" in reasons(done)["1"]
    for what in ("swap", "place", "sync", "accelerate"):
        model = network(device="meta")
        done = ALL[what](model, x)
        assert done
        assert {p.device.type for p in model.parameters()} == {"meta"}
        done.undo()
    model = network(device="meta")
    assert "no finite number was found" in accelerate(model, x).evidence
    assert model[1].activation == "relu"
    with pytest.raises(RewriteError, match=r"0.weight is on meta, the batch is on cpu"):
        fold(network(device="meta"), torch.zeros(SHAPE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("what", ALL)
def test_half_precision_on_the_cpu(what: str, dtype: Any) -> None:
    model, x = network(dtype=dtype), torch.randn(SHAPE, dtype=dtype)
    before = model(x)
    done = ALL[what](model, x)
    assert bool(done) == (what != "unsync")
    assert {p.dtype for p in model.parameters()} == {dtype}
    y = model(x)
    assert y.dtype == dtype
    if what in ("fold", "freeze", "sync", "accelerate"):
        torch.testing.assert_close(y, before, rtol=0.05, atol=0.05)


def test_weights_too_large_for_half_precision_are_not_folded() -> None:
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-12)))
    model[1].running_var.fill_(1e-12)
    model.half()
    reason = "the folded weights of 0 are too large for torch.float16"
    assert reasons(fold(model)) == {"1": reason}


class Two(nn.Module):
    """Two networks, the second of them of another type or elsewhere."""

    def __init__(self, second: Any, used: bool = True) -> None:
        super().__init__()
        self.a, self.b, self.used = network(), second, used

    def forward(self, x: Any) -> Any:
        return self.a(x).double() + self.b(x.double()) if self.used else self.a(x)


@pytest.mark.parametrize("what", ALL)
def test_several_types_in_one_model(what: str) -> None:
    model, x = Two(network(dtype=torch.float64)).eval(), torch.randn(SHAPE)
    before = {name: p.dtype for name, p in model.b.named_parameters()}
    done = ALL[what](model, x)
    assert what == "unsync" or {path.split(".")[0] for path in changed(done)} == {"a", "b"}
    assert set(before.values()) == {p.dtype for p in model.b.parameters()}
    assert model(x).dtype == torch.float64


def test_several_devices_in_one_model() -> None:
    x = torch.randn(SHAPE)
    for what in ("fold", "swap", "accelerate"):
        with pytest.raises(RewriteError) as caught:
            ALL[what](Two(network(device="meta")).eval(), x)
        assert "failed in b." in str(caught.value)
        assert "; a.0.weight is on cpu, b.0.weight is on meta; the meta device holds" in str(
            caught.value
        )
        model = Two(network(device="meta"), used=False).eval()
        assert "a.1" in changed(ALL[what](model, x))
    # What is not used is reported without running it.
    model = Two(network(device="meta"), used=False).eval()
    done = refresh(model, [x])
    assert changed(done) == ["a.1"]
    assert "on the meta device" in reasons(done)["b.1"]


# ---- modules held in two places ------------------------------------------------------------------


class Listed(nn.Module):
    """A forward that goes through a plain list, beside the modules' own names."""

    def __init__(self, kind: Any, *names: str) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        every = {name: getattr(self, name) for name in names}
        self.steps = every if kind is dict else kind(every.values())

    def forward(self, x: Any) -> Any:
        steps = self.steps.values() if isinstance(self.steps, dict) else self.steps
        for step in steps:
            x = step(x)
        return x


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_what_a_list_would_go_on_calling_is_not_replaced(kind: Any) -> None:
    x = torch.randn(2, 3, 8, 8)
    for what in ("fold", "swap", "sync"):
        model = worn(Listed(kind, "conv", "norm", "relu"))
        before = model(x)
        done = ALL[what](model, x)
        assert reasons(done) == {
            "norm": f"steps ({kind.__name__}) holds it too, and would still call it"
        }
        assert torch.equal(model(x), before)
    assert reasons(fold(worn(Listed(kind, "conv", "norm", "relu"))))
    model = nn.Sequential(Listed(kind, "conv", "relu"), nn.Flatten())
    assert "0.steps (" in reasons(place(model, batch=x))["0.conv"]


def test_a_block_in_two_places_is_changed_once_for_both() -> None:
    block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())
    model, x = worn(nn.Sequential(block, nn.Identity(), block)), torch.randn(2, 3, 5, 5)
    assert changed(swap(copy.deepcopy(model), "batch", "group", batch=x)) == ["0.1"]
    assert "called 2 times" in reasons(fold(model, x))["0.1"]
    done = accelerate(model, x)
    assert changed(done) == ["0.1"]
    assert model[0] is model[2]


# ---- what the batch can prove --------------------------------------------------------------------


def parts(call: Any) -> Any:
    made = Model(call, conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4))
    return worn(made)


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda y: None,
    "flags": lambda y: y > 0,
    "classes": lambda y: y.argmax(1),
    "no rows": lambda y: y[:0],
    "not finite": lambda y: y * float("nan"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_proves_nothing_is_said_to(name: str) -> None:
    for what in (fold, accelerate):
        model = parts(lambda m, x: OUTPUTS[name](m.norm(m.conv(x))))
        done = what(model, torch.randn(2, 3, 5, 5))
        assert changed(done) == ["norm"]
        assert done.evidence.endswith("it was not compared")


def test_a_sparse_output_is_compared() -> None:
    model = parts(lambda m, x: m.norm(m.conv(x))[0, 0].to_sparse())
    assert "changed by" in fold(model, torch.randn(2, 3, 5, 5)).evidence


def test_a_value_in_an_object_that_is_returned_is_not_folded_away() -> None:
    def call(m: Any, x: torch.Tensor) -> Any:
        h = m.conv(x)
        return types.SimpleNamespace(hidden=h, y=m.norm(h))

    done = fold(parts(call), torch.randn(2, 3, 5, 5))
    assert "is an output of the model too" in reasons(done)["norm"]
