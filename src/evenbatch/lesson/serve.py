"""Starts the lesson: the training process, the web server, the browser."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence

from evenbatch.lesson.hosts import ANY, LOOPBACK, Hosts, addresses

PORT = 8765


class LessonError(Exception):
    """The lesson cannot be started as asked; the message says what to change."""


def free_socket(host: str, port: int) -> socket.socket:
    """A socket bound to host and port.

    Raises:
        LessonError: the port is taken or may not be used, or the host is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if host == "::":  # every address means those of both kinds
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        bound.bind((host, port))
        bound.listen(128)  # who comes before the server is up waits, and is not turned away
    except OSError as error:
        bound.close()
        raise LessonError(
            f"port {port} at {host} cannot be used: {error.strerror or error}. Give another one "
            "with --port, or --port 0 for any that is free"
        ) from None
    return bound


def serve(
    host: str = "127.0.0.1",
    port: int = PORT,
    open_browser: bool = True,
    store: str | None = None,
    names: Sequence[str] = (),
) -> None:
    """Serve the lesson until Ctrl-C.

    Args:
        host: 127.0.0.1 unless the page is meant for other machines too.
        port: 0 for any that is free.
        open_browser: open the page.
        store: file in which finished trials are kept; None for nowhere.
        names: further names by which other machines reach this one.

    Raises:
        LessonError: the address cannot be used.
    """
    import uvicorn

    from evenbatch.lesson.app import create_app
    from evenbatch.lesson.hub import Hub

    bound = free_socket(host, port)
    port = bound.getsockname()[1]
    hosts = Hosts.of(host, port, names)
    address = hosts.address("127.0.0.1" if host in ANY else host)
    app = create_app(Hub(store), hosts)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=1 << 16,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    sys.stdout.write(f"The lesson is at {address}  (Ctrl-C ends it)\n")
    if host not in LOOPBACK:
        joined = "".join(f"    {hosts.address(one)}\n" for one in [*addresses(host), *names])
        sys.stdout.write(
            f"Other machines on the same network reach it at\n{joined}"
            "Whoever they are, they can read the page and train networks on this machine. There is "
            "no password.\n"
        )
    sys.stdout.flush()
    if open_browser:
        threading.Thread(target=_open, args=(server, address), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[bound])


def _open(server: object, address: str) -> None:
    for _ in range(200):
        if getattr(server, "started", False):
            webbrowser.open(address)
            return
        time.sleep(0.05)
