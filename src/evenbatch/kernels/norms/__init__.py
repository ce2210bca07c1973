"""Kernels of the normalizers that people call: arrays of any size, masks, threads.

**Who calls.** `evenbatch.norms._over_batch` (statistics over the batch) and `_over_rows` (over rows
or groups) choose a kernel by the array's shape, and `evenbatch.torch.layers` calls those two. A
kernel takes ``(first, last, …)`` and does those items, each on its own; `parallel.split` hands
ranges to threads. A sum over items is kept per fixed chunk and joined by the caller, so results do
not depend on the number of threads.

| file | x | one item | for |
|---|---|---|---|
| `batch` | (N, C, S) | a channel | batch norm of long planes |
| `columns` | (N, K) | a chunk of rows | batch norm of vectors and of short planes |
| `groups` | (N, C, S) | the planes of a group | group and instance norm |
| `channels_last` | (N, S, C) | a sample | the same with channels last |
| `rows` | (N, G, K) | a row, or a chunk of samples | layer and RMS norm; groups of short planes |

`planes` holds the loops over one plane that `batch` and `groups` are made of, and says what is done
for accuracy; `row_pairs` those of two rows, on lanes. `valid` is an optional mask.
"""
