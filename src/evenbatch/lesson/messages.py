"""What the page may say, checked by size and by schema before anything acts on it.

Every message is a JSON object whose "type" names it. `read` gives the message or raises a
`BadMessage` with one sentence for the page; the connection goes on.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

LARGEST = 8192
"""Bytes of the longest message taken."""

Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]


class BadMessage(ValueError):
    """A message that cannot be acted on; the text is for the page."""


class Start(msgspec.Struct, tag="start", forbid_unknown_fields=True):
    """Train what a chapter asks for, or join those who already watch the same.

    Attributes:
        ask: the page's own number for this request; comes back with the answer.
        chapter: whose experiment.
        settings: its knobs; checked by the chapter's own schema.
    """

    ask: Number
    chapter: Annotated[str, msgspec.Meta(max_length=32)]
    settings: msgspec.Raw


class Stop(msgspec.Struct, tag="stop", forbid_unknown_fields=True):
    """No longer watch the run that this request was about; it ends early when nobody watches it."""

    ask: Number


class Trust(msgspec.Struct, tag="trust", forbid_unknown_fields=True):
    """Check the gradients of the layers on the page against finite differences, now."""

    ask: Number


Message = Start | Stop | Trust
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def read(text: str | bytes) -> Message:
    """The message, or a `BadMessage`.

    >>> read('{"type": "stop", "ask": 3}')
    Stop(ask=3)
    >>> read('{"type": "stop", "ask": -3}')
    Traceback (most recent call last):
    evenbatch.lesson.messages.BadMessage: Expected `int` >= 0 - at `$.ask`
    """
    size = len(text.encode() if isinstance(text, str) else text)
    if size > LARGEST:
        raise BadMessage(f"the message has {size} bytes; at most {LARGEST} are read")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(str(error)) from None
