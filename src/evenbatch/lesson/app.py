"""The web application: the page's files, one WebSocket, and the headers that guard both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from evenbatch.lesson import chapters, events, messages, wire
from evenbatch.lesson.allowance import Allowance
from evenbatch.lesson.hosts import Hosts
from evenbatch.lesson.hub import Busy, Hub, Watcher
from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER
from evenbatch.lesson.room.door import Room

ENGINE = Path(__file__).parent / "wasm"
MODULE = "kernels-float32.wasm"
PAGE = Path(__file__).parent / "page"
UPDATE_SECONDS = 1 / 25
BURST, PER_SECOND = 40, 20.0
"""Messages a client may send at once, and for long; more are answered late, not dropped."""

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""What the page needs, however it is had."""
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; font-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


DEVICE = '<meta name="evenbatch" content="device" />'
"""In the head of a page that trains by itself."""


class Guard:
    """Refuses requests whose Host is not this page's (see `Hosts`), or whose Origin is another.

    A web site elsewhere could otherwise open a WebSocket to the lesson from its own page.

    Args:
        app: what is guarded.
        hosts: what the page may be reached by.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = given.get("host", ""), given.get("origin")
        own = origin is None or _host(origin) == host.lower()
        allowed = own and self.hosts.allow(host)
        if scope["type"] == "websocket" and origin is None:
            allowed = False
        if not allowed:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
            else:
                answer = PlainTextResponse("This page answers only to its own address.\n", 403)
                await answer(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.app(scope, receive, with_headers)


def _host(origin: str) -> str:
    scheme, _, host = origin.lower().partition("://")
    return host if scheme in ("http", "https") else ""


def create_app(behind: Hub | Room, hosts: Hosts) -> ASGIApp:
    """The application around a hub, which trains; or around a class, whose devices do."""
    room = behind if isinstance(behind, Room) else None

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await behind.start()
        try:
            yield
        finally:
            await behind.close()

    async def index(request: Request) -> Response:
        page = PAGE / "index.html"
        if not page.is_file():
            return PlainTextResponse(
                "The page is not built. Run `make lesson`, or `npm run build` in web/.\n", 503
            )
        html = page.read_text("utf-8")
        if room:
            name = f'<meta name="evenbatch-class" content="{room.book.name}" />'
            head = [DEVICE, name, *([] if request.url.path == "/wall" else early())]
            html = headed(html, "\n    ".join(head))
        elif (ENGINE / MODULE).is_file():
            html = headed(html, '<meta name="evenbatch" content="both" />')
        return Response(html, media_type="text/html", headers=_fresh())

    routes: list[BaseRoute] = [Route("/", index), Route("/recorded/{name}.json", _recorded)]
    if isinstance(behind, Room):
        routes += [Route("/wall", index), WebSocketRoute("/class", behind.serve)]
    else:
        routes.append(WebSocketRoute("/live", partial(_live, hub=behind)))
    for path, folder in (("/assets", PAGE / "assets"), ("/engine", ENGINE)):
        if folder.is_dir():
            routes.append(Mount(path, StaticFiles(directory=folder)))
    return Guard(Starlette(routes=routes, lifespan=lifespan), hosts)


async def _recorded(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in EXPERIMENTS or not (FOLDER / f"{name}.json").is_file():
        return PlainTextResponse("There is no such recording.\n", 404)
    content = (FOLDER / f"{name}.json").read_bytes()
    return Response(content, media_type="application/json", headers=_fresh())


async def _live(socket: WebSocket, hub: Hub) -> None:
    await socket.accept()
    watcher = hub.join()
    sender = asyncio.create_task(_send(socket, watcher))
    try:
        await _listen(socket, hub, watcher)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sender.cancel()
        hub.leave(watcher)


def headed(page: str, head: str) -> str:
    """The page with this first in its head, behind the line with its encoding."""
    start = page.index("/>", page.index("<meta charset")) + 2
    return f"{page[:start]}\n    {head}{page[start:]}"


def early() -> list[str]:
    """What a page that trains asks for first, for its head: it arrives while the script is read."""
    experiments = [f"assets/{path.name}" for path in (PAGE / "assets").glob("experiments-*.js")]
    return [
        f'<link rel="preload" href="engine/{MODULE}" as="fetch" crossorigin />',
        *(f'<link rel="modulepreload" href="{name}" />' for name in experiments),
    ]


def _fresh() -> dict[str, str]:
    return {"Cache-Control": "no-cache"}


async def _send(socket: WebSocket, watcher: Watcher) -> None:
    """Send what is new, as often as the connection takes it and no more than 25 times a second."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await watcher.news.wait()
            opening, frame, closing = watcher.take()
            await _send_texts(socket, opening)
            if frame:
                await socket.send_bytes(frame)
            await _send_texts(socket, closing)
            await asyncio.sleep(UPDATE_SECONDS)


async def _send_texts(socket: WebSocket, news: list[events.Event]) -> None:
    for event in news:
        await socket.send_text(wire.text(event))


async def _listen(socket: WebSocket, hub: Hub, watcher: Watcher) -> None:
    allowance = Allowance(BURST, PER_SECOND)
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        wait = allowance.wait()
        if wait:
            await asyncio.sleep(wait)
        ask: int | None = None
        try:
            message = messages.read(received.get("text") or received.get("bytes") or b"")
            ask = getattr(message, "ask", None)
            act(hub, watcher, message)
        except (messages.BadMessage, chapters.BadSettings, Busy) as error:
            watcher.note(events.Refused(ask=ask, text=str(error)))


def act(hub: Hub, watcher: Watcher, message: messages.Message) -> None:
    """Do what a message asks for."""
    if isinstance(message, messages.Start):
        settings = chapters.normal(message.chapter, bytes(message.settings))
        run = hub.start_run(watcher, message.ask, message.chapter, settings)
        filled = msgspec.json.decode(settings)
        watcher.note(events.Joined(ask=message.ask, run=run.number, settings=filled))
    elif isinstance(message, messages.Stop):
        hub.unwatch(watcher, message.ask)
    else:
        hub.trust(watcher, message.ask)
