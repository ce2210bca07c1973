"""Starts the lesson: the training process, the web server, the browser."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evenbatch.lesson.hosts import ANY, LOOPBACK, Hosts, addresses

if TYPE_CHECKING:
    from evenbatch.lesson.hub import Hub
    from evenbatch.lesson.room.door import Room

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
    class_file: Path | None = None,
) -> None:
    """Serve the lesson until Ctrl-C.

    Args:
        host: 127.0.0.1 unless the page is meant for other machines too.
        port: 0 for any that is free.
        open_browser: open the page.
        store: file in which finished trials are kept; None for nowhere.
        names: further names by which other machines reach this one.
        class_file: serve a class, which is kept in this file; its devices train by themselves.

    Raises:
        LessonError: the address or the file cannot be used, or something is not built.
    """
    import uvicorn

    from evenbatch.lesson.app import create_app
    from evenbatch.lesson.hub import Hub

    bound = free_socket(host, port)
    port = bound.getsockname()[1]
    hosts = Hosts.of(host, port, names)
    address = hosts.address("127.0.0.1" if host in ANY else host)
    outside = [hosts.address(one) for one in [*names, *addresses(host)]]
    if class_file is None:
        behind: Hub | Room = Hub(store)
        said = f"The lesson is at {address}  (Ctrl-C ends it)\n"
        if host not in LOOPBACK:
            said += (
                "Other machines on the same network reach it at\n"
                + "".join(f"    {one}\n" for one in outside)
                + "Whoever they are, they can read the page and train networks on this machine. "
                "There is no password.\n"
            )
    else:
        behind = room = opened(class_file, (outside or [address])[0])
        address = f"{address}wall#{room.book.began.secret}"
        said = welcome(room, address, outside)
    config = uvicorn.Config(
        create_app(behind, hosts),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=1 << 16,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    sys.stdout.write(said)
    sys.stdout.flush()
    if open_browser:
        threading.Thread(target=_open, args=(server, address), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[bound])


def opened(class_file: Path, address: str) -> Room:
    """The class that is kept in this file.

    Raises:
        LessonError: it cannot be used, or what devices need to train is not built.
    """
    from evenbatch.lesson.export import ExportError, check
    from evenbatch.lesson.room.book import Book, BookError
    from evenbatch.lesson.room.door import Room

    try:
        check()
        return Room(Book(class_file), address)
    except (BookError, ExportError) as error:
        raise LessonError(str(error)) from None


def welcome(room: Room, wall: str, outside: Sequence[str]) -> str:
    """What a class needs to know, for the terminal."""
    from evenbatch.lesson.room.door import qr_text

    code = room.book.began.code
    if not outside:
        reached = "This machine is on no network: connect it, and start again.\n"
    else:
        picture = qr_text(room.join, sys.stdout.encoding)
        reached = (
            f"{picture}\n    {room.address}    code  {' '.join(code)}\n"
            + "".join(f"    or {one}\n" for one in outside[1:])
            + "\nIt listens on all networks of this machine. Whoever reaches it can read the "
            "lesson; with the code, devices join the class. They send ids and numbers, no names.\n"
        )
    return (
        f"The wall, for you alone, is at {wall}  (Ctrl-C ends it)\n"
        f"{reached}The class is kept in {room.book.path}; started again, it goes on from there.\n"
    )


def _open(server: object, address: str) -> None:
    for _ in range(200):
        if getattr(server, "started", False):
            webbrowser.open(address)
            return
        time.sleep(0.05)
