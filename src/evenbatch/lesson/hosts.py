"""By which addresses and names the page may be asked for, and which those of this machine are."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ANY = ("0.0.0.0", "::")
"""Hosts that stand for every address of this machine."""

_OF_INTERFACE = {"linux": 0x8915, "darwin": 0xC0206921}
"""What asks the system for the IPv4 address of an interface (SIOCGIFADDR)."""


@dataclass(frozen=True)
class Hosts:
    """What a request's Host may be.

    A web site elsewhere could point a name of its own at this machine and talk to the lesson (DNS
    rebinding). It cannot do so with an address: so names are known ones, and where the page is
    served on every address of the machine, any address will do.

    Attributes:
        port: where it is served.
        names: names and addresses, in small letters.
        any_address: whether every address will do.
    """

    port: int
    names: frozenset[str]
    any_address: bool = False

    @classmethod
    def of(cls, host: str, port: int, names: Sequence[str] = ()) -> Hosts:
        """Those of a page that is served at `host`.

        >>> Hosts.of("127.0.0.1", 8765).allow("localhost:8765")
        True
        """
        found = {"127.0.0.1", "localhost", *names}
        if host not in LOOPBACK:
            here = socket.gethostname()
            found |= {host, here, socket.getfqdn(), f"{here.partition('.')[0]}.local"}
        elif ":" in host:
            found.add(host)
        return cls(port, frozenset(name.lower().rstrip(".") for name in found), host in ANY)

    def allow(self, host: str) -> bool:
        """Whether this is the Host of a request for this page.

        >>> everywhere = Hosts.of("0.0.0.0", 8765)
        >>> everywhere.allow("192.168.7.7:8765"), everywhere.allow("[fe80::1]:8765")
        (True, True)
        >>> everywhere.allow("evil.example:8765"), everywhere.allow("192.168.7.7:80")
        (False, False)
        """
        name, _, port = host.lower().rpartition(":")
        if not port.isdigit():  # a browser leaves out the usual port, a proxy may have it
            name, port = host.lower(), "80" if self.port == 80 else ""
        name = name.strip("[]").rstrip(".")
        if port not in (str(self.port), ""):
            return False
        if self.any_address and port:
            with contextlib.suppress(ValueError):
                return bool(ipaddress.ip_address(name))
        return name in self.names

    def address(self, host: str) -> str:
        """The address to type into a browser.

        >>> Hosts.of("::1", 80).address("::1")
        'http://[::1]:80/'
        """
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"


def addresses(host: str) -> list[str]:
    """Addresses by which other machines may reach a page served at `host`, the likeliest first."""
    if host not in ANY:
        return [host]
    found = [_towards(socket.AF_INET, "192.0.2.1"), *_of_interfaces()]
    with contextlib.suppress(OSError):
        found += [str(at[4][0]) for at in socket.getaddrinfo(socket.gethostname(), None)]
    found.append(_towards(socket.AF_INET6, "2001:db8::1"))
    return [at for at in dict.fromkeys(found) if _reachable(at) and (":" not in at or host == "::")]


def _reachable(address: str) -> bool:
    if not address or "%" in address:  # one that holds on a single link only
        return False
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _towards(family: int, other: str) -> str:
    # Which of its addresses this machine would use to reach others; nothing is sent.
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((other, 9))
        return str(probe.getsockname()[0])
    return ""


def _of_interfaces() -> list[str]:
    """IPv4 addresses of all interfaces, where the system can be asked so."""
    if sys.platform not in _OF_INTERFACE:
        return []
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # one without an address
                asked = struct.pack("256s", name.encode()[:15])
                got = fcntl.ioctl(any_socket.fileno(), _OF_INTERFACE[sys.platform], asked)
                found.append(socket.inet_ntoa(got[20:24]))
    return found
