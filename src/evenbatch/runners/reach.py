"""Whether there is a Ray cluster at an address.

Asked by a process of its own before this one joins: at an address where something else listens Ray
keeps trying for minutes, cannot be interrupted, and at some ends the process.
"""

from __future__ import annotations

import socket
import subprocess
import sys

from evenbatch.runners.errors import RunnerError

ANSWER, JOIN = 5.0, 30.0
"""Seconds until something must answer at the address, and until a cluster must let us in."""

_JOIN = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
except Exception as error:
    sys.exit(str(error).strip().splitlines()[0])
"""


def check_address(address: str) -> None:
    """Raise a `RunnerError` unless there is a cluster at ``host:port``, or "auto" finds one."""
    if address != "auto":
        _check_host(address)
    command = [sys.executable, "-c", _JOIN, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOIN, check=False)
    except subprocess.TimeoutExpired:
        raise _none(address, f"it does not answer as Ray within {JOIN:g} s") from None
    if done.returncode and "InvalidAuthToken" in done.stderr:
        raise _none(
            address,
            "it asks for a token (set RAY_AUTH_MODE=token here, with the cluster's token in "
            "~/.ray/auth_token or RAY_AUTH_TOKEN)",
        )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("[")]
        raise _none(address, said[-1] if said else f"Ray ended with {done.returncode}")


def _check_host(address: str) -> None:
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise RunnerError(
            f"the address {address!r} is not host:port, like 10.0.0.1:6379; or use auto, on a "
            "machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except OSError as error:
        raise _none(address, f"nothing answers ({error.strerror or error})") from None


def _none(address: str, reason: str) -> RunnerError:
    return RunnerError(
        f"no Ray cluster can be joined at {address}: {reason.rstrip('.')}. Start one with ray "
        "start --head and give its address, or leave --address out to start Ray on this machine"
    )
