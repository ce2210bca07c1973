"""Optimizers, in PyTorch's conventions, over one flat parameter vector.

    sgd        p ← p − lr (g + decay p)
    momentum   m ← mu m + (g + decay p);  p ← p − lr m                         (Polyak 1964)
    adam       Kingma & Ba 2015, algorithm 1, decay added to the gradient
    adamw      Loshchilov & Hutter 2019, algorithm 2: p ← p − lr decay p first, g untouched

Weight decay touches the elements before `decay_end`: the weights, and not bias, gamma or beta.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import lanes, load, root, splat, store
from evenbatch.kernels._scalars import power

SGD, MOMENTUM, ADAM, ADAMW = 0, 1, 2, 3
BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8


def reference_step(
    code: int, p: Any, g: Any, m: Any, v: Any, lr: float, mu: float, decay: Any, t: int
) -> tuple[Any, Any, Any]:
    """float64: (p, m, v) after step t = 1, 2, …; `decay` holds each element's weight decay."""
    p, g, m, v = (np.asarray(a, np.float64) for a in (p, g, m, v))
    if code == ADAMW:
        p = p - lr * decay * p
    else:
        g = g + decay * p
    if code == SGD:
        return p - lr * g, m, v
    if code == MOMENTUM:
        m = mu * m + g
        return p - lr * m, m, v
    m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
    spread = np.sqrt(v / (1 - BETA2**t)) + ADAM_EPS
    return p - lr * (m / (1 - BETA1**t)) / spread, m, v


@kernel
def update(p, g, m, v, size, decay_end, code, lr, mu, decay, t):
    """One step over the first `size` elements; `t` counts from 1."""
    if code == SGD:
        _sgd(p, g, 0, decay_end, lr, decay)
        _sgd(p, g, decay_end, size, lr, 0.0)
    elif code == MOMENTUM:
        _momentum(p, g, m, 0, decay_end, lr, mu, decay)
        _momentum(p, g, m, decay_end, size, lr, mu, 0.0)
    else:
        decoupled = code == ADAMW
        _adam(p, g, m, v, 0, decay_end, lr, decay, decoupled, t)
        _adam(p, g, m, v, decay_end, size, lr, 0.0, decoupled, t)


@kernel
def _sgd(p, g, start, stop, lr, decay):
    rate = splat(p.dtype.type(lr))
    wide_decay = splat(p.dtype.type(decay))
    for at in range(start, stop, lanes(p)):
        old = load(p, at)
        store(p, at, old - rate * (load(g, at) + wide_decay * old))


@kernel
def _momentum(p, g, m, start, stop, lr, mu, decay):
    rate = splat(p.dtype.type(lr))
    wide_decay = splat(p.dtype.type(decay))
    wide_mu = splat(p.dtype.type(mu))
    for at in range(start, stop, lanes(p)):
        old = load(p, at)
        velocity = wide_mu * load(m, at) + (load(g, at) + wide_decay * old)
        store(m, at, velocity)
        store(p, at, old - rate * velocity)


@kernel
def _adam(p, g, m, v, start, stop, lr, decay, decoupled, t):
    b1, b2 = splat(p.dtype.type(BETA1)), splat(p.dtype.type(BETA2))
    r1, r2 = splat(p.dtype.type(1 - BETA1)), splat(p.dtype.type(1 - BETA2))
    eps = splat(p.dtype.type(ADAM_EPS))
    rate = splat(p.dtype.type(lr / (1 - power(BETA1, t))))
    unbias = splat(p.dtype.type(1 / math.sqrt(1 - power(BETA2, t))))
    coupled = splat(p.dtype.type(0.0 if decoupled else decay))
    keep = splat(p.dtype.type(1 - lr * decay if decoupled else 1.0))
    for at in range(start, stop, lanes(p)):
        old = load(p, at)
        gradient = load(g, at) + coupled * old
        first = b1 * load(m, at) + r1 * gradient
        second = b2 * load(v, at) + r2 * gradient * gradient
        store(m, at, first)
        store(v, at, second)
        store(p, at, keep * old - rate * first / (root(second) * unbias + eps))
