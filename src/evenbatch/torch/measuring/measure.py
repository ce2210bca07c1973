"""One layer measured: the description, or why it has none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import torch

from evenbatch.torch.measuring import effects, hazards, kept
from evenbatch.torch.measuring.behaviour import OWN, Behaviour
from evenbatch.torch.measuring.probing import Probe, Unfit, apart, size
from evenbatch.torch.measuring.sharing import Sharing, sharing
from evenbatch.torch.models.inputs import mapped


def measure(probe: Probe) -> Behaviour | str | None:
    """What a layer does; in words what it does that is like a norm and cannot be placed; None for
    a layer that is none.

    Raises:
        Unfit: it cannot be called.
    """
    wide, training = probe.wide(), True
    try:
        if _ignores(wide):
            return _elsewhere(probe)
        seen = sharing(wide, True)
    except Unfit:
        training, seen = False, sharing(wide, False)
    moves = kept.moved(wide) if training else ()
    if seen is None:
        return _fixed(wide, moves)
    if not seen.exact:
        return _words(seen) if seen.scaled else None
    later = kept.moved(wide, 8) if training else ()
    found, used = kept.kept(wide, seen if training else None, later)
    gamma, beta, offset = effects.gain(wide, training)
    eps, place = effects.eps(probe, training, seen) if seen.scaled else (None, "variance")
    if eps is None and seen.scaled and probe.dtype in (torch.float16, torch.bfloat16):
        eps, place = effects.eps(probe.cast(torch.float32), training, seen)  # it vanishes in half
    return Behaviour(
        wide.shape, seen.axes, seen.groups,
        effects.channels(wide, training, [gamma, beta], [k.name for k in found]),
        seen.centred, seen.scaled, not seen.several and effects.affine(wide, training, seen),
        gamma, beta, offset, eps, place, found, moves, used, _evaluated(wide, seen),
        _sets_itself(wide, moves), hazards.one_value(wide, seen.axes) if training else "",
        hazards.large_mean(probe, seen.centred), hazards.lost(probe), hazards.zeros(probe),
        training,
    )  # fmt: skip


def _ignores(probe: Probe) -> bool:
    """Whether it gives the same for every input, as a norm does with one value to a statistic."""
    return apart(probe(probe.random(1)), probe(probe.random(2))) < 1e-6


def _elsewhere(probe: Probe) -> Behaviour | str | None:
    """The same with other parameters, as a gain of 0 hides what is multiplied; or with more
    positions, where there was one."""
    other = probe.changed()
    if not _ignores(other.wide()):
        return measure(other)
    shape = (*probe.shape, 1) if len(probe.shape) == 2 else probe.shape
    longer = (*shape[:1], *(4 if n == 1 else n for n in shape[1:]))
    main = torch.zeros((), dtype=probe.dtype, device=probe.device).expand(longer)
    args, kwargs = mapped((probe.args, probe.kwargs), lambda t: main if t is probe.main else t)
    with suppress(Unfit):
        larger = Probe(probe.layer, args, kwargs)
        more = None if longer == probe.shape or _ignores(larger) else measure(larger)
        if isinstance(more, Behaviour):
            return replace(more, shape=probe.shape, axes=more.axes[: len(probe.shape)])
    return None


def _evaluated(probe: Probe, seen: Sharing) -> bool:
    """Whether evaluation takes statistics of other elements."""
    others = seen.among.flatten().clone()
    others[-1] = False
    for x in (probe.random(1), -probe.random(1)):
        y = x.clone()
        y.view(-1)[others] *= 3
        before, after = probe(x, False), probe(y, False)
        if float((before - after).abs().flatten()[-1]) > 1e-6 * max(size(before), 1e-30):
            return True
    return False


def _sets_itself(probe: Probe, moves: tuple[str, ...]) -> bool:
    own = {name for name, p in probe.layer.named_parameters() if p.requires_grad}
    if not own & set(moves):
        return False
    x = probe.random(1)
    second, other = (probe.calls([x, y])[0][1] for y in (x, 8 * x))
    return apart(8 * second, other) < 0.1 or apart(second, other) > 0.1


def _fixed(wide: Probe, moves: tuple[str, ...]) -> Behaviour | str | None:
    """A map of each element alone, by what is kept in place of statistics; or a layer that only
    gathers them."""
    if not any(True for _ in wide.layer.buffers()) and not moves:
        return None
    found, _ = kept.kept(wide, None, moves)
    roles = {k.role for k in found}
    if not roles & {"variance", "deviation"}:
        return None
    gamma, beta, offset = effects.gain(wide, False)
    return Behaviour(
        wide.shape, (OWN,) * len(wide.shape), 1,
        effects.channels(wide, False, [], [k.name for k in found]), "mean" in roles, True, True,
        gamma, beta, offset, None, "variance", found, moves, True, False,
    )  # fmt: skip


def _words(seen: Sharing) -> str:
    does = ["takes off a mean"] if seen.centred else []
    does += ["divides by a spread"] if seen.scaled else []
    return f"it {' and '.join(does)}, and its elements act on each other in other ways as well"
