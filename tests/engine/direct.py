"""One forward and backward pass of the engine, called directly: no optimizer, no loss of its own.

This file alone knows how `evenbatch.engine.passes` is called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from compiled import cached
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Trial, Weights, passes, state
from evenbatch.engine.feed import make_feed
from evenbatch.engine.layout import Mode
from evenbatch.engine.state import Scratch, TrialState
from evenbatch.kernels._lanes import padded

forward, backward = cached(passes.forward), cached(passes.backward)


class Direct:
    """A trial's network on the rows of one minibatch.

    Args:
        fill: what the workspace and the gradient hold before the first pass. Whatever it is, no
            result may depend on it.
    """

    def __init__(
        self, trial: Trial, data: Dataset, weights: Weights, dtype: Any, fill: float = np.nan
    ) -> None:
        trial = replace(trial, dtype=np.dtype(dtype).name)
        self.state = TrialState(trial, data, make_feed(data, dtype), weights)
        self.tape, self.program = self.state.tape, self.state.program
        self.theta, self.running = self.state.learner.theta, self.state.learner.running
        self.rows = trial.batch_size
        self.scratch = scratch = Scratch()
        scratch.buffers["ws"] = np.full(self.tape.n_workspace, fill, dtype)
        scratch.buffers["grad"] = np.full(self.tape.n_parameters, fill, dtype)
        room = scratch.room(self.state)
        self.workspace, self.grad = room.ws, room.grad

    def put(self, at: int, matrix: Any) -> None:
        """Write a matrix into the workspace, its padding zero."""
        rows, columns = matrix.shape
        stride = padded(columns)
        block = self.workspace[at : at + rows * stride].reshape(rows, stride)
        block[:] = 0
        block[:, :columns] = matrix

    def output(self, x: Any, theta: Any, mode: int = Mode.TRAIN, step: int = 0) -> Any:
        """The network's output for the rows x under the flat parameters theta."""
        t = self.tape
        self.put(t.input_at, x)
        running = self.running.copy()
        forward(self.program, theta, running, self.workspace, self.rows, int(mode), step)
        columns = t.network.outputs
        stride = padded(columns)
        flat = self.workspace[t.output_at : t.output_at + self.rows * stride]
        return flat.reshape(self.rows, stride)[:, :columns].copy()

    def gradient(self, x: Any, theta: Any, by_output: Any, step: int = 0) -> Any:
        """The flat gradient of Σ by_output · output by the parameters."""
        self.output(x, theta, step=step)
        t = self.tape
        self.put(t.d_at[0], by_output)
        backward(self.program, theta, self.grad, self.workspace, self.rows)
        return self.grad[: t.n_parameters].copy()

    def blocks(self) -> dict[str, Any]:
        """Places in the flat vector of each parameter's live elements, by name."""
        found = {}
        for i, slot in enumerate(self.tape.linears):
            places = slot.weight + np.arange(slot.size).reshape(slot.inputs, slot.stride)
            found[f"linear {i} weight"] = places[:, : slot.outputs].ravel()
            if slot.bias >= 0:
                found[f"linear {i} bias"] = slot.bias + np.arange(slot.outputs)
        for i, norm in enumerate(self.tape.norms):
            found[f"norm {i} gamma"] = norm.gamma + np.arange(norm.columns)
            found[f"norm {i} beta"] = norm.beta + np.arange(norm.columns)
        return found

    def padding(self) -> Any:
        """Places in the flat vector that belong to no parameter."""
        live = np.zeros(self.tape.n_parameters, bool)
        for places in self.blocks().values():
            live[places] = True
        return np.flatnonzero(~live)


__all__ = ["Direct", "state"]
