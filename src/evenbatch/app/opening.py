"""What a command was asked to work with: the store, the runner, the data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenbatch.runners import Runner
    from evenbatch.store import Store


class UserError(Exception):
    """Something that was asked for and cannot work; the message says what to change."""


@contextmanager
def chosen_runner(on: str, address: str | None) -> Iterator[Runner]:
    """Where trials are trained, as asked for; what was started for it is ended afterwards."""
    from evenbatch.runners import Local
    from evenbatch.runners.on_ray import OnRay

    if address is not None and on != "ray":
        raise UserError(f"--address {address} is about a Ray cluster: add --on ray")
    chosen: Runner = OnRay(address) if on == "ray" else Local()
    try:
        yield chosen
    finally:
        chosen.close()


@contextmanager
def opened(store: str | None) -> Iterator[Store | None]:
    """The store that was asked for, or the user's own; None for "off".

    A store that was named must work. The user's own may be missing or broken: that is said, and the
    work is done without it.
    """
    from evenbatch.store import Store, StoreError, default_path

    chosen = default_path() if store is None else Path(store)
    if chosen is None or store == "off":
        yield None
        return
    try:
        found = Store(chosen)
    except StoreError as error:
        if store is not None:
            raise
        sys.stderr.write(f"evenbatch: {error}\nContinuing without the store.\n")
        yield None
        return
    with found:
        yield found
