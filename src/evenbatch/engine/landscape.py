"""How the loss lies around a step: loss and gradient some way along the negative gradient.

At a step t, on its minibatch, before its update, with g the gradient of the loss L at theta:

    loss_k = L(theta − eta_k g)        gradient_change_k = ‖∇L(theta − eta_k g) − g‖

(Santurkar et al. 2018, arXiv:1805.11604, figure 4a and 4b; the largest gradient_change_k over
eta_k ‖g‖, the way gone, is the effective smoothness of figure 4c.) Dropout and drift draw at every
eta_k what they draw at the step itself, so that the loss is one and the same function.

Each point is the loop's own pass over the minibatch, with copies of the parameters and of the
running statistics, so the trial itself does not notice.
"""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import passes
from evenbatch.engine.curve import Landscape
from evenbatch.engine.layout import Counter, Log, Plan, Program
from evenbatch.kernels._jit import kernel

LANDSCAPE_STEPS = tuple(k / 2 for k in range(1, 9))
"""eta in units of the trial's learning rate: 1/2 to 4, the range of Santurkar et al. 2018."""


@kernel
def _copy(source, target):
    for i in range(target.size):
        target[i] = source[i]


@kernel
def survey(program, data, learner, room, first, step, here, away):
    """Survey the step whose minibatch begins at `first`; False, and nothing, if its loss is not
    finite.

    Args:
        here: (2,) receives loss and gradient norm.
        away: (2, etas) receives loss and gradient change; where the loss is not finite, infinity
            and what was there.
    """
    size = program.plan[Plan.N_LEARNED]
    theta, running = room.spare_theta, room.spare_running
    _copy(learner.theta, theta)
    _copy(learner.running, running)
    loss = passes.loss_and_gradient(program, data, theta, running, room, first, step)
    if not math.isfinite(loss):
        return False
    squares = 0.0
    for i in range(size):
        room.spare_grad[i] = room.grad[i]
        squares += np.float64(room.grad[i]) ** 2
    here[0], here[1] = loss, math.sqrt(squares)
    for k in range(program.etas.size):
        _copy(learner.running, running)
        for i in range(size):
            along = program.etas[k] * np.float64(room.spare_grad[i])
            theta[i] = learner.theta[i] - theta.dtype.type(along)
        loss = passes.loss_and_gradient(program, data, theta, running, room, first, step)
        away[0, k] = math.inf
        if math.isfinite(loss):
            squares = 0.0
            for i in range(size):
                squares += (np.float64(room.grad[i]) - np.float64(room.spare_grad[i])) ** 2
            away[0, k], away[1, k] = loss, math.sqrt(squares)
    return True


def landscape(program: Program, log: Log) -> Landscape | None:
    """What has been surveyed so far (a copy); None where nothing was asked for."""
    if not len(program.survey_steps):
        return None
    n = int(log.counters[Counter.NEXT_SURVEY])
    here, away = log.here[:n].T.copy(), log.away[:n].copy()
    return Landscape(
        step=program.survey_steps[:n].copy(),
        eta=program.etas.copy(),
        loss_here=here[0],
        loss=away[:, 0],
        gradient_norm=here[1],
        gradient_change=away[:, 1],
    )
