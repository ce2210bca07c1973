"""Two or more normalizations of one's own model, compared as `evenbatch.claims` compares.

compare(make_model, data, arms, metric=…, budget=…) -> Comparison

batches.py   the same batches for every arm
models.py    the same initial weights for every arm
ranks.py     one process, or those of torchrun
measures.py  loss, metric, and what guessing reaches
training.py  one training, and the timing of steps
pairing.py   goal, best learning rates, measurement
judging.py   the rule and the verdict
exhibits.py  figures and tables
result.py    `Comparison`, its report
"""

from evenbatch.torch.comparing._compare import compare
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.result import Comparison

__all__ = ["CompareError", "Comparison", "compare"]
