"""The engine: trains many small networks at once, each to the same curve every time.

`Network` and `Trial` describe, `train` runs to the end, `Session` streams, a `Curve` is the result.
"""

from evenbatch.engine.conv import Conv
from evenbatch.engine.curve import Curve, Landscape, LayerWeights, NormWeights, Probes, Weights
from evenbatch.engine.network import Network
from evenbatch.engine.parameters import initial_weights
from evenbatch.engine.session import Session, cores, kernels_ready, train
from evenbatch.engine.settings import SettingError
from evenbatch.engine.state import minibatches
from evenbatch.engine.trial import Trial

__all__ = [
    "Conv",
    "Curve",
    "Landscape",
    "LayerWeights",
    "Network",
    "NormWeights",
    "Probes",
    "Session",
    "SettingError",
    "Trial",
    "Weights",
    "cores",
    "initial_weights",
    "kernels_ready",
    "minibatches",
    "train",
]
