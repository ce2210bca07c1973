"""How the loss lies around a step: loss and gradient some way along the negative gradient.

At a step t, on its minibatch, before its update, with g the gradient of the loss L at theta:

    loss_k = L(theta − eta_k g)        gradient_change_k = ‖∇L(theta − eta_k g) − g‖

(Santurkar et al. 2018, arXiv:1805.11604, figure 4a and 4b; the largest gradient_change_k over
eta_k ‖g‖, the way gone, is the effective smoothness of figure 4c.) Dropout and drift draw at every
eta_k what they draw at the step itself, so that the loss is one and the same function.

Each point is the engine's own step, taken by a shadow of the trial: there is no second way to
compute a loss or a gradient, and the trial itself does not notice.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import loop
from evenbatch.engine.curve import Landscape
from evenbatch.engine.trial import OPTIMIZERS, Trial

if TYPE_CHECKING:
    from evenbatch.engine.state import Scratch, TrialState

LANDSCAPE_STEPS = tuple(k / 2 for k in range(1, 9))
"""eta in units of the trial's learning rate: 1/2 to 4, the range of Santurkar et al. 2018."""

Array = NDArray[Any]
NEVER = np.array([np.iinfo(np.int64).max])


class Survey:
    """The landscape of one trial, as far as it has been measured."""

    def __init__(self, trial: Trial) -> None:
        every, steps = trial.landscape_every, trial.steps
        self.steps = np.arange(0, steps if every else 0, max(every, 1), dtype=np.int64)
        self.eta = trial.learning_rate * np.array(LANDSCAPE_STEPS)
        self.done = 0
        self.here = np.full((len(self.steps), 2), np.nan)  # loss, gradient norm
        self.away = np.full((len(self.steps), 2, len(self.eta)), np.nan)  # loss, gradient change

    def next_before(self, until: int) -> int | None:
        """The next step to survey, if it is before `until`."""
        if self.done == len(self.steps) or self.steps[self.done] >= until:
            return None
        return int(self.steps[self.done])

    def measure(self, state: TrialState, scratch: Scratch) -> bool:
        """Survey the step the trial stands at; False, and nothing, if its loss is not finite."""
        place = self.done
        loss, gradient = _step(state, state.theta, scratch)
        if gradient is None:
            return False
        with np.errstate(over="ignore", invalid="ignore"):  # far out; the numbers will say so
            self.here[place] = loss, _length(gradient)
            for k, eta in enumerate(self.eta):
                theta = state.theta.copy()
                theta[: len(gradient)] -= (eta * gradient).astype(theta.dtype)
                loss, there = _step(state, theta, scratch)
                self.away[place, 0, k] = loss
                if there is not None:
                    self.away[place, 1, k] = _length(there - gradient)
        self.done += 1
        return True

    def result(self) -> Landscape | None:
        """What has been measured so far (a copy); None where nothing was asked for."""
        if not len(self.steps):
            return None
        here, away = self.here[: self.done].T.copy(), self.away[: self.done].copy()
        return Landscape(
            step=self.steps[: self.done].copy(),
            eta=self.eta.copy(),
            loss_here=here[0],
            loss=away[:, 0],
            gradient_norm=here[1],
            gradient_change=away[:, 1],
        )


def _length(gradient: Array) -> float:
    # Not BLAS: its sums may depend on the number of threads.
    return float(np.sqrt((gradient**2).sum()))


def _step(state: TrialState, theta: Array, scratch: Scratch) -> tuple[float, Array | None]:
    """(loss, its gradient in float64) at theta on the minibatch of the trial's next step.

    Infinity and None where the loss is not finite: a training would end there.
    """
    shadow = copy.copy(state)
    shadow.theta, shadow.running = theta.copy(), state.running.copy()
    shadow.counters, shadow.sums = state.counters.copy(), np.zeros(loop.SUMS)
    shadow.counters[[loop.NEXT_EVALUATION, loop.NEXT_PROBE]] = 0
    shadow.evaluations, shadow.probe_steps = NEVER, NEVER[:0]
    shadow.plan = state.plan.copy()  # its update may do as it likes, but for momentum's arrays
    shadow.plan[loop.OPTIMIZER] = OPTIMIZERS.index("sgd")
    gradient = shadow.train(state.step + 1, scratch)[: state.tape.n_learned]
    if shadow.step == state.step:
        return float("inf"), None
    return float(shadow.sums[loop.LOSS_SUM]), gradient.astype(np.float64)
