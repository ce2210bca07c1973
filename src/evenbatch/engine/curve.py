"""What a trial gave: its curve, its probes, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenbatch._shown import Shown

if TYPE_CHECKING:
    from evenbatch.engine.trial import Trial

HELD = 0.05
"""Of the budget: over so long a goal must be held on average."""
PROBE_FIELDS = (
    "input_mean",
    "input_std",
    "saturated",
    "dead",
    "gradient_norm",
    "gamma_shift",
    "beta_shift",
    "gamma_mean",
)


@dataclass(frozen=True, eq=False)
class Probes:
    """What was read inside the network, at each probed step (P) in each linear layer (L).

    Attributes:
        step: (P,) the minibatch, counted from 0, on which it was read.
        input_mean: (P, L) mean of what the layer receives, over batch and features, and
            positions.
        input_std: (P, L) its standard deviation.
        saturated: (P, L) share of the layer's activations whose derivative is at most 5 % of the
            largest it can have (relu: zeros).
        dead: (P, L) share of units that are saturated for every example of the batch; of a
            convolution, of channels, at every position too.
        gradient_norm: (P, L) Euclidean norm of the loss gradient by the layer's weights.
        gamma_shift: (P, L) how far the gammas of the layer's normalizer are from 1: root mean
            square of gamma − 1. The normalizer of a layer is the one before or after its
            activation; one on the input belongs to the first layer. NaN for a layer without.
        beta_shift: (P, L) how far its betas are from 0: root mean square of beta.
        gamma_mean: (P, L) mean of its gammas.
    """

    step: NDArray[np.int64]
    input_mean: NDArray[np.float32]
    input_std: NDArray[np.float32]
    saturated: NDArray[np.float32]
    dead: NDArray[np.float32]
    gradient_norm: NDArray[np.float32]
    gamma_shift: NDArray[np.float32]
    beta_shift: NDArray[np.float32]
    gamma_mean: NDArray[np.float32]


def _rounded(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a loss beyond float32 is infinite, as it is in training
            return value.astype(np.float32).astype(value.dtype)
    if isinstance(value, (Curve, Probes, Landscape)):
        parts = {f.name: _rounded(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **parts)
    return value


@dataclass(frozen=True, eq=False)
class Landscape:
    """Loss and gradient along the negative gradient, at each surveyed step (P), for each eta (K).

    On the minibatch of the step, in training mode, before its update: at theta, and at
    theta − eta · gradient (Santurkar et al. 2018, arXiv:1805.11604, figure 4).

    Attributes:
        step: (P,) the minibatch, counted from 0, that was surveyed.
        eta: (K,) 1/2, 1, … 4 times the trial's learning rate.
        loss_here: (P,) loss at theta.
        loss: (P, K) loss at theta − eta · gradient; infinity where it is not finite.
        gradient_norm: (P,) Euclidean norm of the gradient at theta, by all that learns.
        gradient_change: (P, K) Euclidean distance of the gradient there from the one at theta; NaN
            where the loss is not finite.
    """

    step: NDArray[np.int64]
    eta: NDArray[np.float64]
    loss_here: NDArray[np.float64]
    loss: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]
    gradient_change: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Parameters of one linear layer in PyTorch's layout: weight (outputs, inputs), bias
    (outputs)."""

    weight: NDArray[np.floating]
    bias: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class NormWeights:
    """Parameters of one normalizer and, for batch norm, its running statistics."""

    gamma: NDArray[np.floating]
    beta: NDArray[np.floating]
    running_mean: NDArray[np.floating] | None = None
    running_var: NDArray[np.floating] | None = None


@dataclass(frozen=True, eq=False)
class Weights:
    """All parameters of a network."""

    linears: tuple[LayerWeights, ...]
    norms: tuple[NormWeights, ...]


@dataclass(frozen=True, eq=False)
class Curve(Shown):
    """How a trial went.

    Attributes:
        trial: the trial.
        step: (K,) steps after which the network was evaluated.
        seconds: (K,) seconds of training until then; evaluating and probing are not counted.
        train_loss: (K,) mean loss of the minibatches since the previous point (NaN at step 0).
        test_loss, metric: (K,) on the test set, in evaluation mode: accuracy, or R² for a
            regression.
        train_eval_loss, train_metric: (K,) the same on the training set; NaN unless the trial has
            ``evaluate_train``.
        ended: "finished", "diverged" (the loss of a minibatch was not finite), "stopped", or
            "running" while it is still training.
        ended_at: the step it ended at; for a diverged trial the step whose loss was not finite.
        probes: what was read inside the network, if the trial asked for it.
        landscape: how the loss lies around the steps, if the trial asked for it.
        weights: parameters at the end, if `train` was asked to keep them.
    """

    trial: Trial
    step: NDArray[np.int64]
    seconds: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    metric: NDArray[np.float64]
    train_eval_loss: NDArray[np.float64]
    train_metric: NDArray[np.float64]
    ended: str
    ended_at: int
    probes: Probes | None = None
    landscape: Landscape | None = None
    weights: Weights | None = field(default=None, repr=False)

    @property
    def diverged(self) -> bool:
        """True if the loss of a minibatch was not finite."""
        return self.ended == "diverged"

    def rounded(self) -> Curve:
        """The same curve with everything measured rounded to float32, its arrays' types unchanged.

        A store that keeps float32 gives this curve back; rounded, one that has just been trained is
        the same to the bit. Steps are whole numbers and stay; so do the weights.
        """
        found: Curve = _rounded(self)
        return found

    def steps_to(self, target: float, keep: float | None = None) -> float:
        """Steps until the metric reached `target` and held it; infinity if it did not.

        The first evaluation at or above `target` that holds it on average over `HELD` of the budget
        (at least three evaluations), and after which no average over as long falls below `keep`. A
        curve that touches the target by luck, or has it and loses it, has not reached it, and
        neither has one that diverged. The step is read off the straight line from the evaluation
        before, so that the distance between evaluations does not lengthen a fast run's way.

        Args:
            target: the metric to be reached.
            keep: the metric to be kept then, a little lower where curves are noisy; `target` if
                left out.

        >>> import numpy as np
        >>> from evenbatch.engine import Network, Trial
        >>> trial, no = Trial(Network(inputs=1, hidden=(1,), outputs=2), steps=100), np.zeros(6)
        >>> step, metric = np.array([0, 20, 22, 60, 80, 100]), np.array([.1, .9, .2, .8, .9, .9])
        >>> curve = Curve(trial, step, no, no, no, metric, no, no, "finished", 100)
        >>> round(curve.steps_to(0.7), 1), curve.steps_to(0.95)
        (53.7, inf)
        """
        step, metric = self.step, self.metric
        until = step + HELD * self.trial.steps
        stop = np.maximum(np.searchsorted(step, until, "right"), np.arange(len(step)) + 3)
        whole = int(((until <= step[-1:]) & (stop <= len(step))).sum())  # stretches that are over
        with np.errstate(all="ignore"):  # of a run that diverged
            sums = np.concatenate([[0.0], np.cumsum(metric)])
            means = (sums[stop[:whole]] - sums[:whole]) / (stop[:whole] - np.arange(whole))
        lost = np.flatnonzero(~(means >= (target if keep is None else keep)))
        since = int(lost[-1]) + 1 if len(lost) else 0
        reached = np.flatnonzero((metric[since:whole] >= target) & (means[since:] >= target))
        if self.diverged or not len(reached):
            return float("inf")
        place = since + int(reached[0])
        if place == 0 or not metric[place - 1] < target:
            return float(step[place])
        share = (target - metric[place - 1]) / (metric[place] - metric[place - 1])
        return float(step[place - 1] + share * (step[place] - step[place - 1]))

    def __repr__(self) -> str:
        last = f", metric {self.metric[-1]:.4g}" if len(self.metric) else ""
        return f"<Curve {self.trial.key[:8]}: {self.ended} at step {self.ended_at}{last}>"
