"""Plain loops over arrays, compiled: floor 1, which everything else stands on.

Two rooms, for two kinds of caller:

* `evenbatch.kernels.engine` trains small networks. Everything of a trial lies in one flat workspace
  and one flat parameter vector; kernels walk padded rows one *lanes* value at a time. Called by
  `evenbatch.engine.loop` alone, from one compiled function to the next.
* `evenbatch.kernels.norms` normalizes arrays as people hold them: any size, strided, masked, split
  over threads. Called by `evenbatch.norms` and `evenbatch.torch.layers`, from Python.

For both: `_jit` (the one decorator, the cache of compiled kernels), `_lanes` (64 bytes as one
value), `_lane_math` and `_scalars` (the elementary functions of many numbers and of one), `_target`
(the machine's registers), `parallel` (threads), `_clock` (time, read inside a kernel).

In both rooms the fused activation is called `slope`: its slope left of zero, 0 for relu and 1 for
none.
"""
