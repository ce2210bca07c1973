"""What a normalizer is, as data."""

from __future__ import annotations

from dataclasses import dataclass

AXES = ("batch", "channels", "spatial", "features")


@dataclass(frozen=True)
class NormSpec:
    """A normalizer's name, what its statistics are taken over, its formula and its source.

    Args:
        name: the word used for it everywhere, as in ``norm="batch"``.
        title: how prose writes it.
        over: the axes each mean and variance is taken over; "channels" means the channels of one
            group.
        per: what has its own gamma (and beta): "channel" or "feature".
        centered: it subtracts the mean (and has a beta).
        running: whether running statistics for evaluation are "kept", "optional" or "none".
        formula: in plain characters.
        paper: authors, title, year, section.
        url: where the paper is.

    Raises:
        ValueError: the fields contradict each other.

    >>> from evenbatch.norms import NORMALIZERS
    >>> NORMALIZERS["rms"].spec.paper
    'Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, section 4'
    """

    name: str
    title: str
    over: tuple[str, ...]
    per: str
    centered: bool
    running: str
    formula: str
    paper: str
    url: str

    def __post_init__(self) -> None:
        if not self.over or any(axis not in AXES for axis in self.over):
            raise ValueError(f"{self.name}: over={self.over} must name axes among {AXES}")
        if self.per not in ("channel", "feature"):
            raise ValueError(f"{self.name}: per={self.per!r} must be 'channel' or 'feature'")
        if (self.per == "feature") != (self.over == ("features",)):
            raise ValueError(
                f"{self.name}: statistics over {self.over} do not go with gamma per {self.per}"
            )
        if self.running not in ("kept", "optional", "none"):
            raise ValueError(f"{self.name}: running={self.running!r} is not kept, optional or none")
        if self.running == "kept" and "batch" not in self.over:
            raise ValueError(f"{self.name}: running statistics stand in for a batch; over has none")
        if self.centered != ("mean" in self.formula and "beta" in self.formula):
            raise ValueError(
                f"{self.name}: centered={self.centered} but the formula is {self.formula}"
            )
