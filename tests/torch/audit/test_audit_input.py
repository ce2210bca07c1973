"""What cannot be audited as it is: what is said, and what is audited all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from planted import conv_bn, images
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from evenbatch.torch import Context, Report, audit, watch
from evenbatch.torch.auditing import AuditError, Severity

HERE = Path(__file__).name


def keras() -> nn.Sequential:
    """A model in which the tree alone shows something."""
    return conv_bn(momentum=0.99)


def one_note(report: Report, problem: bool = True) -> str:
    """The only note; the tree was audited without it."""
    assert "EB205" in [finding.code for finding in report]
    [note] = report.notes
    assert note.problem is problem
    assert report.complete is not problem
    return note.says


# What the model is.


def test_no_module() -> None:
    with pytest.raises(AuditError, match=r"no torch.nn.Module to audit but list: \[1\]"):
        audit([1])
    with pytest.raises(AuditError, match="Module to audit but NoneType"), watch(None):
        pass


def test_meta_tensors() -> None:
    says = one_note(audit(keras().to("meta"), images()))
    assert says.startswith("what shapes and data show: '0.weight' is on the meta device")


def test_a_batch_on_the_meta_device() -> None:
    says = one_note(audit(keras(), images().to("meta")))
    assert says.endswith("the batch (8, 3, 8, 8) float32 is on the meta device")


def test_lazy_modules() -> None:
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(momentum=0.99))
    says = one_note(audit(model, images()))
    assert "'0.weight' has no shape yet (a lazy module): run one batch through the model" in says
    model(images())
    assert audit(model, images()).complete


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules() -> None:
    report = audit(torch.jit.script(keras()), images())
    assert [finding.code for finding in report] == ["EB205"]
    assert report.notes[0].says.endswith(
        "the model is scripted, and cannot be watched inside: audit the module it was made from"
    )
    assert not report.findings[0].fixable, "a scripted constant cannot be set"
    inner = audit(nn.Sequential(torch.jit.script(keras()), nn.ReLU()), images())
    assert inner.findings[0].paths == ("0.1",)
    assert "'0' is scripted" in inner.notes[0].says


class Forgetful(nn.LayerNorm):
    """Forgets to return what it has made, as a layer of a published package does."""

    def forward(self, input: torch.Tensor) -> None:  # type: ignore[override]
        super().forward(input)


def test_a_norm_by_class_that_returns_nothing_is_named() -> None:
    class Beside(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self[0](x)
            return self[1](x)

    report = audit(Beside(Forgetful(4), nn.LayerNorm(4)), torch.randn(8, 4))
    assert [str(note.says) for note in report.notes] == [
        "what '0' (Forgetful) does, which is like a norm layer: a layer norm by class, no output "
        "has its input's shape"
    ]


def test_compiled_modules_are_run_uncompiled() -> None:
    whole, inside, in_place = torch.compile(keras(), backend="eager"), keras(), keras()
    in_place.compile(backend="eager")
    for model, path in (
        (whole, "1"),
        (nn.Sequential(torch.compile(inside, backend="eager"), nn.ReLU()), "0._orig_mod.1"),
        (in_place, "1"),
    ):
        report = audit(model, images())
        assert report.findings[0].paths == (path,)
        assert report.complete, report.notes


def test_half_precision_on_the_cpu() -> None:
    report = audit(keras().half(), images().half())
    assert {finding.code for finding in report} == {"EB205", "EB209"}
    assert report.complete
    assert (
        "in '0' on the batch (8, 3, 8, 8) float32: RuntimeError"
        in audit(keras().half(), images()).notes[0].says
    )


def test_several_types() -> None:
    model = keras()
    model[1].double()
    says = one_note(audit(model, images()))
    assert says.startswith("the forward pass in evaluation mode failed in '1' on the batch")


def test_several_devices() -> None:
    model = keras()
    model[1].to("meta")
    assert "'1.weight' is on the meta device" in one_note(audit(model, images()))


def test_shared_modules_are_one() -> None:
    bn = nn.BatchNorm2d(3, momentum=0.99)
    report = audit(nn.ModuleDict({"a": bn, "b": bn}), select=["EB205"])
    assert [finding.paths for finding in report] == [("a",)]
    assert "1 norm layer (1 BatchNorm2d)" in report.looked_at[0]


def test_a_model_without_norms() -> None:
    report = audit(nn.Linear(2, 2), torch.zeros(3, 2))
    assert not report.findings
    assert str(report).endswith("Nothing found.")
    assert "1 module, no norm layers" in str(report)


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = keras()

    def forward(self, x: Any) -> Any:
        self.inner(x)
        raise RuntimeError("no\nway")


def test_a_forward_that_fails_after_the_norms() -> None:
    report = audit(Broken(), images(2))
    assert {"EB205", "EB402"} <= {finding.code for finding in report}
    line = Broken.forward.__code__.co_firstlineno + 2
    assert report.notes[0].says == (
        f"the forward pass in evaluation mode failed in the model's own forward ({HERE}, line "
        f"{line}) on the batch (2, 3, 8, 8) float32: RuntimeError: no way"
    )


class Ends(nn.Sequential):
    def forward(self, x: Any) -> Any:
        raise SystemExit(3)


def test_a_forward_that_ends_the_program() -> None:
    report = audit(Ends(keras()), images())
    assert "in the model's own forward" in report.notes[0].says
    assert report.notes[0].says.endswith("SystemExit: 3")
    assert report.notes[1].says == "what feeds what: the model could not be traced either"
    assert "EB205" in [finding.code for finding in report]


def test_a_norm_with_hooks_and_buffers_of_its_own_is_left_alone() -> None:
    model, calls = keras(), []
    model[1].register_forward_hook(lambda *a: calls.append(1))
    model[2].register_forward_hook(lambda m, args, output: output * torch.nan)
    model.register_buffer("seen", torch.zeros(1))
    model.register_forward_pre_hook(lambda m, a: m.seen.add_(1) and None)
    report = audit(model, images())
    assert "EB217" in {finding.code for finding in report}, "hooks of one's own run"
    assert not calls, "on a copy"
    assert model.seen == 0
    assert len(model[1]._forward_hooks) == 1


# What the batch is.


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ("abc", "the batch is of type str; give a tensor, a tuple of the forward's arguments"),
        (images(0), "the batch (0, 3, 8, 8) float32 holds no examples"),
        (torch.zeros(8, 3), "failed in '0' on the batch (8, 3) float32: RuntimeError"),
        (images(channels=1), "failed in '0' on the batch (8, 1, 8, 8) float32: RuntimeError"),
        (
            {"y": images()},
            "the batch given whole, as the forward has no argument 'y': (8, 3, 8, 8)",
        ),
        (images() / 0, "statistics on this batch mean nothing: it holds NaN or infinity"),
    ],
    ids=["text", "empty", "dimensions", "channels", "keyword", "infinite"],
)
def test_a_batch_that_does_not_fit(batch: Any, says: str) -> None:
    assert says in one_note(audit(keras(), batch))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"optimizer": [1]}, "the optimizer's groups: what was given is of type list; give a"),
        ({"optimizer": torch.optim.SGD}, "what was given is of type SGD; give a torch.optim.Opti"),
        ({"optimizer": torch.optim.SGD(conv_bn().parameters(), 0.1)}, "holds none of this model's"),
        ({"loader": 5}, "the loader's batches: TypeError: 'int' object is not iterable"),
    ],
)  # fmt: skip
def test_what_comes_with_the_model_and_does_not_fit(given: dict[str, Any], says: str) -> None:
    assert says in one_note(audit(keras(), images() if "optimizer" in given else None, **given))


def test_what_cannot_be_asked() -> None:
    with pytest.raises(AuditError, match=r"the context is \{'world_size': 2\}; write it as even"):
        audit(keras(), context={"world_size": 2})  # type: ignore[arg-type]
    with pytest.raises(AuditError, match="3 is no rule's code; write it like 'EB205'"):
        audit(keras(), select=3)  # type: ignore[arg-type]
    exported = torch.export.export(conv_bn(), (images(),))
    with pytest.raises(AuditError, match=r"audit what its \.module\(\) gives"):
        audit(exported)  # type: ignore[arg-type]
    assert audit(exported.module(), images()).complete


def test_forms_of_a_batch() -> None:
    target = torch.zeros(8)
    for batch in (images(), (images(),), (images(), target), {"input": images()}, [images()]):
        report = audit(keras(), batch)
        assert report.complete, report.notes
        assert "batch: (8, 3, 8, 8) float32" in report.looked_at


class NoFiles(Dataset):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, row: int) -> Any:
        raise FileNotFoundError(f"{row}.png")


def test_a_loader_whose_worker_fails() -> None:
    """Its message is the worker's whole traceback; the last line says it."""
    says = one_note(audit(keras(), loader=DataLoader(NoFiles(), batch_size=8, num_workers=1)))
    assert says == "the loader's batches: FileNotFoundError: 0.png"


def test_loaders() -> None:
    data = TensorDataset(images(), torch.zeros(8))
    assert audit(keras(), loader=DataLoader(data, batch_size=8)).complete
    assert "an audit would use one up" in one_note(audit(keras(), loader=iter([images()])))
    assert "the loader's batches: it has none" in one_note(audit(keras(), loader=[]))

    class Failing:
        def __iter__(self) -> Any:
            raise OSError("disk gone")

    assert "the loader's batches: OSError: disk gone" in one_note(audit(keras(), loader=Failing()))


# Options.


def test_select_and_ignore() -> None:
    assert not audit(keras(), ignore=["EB2"]).findings
    assert not audit(keras(), select=["EB1"]).findings
    assert audit(keras(), select="EB205", ignore="EB2").findings
    with pytest.raises(AuditError, match="no rule's code begins with 'EB999'"):
        audit(keras(), select=["EB999"])


def test_a_context_that_cannot_be() -> None:
    for settings, says in (
        ({"world_size": 0}, "world_size = 0; it is a count from 1 up"),
        ({"amp": "int8"}, "amp = 'int8'; it is float16 or bfloat16"),
        ({"world_size": "2"}, "world_size = '2'; it is a count from 1 up"),
        ({"accumulation": 2.5}, "accumulation = 2.5; it is a count from 1 up"),
        ({"ema": "no"}, "ema = 'no'; it is True or False"),
        ({"method": "gans"}, "method = 'gans'; it is contrastive or gan or dp-sgd"),
    ):
        with pytest.raises(AuditError, match=says):
            Context(**settings)  # type: ignore[arg-type]


def test_a_rule_that_fails_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from evenbatch.torch.auditing.rules import RULES

    def fails(subject: Any) -> Any:
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(RULES, "EB101", replace(RULES["EB101"], check=fails))
    report = audit(keras())
    assert [finding.code for finding in report] == ["EB205"]
    assert any(
        note.says == "EB101 bias-before-batch-norm: it could not be checked, ZeroDivisionError: oh"
        for note in report.notes
    )


# The report.


def test_a_report_is_json_and_iterable() -> None:
    model = keras()
    model[1].running_mean[0] = float("nan")
    report = audit(model, images())
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert json.loads(text)["findings"][0]["code"] == "EB202"
    assert len(report) == len(list(report)) == len(report.findings)
    assert report.worst is Severity.ERROR
    assert report
    json.dumps(report.sarif(), allow_nan=False)


def test_fixing_some_and_the_output_difference() -> None:
    model = conv_bn(bias=True, momentum=0.99)
    with torch.no_grad():
        model[1].running_mean += 1
    report = audit(model, images(), ignore=["EB204"])
    fixes = report.fix(select=("EB101",))
    [fixed] = fixes.changed
    assert fixed.finding.code == "EB101"
    assert fixed.difference is not None
    assert 0 <= fixed.difference < 1e-6
    assert model[0].bias is None
    assert [finding.code for finding in fixes.left] == ["EB205"]
    assert [finding.code for finding in report] == ["EB205"]
    assert "EB101 fixed: removed 1 bias; output in evaluation mode" in str(fixes)
    assert str(report.fix(ignore=("EB205",))) == "Nothing to fix automatically."


def test_a_fix_that_fails_is_reported() -> None:
    model = keras()
    report = audit(model)
    model[1].__class__ = type("Locked", (nn.BatchNorm2d,), {"momentum": property(lambda self: 1)})
    fixes = report.fix()
    assert not fixes.changed
    [(finding, why)] = fixes.failed
    assert finding.code == "EB205"
    assert why.startswith("AttributeError")


def test_watching_a_loop_that_fails_still_reports() -> None:
    model = Broken()
    with pytest.raises(RuntimeError, match="no"), watch(model) as report:
        model(images())
    assert [finding.code for finding in report] == ["EB205"]
    assert "run: 1 forward pass in training mode, 0 in evaluation mode" in report.looked_at
    assert not model._forward_hooks
    assert not model.inner[1]._forward_pre_hooks


def test_the_fixed_optimizer_keeps_its_state_and_steps_on() -> None:
    """EB301's fix: the same parameters, each once, their state and settings kept."""
    model = conv_bn()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.8, 0.9), weight_decay=0.1)
    model(images()).square().mean().backward()
    optimizer.step()
    gamma = model[1].weight
    before = optimizer.state[gamma]["exp_avg"].clone()
    report = audit(model, optimizer=optimizer)
    assert len(report.fix(select=("EB301",)).changed) == 1
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    [moved] = [g for g in optimizer.param_groups if any(p is gamma for p in g["params"])]
    assert (moved["weight_decay"], moved["lr"], moved["betas"]) == (0.0, 0.01, (0.8, 0.9))
    assert torch.equal(optimizer.state[gamma]["exp_avg"], before)
    optimizer.step()
    [kept] = [g for g in optimizer.param_groups if g is not moved]
    assert kept["weight_decay"] == 0.1


def test_a_frozen_layer_stays_frozen_after_the_fix() -> None:
    model = nn.Sequential(conv_bn().requires_grad_(False), nn.Conv2d(8, 2, 1))
    model(images())
    assert len(audit(model).fix(select=("EB201",)).changed) == 1
    model.train()
    before = model[0][1].running_mean.clone()
    model(images())
    assert torch.equal(model[0][1].running_mean, before)
    assert model[1].training


def test_statistics_of_an_input_are_those_of_numpy() -> None:
    """What the rules compare: mean and variance by channel, and behind each statistic."""
    from evenbatch.torch.auditing.sample import look
    from evenbatch.torch.measuring import Norm, known

    x = 5 + 2 * torch.randn(4, 6, 3, 5, generator=torch.Generator().manual_seed(0))
    a = x.double().numpy()
    expected: dict[str, tuple[nn.Module, Any, int]] = {
        "batch": (nn.BatchNorm2d(6), a.var((0, 2, 3)), 60),
        "instance": (nn.InstanceNorm2d(6, affine=True), a.var((2, 3)).ravel(), 15),
        "group": (nn.GroupNorm(3, 6), a.reshape(4, 3, -1).var(2).ravel(), 30),
        "layer": (nn.LayerNorm((3, 5)), a.var((2, 3)).ravel(), 15),
        "rms": (nn.RMSNorm(5), (a**2).mean(3).ravel(), 5),
    }
    for kind, (module, variances, values) in expected.items():
        norm = Norm("", module, known.from_settings(module, tuple(x.shape)))
        call = look(norm, x)
        assert (norm.kind, call.values, call.finite) == (kind, values, True)
        torch.testing.assert_close(
            call.variances.double(), torch.from_numpy(variances), rtol=1e-5, atol=1e-6
        )
        if norm.does.channel == 1 and call.mean is not None and call.var is not None:
            torch.testing.assert_close(
                call.mean, torch.from_numpy(a.mean((0, 2, 3))), rtol=1e-5, atol=1e-6
            )
            torch.testing.assert_close(
                call.var, torch.from_numpy(a.var((0, 2, 3))), rtol=1e-5, atol=1e-6
            )


def test_padding_is_measured_as_it_is() -> None:
    """Half of the positions are padded with zeros around data of mean 3 and deviation 1."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x: Any, mask: Any) -> Any:
            return self.norm(x)

    numbers = torch.randn(64, 2, 100, generator=torch.Generator().manual_seed(0))
    numbers = 3 + (numbers - numbers.mean((0, 2), True)) / numbers.std((0, 2), keepdim=True)
    mask = torch.arange(100).expand(64, 100) < 50
    batch = {"x": torch.where(mask[:, None], numbers, 0.0), "mask": mask}
    [finding] = audit(Masked(), batch, select=["EB406"])
    assert finding.evidence["padded"] == 0.5
    assert finding.evidence["shift"] == pytest.approx(1.5, rel=0.02)  # half of 3 deviations
    # The variance of the mixture: 1/2 of 1 and 1/2 of 0 around means 3 apart, 1/2 + 9/4.
    assert finding.evidence["variance_ratio"] == pytest.approx(2.75, rel=0.05)


def test_wrappers_tell_what_they_know(tmp_path: Path) -> None:
    """DistributedDataParallel is seen through, and its settings enter the context."""
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    known = signature(DistributedDataParallel).parameters
    name = next(n for n in ("forward_sync_buffers", "broadcast_buffers") if n in known)
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1
    )
    try:
        model = DistributedDataParallel(keras(), **{name: False})
        report = audit(model, images(), context=Context(world_size=4))
        seen = report.looked_at[-1]
    finally:
        distributed.destroy_process_group()
    assert seen == "context: world_size=4, broadcast_buffers=False"
    assert {finding.code for finding in report} == {"EB205", "EB701"}
    assert report.findings[0].paths == ("1",)
    averaged = audit(torch.optim.swa_utils.AveragedModel(keras()))
    assert averaged.looked_at[-1] == "context: ema=True"
    assert [finding.code for finding in averaged] == ["EB203", "EB205"]


def test_two_forwards_are_no_problem_where_pytorch_protects_the_buffers() -> None:
    from evenbatch.torch.auditing.rules.eb506_two_forwards import buffers_protected

    context = Context(world_size=2, forwards_per_backward=2)
    found = [f.code for f in audit(conv_bn(), context=context, select=["EB506"])]
    assert found == ([] if buffers_protected() else ["EB506"])
    version = tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2])
    assert buffers_protected() or version < (2, 13)
