"""Which ways to run each peer are tried, and what was already found not to help.

`bench.engine` times all candidates of a peer briefly and races the best one. The first candidate of
each list won where this was written (2 cores of a Sapphire Rapids Xeon); ``--quick`` takes it
unasked.

Tried and left out, because no figure got better:

* PyTorch: `torch.compile` with `torch.autograd.grad` inside (2 to 3 times slower than with
  `torch.func.grad_and_value`), its ``max_autotune``, norms as formulas, other layouts, and
  splitting the trials of one process into groups that fit the cache (0.7 to 1.0 of the speed).
* JAX: ``xla_cpu_enable_fast_math``, ``xla_cpu_prefer_vector_width=512``,
  ``xla_cpu_use_xnnpack=false`` (all within 5 %), oneDNN and YNN library products (0.7 to 1.0 of the
  speed, though a batched product alone is twice as fast in YNN), features before rows, means as
  products with ones, gathering all minibatches before the scan, ``unroll=4``, and two host devices
  under ``shard_map`` (as fast as two processes).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from bench.harness import Variant

OURS = "evenbatch"
EAGER = "PyTorch eager loop"
EAGER_SHARED = "PyTorch eager loop, a process per core"


def cores() -> int:
    """Cores these figures are measured on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def candidates(work: str, quick: bool) -> list[list[Variant]]:
    """For each peer, the ways to run it on this workload."""
    every = cores()
    batched = _batched(every)["conv" in work :]  # nobody writes convolutions by hand
    peers = [_eager(), _eager_shared(every), *batched, *_jax(work, every)]
    if quick:
        return [peer[:1] for peer in peers]
    return [*peers, *_compiled(work, every)]


def ours() -> Variant:
    """evenbatch on all cores, in one process."""
    return Variant(OURS, "evenbatch_session", {"threads": cores()})


def yardsticks() -> list[Variant]:
    """The products of a step alone, by SciPy's BLAS, one process per core."""
    return [
        Variant("sgemm, best order", "products", {"order": "plain"}, cores()),
        Variant("sgemm, a step's order", "products", {"order": "step"}, cores()),
    ]


def _eager() -> list[Variant]:
    options: list[dict[str, Any]] = [
        {"optimizer": "fused"}, {"optimizer": "plain"}, {"optimizer": "foreach"},
        {"optimizer": "fused", "threads": cores()},
    ]  # fmt: skip
    return [Variant(EAGER, "torch_eager", option) for option in options]


def _eager_shared(every: int) -> list[Variant]:
    options = [{"optimizer": "fused"}, {"optimizer": "plain"}]
    return [Variant(EAGER_SHARED, "torch_eager", option, every) for option in options]


def _batched(every: int) -> list[list[Variant]]:
    return [
        [
            Variant(peer, module, {}, every),
            Variant(peer, module, {"threads": every}),
        ]
        for peer, module in (
            ("PyTorch batched (bmm)", "torch_batched"),
            ("torch.func vmap", "torch_func"),
        )
    ]


def _compiled(work: str, every: int) -> list[list[Variant]]:
    """Under torch.compile; its C++ wrapper (no Python between kernels) took 0.9 of the time.

    Fifty layers take two minutes to compile by hand-batched step, and were not tried with vmap.
    """
    peers = []
    if "conv" not in work:
        peers.append(("PyTorch batched (bmm), compiled", "torch_batched"))
    if work != "deep":
        peers.append(("torch.func vmap, compiled", "torch_func"))
    wrapper = {"TORCHINDUCTOR_CPP_WRAPPER": "1"}
    return [
        [Variant(peer, module, {"compiled": True}, every, environment=wrapper)]
        for peer, module in peers
    ]


def _jax(work: str, every: int) -> list[list[Variant]]:
    """As most would write it, in one process; and in chunks of trials, one process per core."""
    tuned: dict[str, Sequence[dict[str, int]]] = {
        "small": [{"chunk": 16, "unroll": 2}, {"chunk": 16}, {"chunk": 32}, {"chunk": 8}],
        "medium": [{"chunk": 4}, {"chunk": 2}, {"chunk": 8}],
        "deep": [{"chunk": 4}, {"chunk": 2}, {"chunk": 8}],
    }
    tuned["conv"] = tuned["wide-conv"] = [
        {"chunk": chunk, "patches": patches} for patches in (1, 0) for chunk in (1, 2, 4)
    ]
    name = "JAX jit(vmap(scan))"
    return [
        [Variant(name, "jax_scan")],
        [Variant(f"{name}, tuned", "jax_scan", option, every) for option in tuned[work]],
    ]
