"""What a convolution is: a frozen description; and where it stands among others in a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from math import prod
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.engine.settings import SettingError, choose, plain, whole
from evenbatch.kernels.engine.convolution import Window

POOLS = ("none", "max", "average")
MAX_CHANNELS, MAX_KERNEL = 4096, 1024


@dataclass(frozen=True)
class Conv:
    """A convolution, with what is pooled behind it.

    Over positions in a row it is one-dimensional, over height × width two-dimensional, its kernel
    as high as it is wide.

    Args:
        channels: of its output.
        kernel: positions below its window, along each axis.
        stride: positions from one place of the window to the next.
        padding: positions of zeros around the input; if left out, ``kernel // 2``, which with an
            odd kernel and stride 1 leaves as many positions as there were.
        pool: "max" or "average" over `window` positions along each axis that do not overlap, behind
            the activation; "none" for none. Positions left over at the end are dropped.
        window: of the pool.
        groups: parts of the channels, which see nothing of each other, as in PyTorch's ``groups``;
            as many as its input has channels make it depthwise. It takes as long as one group.

    Raises:
        SettingError: a field has a value that cannot be; the message names it.

    >>> Conv(16, kernel=5).padding
    2
    >>> print(Conv(32, stride=2, pool="max"))
    32 of kernel 3, stride 2, max pool 2
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    pool: str = "none"
    window: int = 2
    groups: int = 1

    def __post_init__(self) -> None:
        choose("pool", self.pool, POOLS)
        kernel = whole("kernel", self.kernel, 1, MAX_KERNEL)
        padding = kernel // 2 if self.padding is None else self.padding
        window = whole("window", self.window, 1, MAX_KERNEL)
        channels = whole("channels", self.channels, 1, MAX_CHANNELS)
        groups = whole("groups", self.groups, 1, channels)
        if channels % groups:
            raise SettingError(_uneven("", groups, "channels", channels))
        plain(
            self,
            channels=channels,
            groups=groups,
            kernel=kernel,
            stride=whole("stride", self.stride, 1, MAX_KERNEL),
            padding=whole("padding", padding, 0, kernel - 1),
            window=2 if self.pool == "none" else window,  # equal settings have equal keys
        )

    def __str__(self) -> str:
        """As a table shows it."""
        said = [f"{self.channels} of kernel {self.kernel}"]
        if self.stride > 1:
            said.append(f"stride {self.stride}")
        if self.padding != self.kernel // 2:
            said.append(f"padding {self.padding}")
        if self.groups > 1:
            said.append(f"{self.groups} groups")
        if self.pool != "none":
            said.append(f"{self.pool} pool {self.window}")
        return ", ".join(said)


def _uneven(where: str, groups: int, what: str, channels: int) -> str:
    divisors = [str(n) for n in range(1, channels + 1) if channels % n == 0]
    known = ", ".join(divisors if len(divisors) < 9 else [*divisors[:7], "…", divisors[-1]])
    fault = f"{where}groups is {groups}, which does not divide the {channels} {what}"
    return f"{fault}: use one of {known}"


def layers(given: Any) -> tuple[Conv, ...]:
    """Convolutions from a list of `Conv`, mappings of its fields, or numbers of channels.

    >>> layers([16, {"channels": 32, "stride": 2}])[1].stride
    2
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingError(
            f"conv is {given!r}; it must hold a convolution for each layer: (16, 32), or "
            "(Conv(16, kernel=5), Conv(32, stride=2))"
        )
    found = []
    for i, item in enumerate(given):
        if isinstance(item, Mapping):
            known = tuple(Conv.__dataclass_fields__)
            for name in item:
                choose(f"a setting of conv[{i}]", name, known)
            if "channels" not in item:
                raise SettingError(f"conv[{i}] has no channels; say how many, as in Conv(16)")
        try:
            one = item if isinstance(item, Conv) else None
            one = one or (Conv(**item) if isinstance(item, Mapping) else Conv(item))
        except SettingError as error:
            raise SettingError(f"conv[{i}]: {error}") from None
        found.append(one)
    return tuple(found)


def listed(conv: Iterable[Conv]) -> str:
    """Convolutions as a sentence has them; equal ones that follow each other are counted.

    >>> listed(layers([16, 16, 32]))
    '2 × 16 of kernel 3; 32 of kernel 3'
    """
    runs = ((text, len(list(equal))) for text, equal in groupby(map(str, conv)))
    return "; ".join(f"{number} × {text}" if number > 1 else text for text, number in runs)


def of_positions(settings: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """What settings of a `Network` with convolutions take from the data: its shape.

    Raises:
        SettingError: the data's columns are not positions.
    """
    if not settings.get("conv"):
        return {}
    if not data.shape:
        raise SettingError(
            f"conv is given, but the columns of {data.name!r} are not positions: leave it out, or "
            "use digits, mnist1d or mnist, or say how they lie with Dataset(…, shape=(height, "
            "width, channels))"
        )
    return {"shape": data.shape}


def as_dicts(conv: tuple[Conv, ...]) -> list[dict[str, Any]]:
    """Convolutions as plain values; `layers` is the way back."""
    plain_values = [asdict(layer) for layer in conv]
    for values in plain_values:
        if values["groups"] == 1:  # left out, so that the key of one without stays what it was
            del values["groups"]
    return plain_values


@dataclass(frozen=True)
class Stage:
    """A convolution where it stands in a network.

    Attributes:
        conv: its description.
        channels: of its input.
        places: along each axis below its window: (5,), or (3, 3).
        window: how it moves over the positions of its input.
        pool: how the pool moves over those of its output; None without one.
    """

    conv: Conv
    channels: int
    places: tuple[int, ...]
    window: Window
    pool: Window | None

    @property
    def inputs(self) -> int:
        """Numbers below its window."""
        return self.channels * prod(self.places)

    @property
    def fan_in(self) -> int:
        """Those that one channel of its output sees."""
        return self.inputs // self.conv.groups

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width of what leaves it, its pool behind it."""
        last = self.pool or self.window
        return last.out_height, last.out_width

    @property
    def before(self) -> int:
        """Positions of its input."""
        return self.window.height * self.window.width

    @property
    def between(self) -> int:
        """Positions of its output, before the pool."""
        return self.window.out_height * self.window.out_width

    @property
    def positions(self) -> int:
        """Positions of what leaves it."""
        return prod(self.plane)

    def features(self, flatten: bool) -> int:
        """What a linear layer behind it gets."""
        return self.conv.channels * (self.positions if flatten else 1)


@lru_cache(maxsize=512)
def stages(conv: tuple[Conv, ...], shape: tuple[int, ...]) -> tuple[Stage, ...]:
    """Each convolution where it stands, on examples of this shape (channels last).

    Raises:
        SettingError: a kernel or a pool's window is larger than what it gets, or groups do not
            divide its channels.

    >>> stages((Conv(16, pool="max"), Conv(32, stride=2)), (8, 8, 1))[-1].plane
    (2, 2)
    """
    found: list[Stage] = []
    flat = len(shape) == 2
    plane = (1, shape[0]) if flat else shape[:2]
    channels = shape[-1]
    for i, layer in enumerate(conv):
        assert layer.padding is not None
        if channels % layer.groups:
            raise SettingError(
                _uneven(f"conv[{i}]: ", layer.groups, "channels of its input", channels)
            )
        window = _window(
            f"conv[{i}]", "kernel", plane, flat, layer.kernel, layer.stride, layer.padding
        )
        pool = None
        if layer.pool != "none":
            out = window.out_height, window.out_width
            pool = _window(f"conv[{i}]", "window", out, flat, layer.window, layer.window, 0)
        places = (layer.kernel,) * (len(shape) - 1)
        found.append(Stage(layer, channels, places, window, pool))
        plane, channels = found[-1].plane, layer.channels
    return tuple(found)


def _window(
    where: str, name: str, plane: tuple[int, ...], flat: bool, size: int, gap: int, padding: int
) -> Window:
    top, tall = (0, 1) if flat else (padding, size)
    height, width = plane
    out = (height + 2 * top - tall) // gap + 1, (width + 2 * padding - size) // gap + 1
    if min(out) < 1:
        room = f"{width}" if flat else f"{height} × {width}"
        raise SettingError(
            f"{where}: {name} is {size}, but only {room} positions are left there"
            + (f" and {padding} of zeros on each side" if padding else "")
            + ": use a smaller one, or less stride and pooling before it"
        )
    return Window(height, width, tall, size, gap, top, padding, *out)


def over_all(plane: tuple[int, int]) -> Window:
    """One window over all positions: of a global pool, and of a linear layer behind positions."""
    return Window(*plane, *plane, 1, 0, 0, 1, 1)
