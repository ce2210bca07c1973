"""evenbatch: what normalization buys a neural network, measured."""

__version__ = "0.1.0"
