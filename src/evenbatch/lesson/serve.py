"""Starts the lesson: the training process, the web server, the browser."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import webbrowser

LOOPBACK = ("127.0.0.1", "::1", "localhost")
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


def hosts_of(host: str, port: int) -> frozenset[str]:
    """The names under which the page may be asked for."""
    names = {"127.0.0.1", "localhost"}
    if host not in LOOPBACK:
        names |= {host, socket.gethostname().lower()}
        if host in ("0.0.0.0", "::"):
            with contextlib.suppress(OSError):
                names |= {str(i[4][0]) for i in socket.getaddrinfo(socket.gethostname(), None)}
    bracketed = {f"[{name}]" if ":" in name else name for name in names}
    return frozenset(f"{name}:{port}" for name in bracketed)


def serve(
    host: str = "127.0.0.1", port: int = PORT, open_browser: bool = True, store: str | None = None
) -> None:
    """Serve the lesson until Ctrl-C.

    Args:
        host: 127.0.0.1 unless the page is meant for other machines too.
        port: 0 for any that is free.
        open_browser: open the page.
        store: file in which finished trials are kept; None for nowhere.

    Raises:
        LessonError: the address cannot be used.
    """
    import uvicorn

    from evenbatch.lesson.app import create_app
    from evenbatch.lesson.hub import Hub

    bound = free_socket(host, port)
    port = bound.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
    app = create_app(Hub(store), hosts_of(host, port))
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
        sys.stdout.write(
            f"It also answers other machines that can reach {host}: whoever they are, they can "
            "read the page and start trainings on this machine. There is no password.\n"
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
