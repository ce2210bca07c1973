"""Kernels of the engine: what a tape's operations do, forwards and backwards.

**Where things lie.** A matrix is (rows × stride) in one flat array, `ws` for what lives within a
step, `theta` for parameters and `grad` for their gradients. Arguments such as `z`, `src` or
`gamma_at` are offsets into it. A *lanes* value is 64 bytes, 16 float32 or 8 float64, which the
compiler keeps in registers. The *stride* of a matrix is its number of columns rounded up to a
multiple of 16 (`PAD`), so rows need no masks and no leftover loops; what pads a row is zero
wherever a product reads it.

**What is there.** Each file holds pairs, forward and backward, below their float64 references.

| file | operations |
|---|---|
| `matmul` | products and the transpose, in a register tile |
| `columns` | batch norm: statistics down the columns, running statistics |
| `groups` | layer, RMS and group norm: statistics along each row |
| `dense` | bias and activation, dropout, residual sums, reading minibatches |
| `convolution` | patches below a window and their way back, pools |
| `planes` | layer, RMS and group norm over an example's channels and positions |
| `recurrence` | rows in order of length, gradients shared by time steps |
| `drift` | noise that makes a layer's distribution drift |
| `losses` | cross-entropy and squared error, and how the test set is scored |
| `optimizers` | SGD, momentum, Adam, AdamW over the flat vector |

`evenbatch.engine.loop` calls them, one operation of the tape after the other.
"""
