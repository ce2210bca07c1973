#!/usr/bin/env bash
# jax 0.10.2 (CPU): the gradient of a convolution that vmap maps over its weights (an ensemble of 16
# small networks, each with weights and data of its own) takes several times as long as that of the
# same 16 convolutions written one after another in one jit, though the numbers agree. Seen on two
# cores, beside other work: 5 to 9 times for the gradient, 0.6 to 1.8 times forward.
#
# vmap is what one writes for an ensemble, and fully connected layers lose nothing by it. Whoever
# compares an ensemble of convolutional networks with JAX should try both.
#
# Both are timed in turn, the median of nine ratios counts; fails unless the gradient is at least
# twice as slow with vmap, or if the gradients differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2

cat > "$folder/ensemble.py" <<'PY'
import statistics
import sys
import time

import jax
import jax.numpy as jnp
from jax import lax

NETWORKS, BATCH, LENGTH, INPUTS, OUTPUTS = 16, 32, 40, 8, 16


def convolved(weights, x):
    return lax.conv_general_dilated(x, weights, (1,), "SAME",
                                    dimension_numbers=("NWC", "WIO", "NWC"))


def mapped(weights, x):
    return jax.vmap(convolved)(weights, x)


def in_turn(weights, x):
    return jnp.stack([convolved(weights[k], x[k]) for k in range(NETWORKS)])


def gradient(all_of_them):
    return jax.jit(jax.grad(lambda weights, x: (all_of_them(weights, x) ** 2).sum()))


def seconds(function, *arguments):
    start = time.perf_counter()
    for _ in range(10):
        function(*arguments).block_until_ready()
    return time.perf_counter() - start


a, b = jax.random.split(jax.random.key(0))
weights = jax.random.normal(a, (NETWORKS, 3, INPUTS, OUTPUTS))
x = jax.random.normal(b, (NETWORKS, BATCH, LENGTH, INPUTS))
print(f"jax {jax.__version__}, {jax.default_backend()}")
ratio = {}
for name, make in (("forward", jax.jit), ("gradient", gradient)):
    both = make(mapped), make(in_turn)
    first, second = (f(weights, x) for f in both)
    off = float(jnp.abs(first - second).max() / jnp.abs(second).max())
    times = [[seconds(f, weights, x) for f in both] for _ in range(9)]
    ratio[name] = statistics.median(m / t for m, t in times)
    print(f"{name}: vmap takes {ratio[name]:.1f} times as long; relative difference {off:.0e}")
    if off > 1e-4:
        sys.exit("the two differ: changed")
sys.exit(0 if ratio["gradient"] >= 2 else "no longer slow: changed")
PY
"$folder/v/bin/python" "$folder/ensemble.py"
