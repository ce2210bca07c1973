"""freeze, refresh, sync and unsync: the running statistics are what they should be."""

from __future__ import annotations

import copy
import io
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from rewrite_cases import Model, changed, reasons, small_resnet, worn
from torch import nn

import evenbatch.torch as eb
from evenbatch.torch import RewriteError, freeze, refresh, sync, unsync
from evenbatch.torch.rewrite.sync import SyncedBatchNorm

# ---- freeze --------------------------------------------------------------------------------------


def trained() -> nn.Sequential:
    return worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())).train()


def test_frozen_layers_stay_frozen_whatever_the_mode() -> None:
    model = trained()
    x = torch.randn(4, 3, 6, 6) + 50
    wanted = copy.deepcopy(model).eval()(x)
    done = freeze(model)
    assert changed(done) == ["1"]
    kept = {name: b.clone() for name, b in model[1].named_buffers()}
    for disturb in (
        lambda: model.train(),
        lambda: model[1].train(True),
        lambda: setattr(model[1], "training", True),
        lambda: model.apply(lambda m: m.train()),
    ):
        disturb()
        torch.testing.assert_close(model(x), wanted)
        assert model[1].training is False
        assert all(torch.equal(b, kept[name]) for name, b in model[1].named_buffers())
    assert model[0].training


def test_what_is_usually_done_does_not_freeze() -> None:
    """The test above can fail: gamma and beta without gradient, and eval before train."""
    model = trained()
    before = model[1].running_mean.clone()
    model[1].requires_grad_(False)
    model[1].eval()
    model.train()
    model(torch.randn(4, 3, 6, 6) + 50)
    assert not torch.equal(model[1].running_mean, before)


def test_a_frozen_layer_is_still_that_layer() -> None:
    model = trained()
    keys = list(model.state_dict())
    done = freeze(model)
    assert isinstance(model[1], nn.BatchNorm2d)
    assert list(model.state_dict()) == keys
    assert not any(p.requires_grad for p in model[1].parameters())
    model(torch.randn(4, 3, 6, 6)).sum().backward()
    assert model[0].weight.grad is not None
    assert model[1].weight.grad is None
    done.undo()
    assert type(model[1]) is nn.BatchNorm2d
    assert model[1].training
    assert all(p.requires_grad for p in model[1].parameters())


def test_frozen_parameters_are_a_choice() -> None:
    model = trained()
    freeze(model, parameters=False)
    model(torch.randn(4, 3, 6, 6)).sum().backward()
    assert model[1].weight.grad is not None


def test_frozen_layers_can_be_copied_pickled_and_compiled() -> None:
    model = trained()
    freeze(model)
    x = torch.randn(4, 3, 6, 6)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for twin in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        assert twin.train()[1].training is False
        torch.testing.assert_close(twin(x), model(x))
    compiled = torch.compile(model.train(), fullgraph=True, backend="aot_eager")
    before = model[1].running_mean.clone()
    torch.testing.assert_close(compiled(x), model(x))
    assert torch.equal(model[1].running_mean, before)


def test_what_cannot_be_frozen() -> None:
    model = nn.Sequential(
        nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False), nn.BatchNorm2d(3)
    )
    model[2].running_var.fill_(float("nan"))
    done = freeze(model)
    assert not done
    assert "never been updated; load or train the model first" in reasons(done)["0"]
    assert reasons(done)["1"] == "it keeps no running statistics to use"
    assert reasons(done)["2"] == "its running statistics are not finite"
    model = trained()
    freeze(model)
    assert reasons(freeze(model)) == {"1": "it is frozen already"}


def test_our_layers_and_synchronized_ones_freeze_too() -> None:
    x = torch.randn(4, 3, 6, 6)
    for norm in (eb.BatchNorm2d(3, activation="relu"), nn.SyncBatchNorm(3)):
        model = worn(nn.Sequential(norm))
        wanted = model(x)
        freeze(model)
        torch.testing.assert_close(model.train()(x), wanted)


# ---- refresh -------------------------------------------------------------------------------------


def batches(sizes: tuple[int, ...] = (8, 5, 3), seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scales = (1 + k for k in range(len(sizes)))
    return [k * torch.randn(n, 3, 6, 6, generator=generator) + k for n, k in zip(sizes, scales)]  # noqa: B905


@pytest.mark.parametrize("make", [nn.BatchNorm2d, eb.BatchNorm2d, nn.SyncBatchNorm])
def test_statistics_are_those_of_all_values(make: Any) -> None:
    model = nn.Sequential(make(3)).train()
    data = batches()
    done = refresh(model, data)
    everything = torch.cat(data).double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[0].running_mean.double(), everything.mean(1))
    torch.testing.assert_close(model[0].running_var.double(), everything.var(1))
    assert type(model[0]) is make
    assert model[0].training
    assert model[0].track_running_stats
    assert "mean moved by up to" in done.changes[0].evidence
    done.undo()
    assert model[0].running_mean.tolist() == [0, 0, 0]


def test_the_average_of_batch_variances_would_be_something_else() -> None:
    model, data = nn.Sequential(nn.BatchNorm2d(3)), batches()
    torch.optim.swa_utils.update_bn(data, model)
    everything = torch.cat(data).transpose(0, 1).flatten(1)
    assert not torch.allclose(model[0].running_var, everything.var(1), rtol=0.05)


def test_a_reused_layer_counts_all_its_calls() -> None:
    model = Model(lambda m, x: m.norm(x) + m.norm(3 * x + 1), norm=nn.BatchNorm2d(3))
    data = batches()
    refresh(model, data)
    everything = torch.cat([t for x in data for t in (x, 3 * x + 1)]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model.norm.running_mean, everything.mean(1))
    torch.testing.assert_close(model.norm.running_var, everything.var(1))


def test_enough_passes_make_evaluation_exact() -> None:
    torch.manual_seed(0)
    layers = [
        m for _ in range(3) for m in (nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
    ]
    model, data = nn.Sequential(*layers), batches()

    def gap() -> float:
        """How far the last norm's statistics are from those of its inputs in evaluation."""
        seen: list[torch.Tensor] = []
        hook = model[7].register_forward_pre_hook(lambda m, args: seen.append(args[0].detach()))
        model.eval()
        for x in data:
            model(x)
        hook.remove()
        inputs = torch.cat(seen).transpose(0, 1).flatten(1)
        return float((inputs.var(1) / model[7].running_var - 1).abs().max().detach())

    refresh(model, data)
    first = gap()
    refresh(model, data, passes=4)
    assert gap() < 1e-4 < first


def test_dropout_stays_out_of_it() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(3))
    data = batches()
    refresh(model.train(), data)
    everything = torch.cat(data).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_var, everything.var(1))
    assert model[0].training


def test_nothing_else_changes() -> None:
    model, batch = small_resnet()
    model.train()
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    done = refresh(model, [batch, batch])
    assert len(done) == sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(m.training for m in model.modules())
    for name, value in model.state_dict().items():
        moved = name.endswith(("running_mean", "running_var"))
        assert moved or torch.equal(value, before[name]), name


def test_targets_limits_masks_and_single_values() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2))
    data = [(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([0, 1]))]
    refresh(model, [*data, (torch.tensor([[100.0, 100.0]]), torch.tensor([0]))], limit=1)
    assert model[0].running_mean.tolist() == [1, 2]
    refresh(model, [*data, (torch.tensor([[4.0, 5.0]]), torch.tensor([0]))])
    assert model[0].running_mean.tolist() == [2, 3]
    masked = eb.BatchNorm1d(2)
    x, mask = torch.randn(3, 2, 5), torch.rand(3, 5) > 0.4
    refresh(masked, [(x, mask)])
    torch.testing.assert_close(masked.running_mean, x.movedim(1, -1)[mask].mean(0))


def test_what_cannot_be_refreshed() -> None:
    model = Model(lambda m, x: m.norm(x / 0), norm=nn.BatchNorm2d(3), off=nn.BatchNorm2d(3),
                  none=nn.BatchNorm2d(3, track_running_stats=False))  # fmt: skip
    done = refresh(model, batches())
    assert not done
    assert reasons(done) == {
        "norm": "some of its inputs were not finite",
        "off": "it was given 0 values per channel; a variance needs 2",
        "none": "it keeps no running statistics",
    }
    assert model.norm.running_var.tolist() == [1, 1, 1]
    good = nn.Sequential(nn.BatchNorm2d(3))
    with pytest.raises(RewriteError, match="the loader gave no batch; an iterator used up before"):
        refresh(good, [])
    with pytest.raises(RewriteError, match="an iterator, which cannot start anew"):
        refresh(good, iter(batches()), passes=2)
    with pytest.raises(RewriteError, match=r"failed on batch 1 \(\(2, 4, 5, 5\) float32\)"):
        refresh(good, [torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5)])
    with pytest.raises(RewriteError, match="passes must be at least 1, got 0"):
        refresh(good, batches(), passes=0)
    assert good[0].running_mean.tolist() == [0, 0, 0]


def on_one_rank(rank: int, folder: str) -> None:
    """Refresh with a share of the batches, ranks having different numbers of them; then once more
    with a batch that fails on one of them."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    try:
        model = nn.Sequential(nn.SyncBatchNorm(3))
        refresh(model, batches()[:2] if rank == 0 else batches()[2:])
        refreshed = (model[0].running_mean.tolist(), model[0].running_var.tolist())
        with pytest.raises(RewriteError) as failed:
            refresh(model, batches()[:2] if rank == 0 else [torch.randn(2, 5, 4, 4)])
        torch.save((refreshed, str(failed.value)), f"{folder}/{rank}")
    finally:
        torch.distributed.destroy_process_group()


def test_ranks_are_joined(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=on_one_rank, args=(rank, str(tmp_path))) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    first, second = (torch.load(tmp_path / str(rank)) for rank in range(2))
    assert first == second
    (mean, var), failed = first
    everything = torch.cat(batches()).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.tensor(mean), everything.mean(1))
    torch.testing.assert_close(torch.tensor(var), everything.var(1))
    assert "failed on batch 0" in failed
    assert "(on rank 1)" in failed


# ---- sync ----------------------------------------------------------------------------------------


def three() -> nn.Sequential:
    return worn(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(2), nn.BatchNorm1d(3, momentum=None)))


def test_there_and_back() -> None:
    model = three()
    x = torch.randn(4, 3, 6, 6)
    before, state, shown = model(x), list(model.state_dict()), repr(model)
    weight = model[0].weight
    done = sync(model)
    assert changed(done) == ["0", "2"]
    assert all(isinstance(model[k], nn.SyncBatchNorm) for k in (0, 2))
    assert model[0].weight is weight
    torch.testing.assert_close(model(x), before)
    model.train()(x)
    assert int(model[0].num_batches_tracked) == 8
    assert list(model.state_dict()) == state
    again = unsync(model)
    assert changed(again) == ["0", "2"]
    assert repr(model) == shown
    assert model[0].weight is weight
    assert int(model[0].num_batches_tracked) == 8


def test_the_check_of_dimensions_is_kept() -> None:
    model = three()
    sync(model)
    with pytest.raises(ValueError, match=r"from BatchNorm2d: expected 4D input \(got 3D"):
        model[0](torch.randn(4, 3, 6))
    assert copy.deepcopy(model)[2].was == "BatchNorm1d"


def test_what_pytorch_converted_is_told_by_its_input() -> None:
    model = nn.SyncBatchNorm.convert_sync_batchnorm(three())
    assert "give a batch" in reasons(unsync(model))["0"]
    done = unsync(model, batch=torch.randn(4, 3, 6, 6))
    assert [change.after for change in done] == ["BatchNorm2d(3)", "BatchNorm1d(3)"]
    assert model[2].momentum is None
    odd = Model(lambda m, x: m.norm(m.norm(x).flatten(2)), norm=nn.SyncBatchNorm(3))
    assert (
        "no batch norm takes all its inputs"
        in reasons(unsync(odd, batch=torch.randn(2, 3, 4, 4)))["norm"]
    )


def test_what_is_not_synchronized() -> None:
    class Own(nn.BatchNorm2d):
        pass

    model = worn(nn.Sequential(nn.BatchNorm2d(3), Own(3), eb.BatchNorm2d(3, activation="relu")))
    model.append(nn.BatchNorm2d(3))
    model[3].register_forward_hook(lambda *given: None)
    model[1:].requires_grad_(False)
    freeze(model[:1])
    done = sync(model)
    assert not done
    assert reasons(done) == {
        "0": "it is frozen; there is nothing to synchronize",
        "1": "Own is a class of its own, not torch.nn's",
        "2": "it has activation='relu' fused in; see accelerate",
        "3": "hooks are registered on it, which would see something else; remove them first",
    }


def test_a_norm_alone() -> None:
    done = sync(nn.BatchNorm1d(3))
    assert isinstance(done.model, SyncedBatchNorm)
    assert isinstance(unsync(done.model).model, nn.BatchNorm1d)


class Forces(nn.Module):
    """The gradient of an energy, as force fields give it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        x.requires_grad_()
        energy = self.norm(self.first(x)).square().sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]


def test_a_model_that_differentiates_within_itself_is_refreshed() -> None:
    model, loader = Forces(), [torch.randn(8, 3) + i for i in range(3)]
    done = refresh(model, loader)
    assert [change.path for change in done] == ["norm"]
    with torch.no_grad():
        values = model.first(torch.cat(loader))
    torch.testing.assert_close(model.norm.running_mean, values.mean(0))
    torch.testing.assert_close(model.norm.running_var, values.var(0))
    assert not any(batch.requires_grad for batch in loader)
    assert all(p.grad is None for p in model.parameters())
