"""A model as another runtime carries it out, beside PyTorch and float64, norm by norm.

    runtimes   which there are, what each needs, and how a model gets there
    comparing  the outputs side by side, and the first norm that is off by more than rounding

`evenbatch.torch.deployed` asks the rules why.
"""

from evenbatch.torch.deploying.comparing import Deployed, Row, compared
from evenbatch.torch.deploying.runtimes import RUNTIMES, DeployError, Runtime, runtime

__all__ = ["RUNTIMES", "DeployError", "Deployed", "Row", "Runtime", "compared", "runtime"]
