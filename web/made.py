"""Writes what the page has from Python: the types of all it is sent and sends, how arms look, how a
trial lies in the memory of the kernels' module, and the experiments that it carries out by itself.

    python web/made.py            write src/made/, and cases for tests/
    python web/made.py --check    say whether they are as they should be; a test does this, too

A number without bounds may be NaN or infinite in what was measured; JSON has neither, so the page's
type of it is `number | null`. One with bounds is a number.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from evenbatch.lesson import chapters, events, messages, recorded
from evenbatch.lesson.room import messages as room
from evenbatch.protocol.experiment import Experiment
from evenbatch.report import conditions, figures, looks

WEB = Path(__file__).resolve().parent
if str(WEB) not in sys.path:
    sys.path.insert(0, str(WEB))
import classes  # noqa: E402
import described  # noqa: E402

HEAD = "// Made from Python's types by web/made.py; whoever changes those runs it again.\n"
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}

Schema = Mapping[str, Any]


def typescript(schema: Schema, number: str) -> str:
    """The type that a JSON schema describes; `number` is that of a number without bounds.

    >>> union = {"anyOf": [{"type": "number"}, {"enum": ["a"]}]}
    >>> typescript({"type": "array", "items": union}, "number | null")
    '(number | null | "a")[]'
    """
    within = partial(typescript, number=number)
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(map(within, schema[union])))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(map(within, schema['prefixItems']))}]"
        item = within(schema.get("items", {}))
        return f"({item})[]" if "|" in item else f"{item}[]"
    if kind == "object":
        return f"{{ [name: string]: {within(schema.get('additionalProperties', {}))} }}"
    if kind == "number":
        return "number" if BOUNDS & set(schema) else number
    plain = {"integer": "number", "string": "string", "boolean": "boolean", "null": "null"}
    return plain.get(kind or "", "unknown")


def _interface(name: str, schema: Schema, optional: bool, number: str) -> Iterator[str]:
    said = str(schema.get("description", "")).split("\n\n")[0]
    if said and not said.startswith("Attributes:"):
        yield from textwrap.wrap(
            " ".join(said.split()), 97, initial_indent="// ", subsequent_indent="// "
        )
    yield f"export interface {name} {{"
    needed = set(schema["properties"]) if not optional else set(schema.get("required", ()))
    for field, kind in schema["properties"].items():
        mark = "" if field in needed else "?"
        yield f"  {field}{mark}: {typescript(kind, number)};"
    yield "}"


def _types(
    named: Mapping[str, Any],
    number: str = "number | null",
    imported: Mapping[str, str] | None = None,
) -> str:
    """A TypeScript module with the types and all that they are made of; or with them alone, if it
    is said where the others are."""
    schemas, components = msgspec.json.schema_components(named.values())
    known = _structs(named.values())
    lines = [HEAD]
    if imported:
        lines += [f'import type {{ {name} }} from "{file}";' for name, file in imported.items()]
        lines.append("")
    for name, schema in sorted(components.items()):
        if imported and name not in named:
            continue
        # What is left out where it has its default may be missing; all else is always there.
        optional = name in known and known[name].__struct_config__.omit_defaults
        lines += [*_interface(name, schema, optional, number), ""]
    for name, schema in zip(named, schemas, strict=True):
        if name not in components:
            lines += [f"export type {name} = {typescript(schema, number)};", ""]
    return "\n".join(lines)


def _structs(types: Any) -> dict[str, Any]:
    """All structs that types are made of, by name."""
    found: dict[str, Any] = {}
    waiting = list(msgspec.inspect.multi_type_info(types))
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls.__name__ in found:
                continue
            found[info.cls.__name__] = info.cls
        for part in ("fields", "types", "item_types"):
            waiting += getattr(info, part, ())
        waiting += [getattr(info, part) for part in _PARTS if hasattr(info, part)]
    return found


_PARTS = ("type", "item_type", "key_type", "value_type")


def _dashes(dash: str) -> list[float]:
    return [float(part) for part in dash.split()]


def _look(look: looks.Look) -> dict[str, Any]:
    return {"color": look.color, "dash": _dashes(look.dash), "marker": look.marker}


def _colours() -> str:
    """The report's colours of arms, by day, by night and on paper."""
    sheets = re.findall(r":root \{(.*?)\}", figures.stylesheet(), re.S)
    lines = ["/* Made from the report's figures.css by web/made.py. */"]
    for sheet, media in zip(sheets, ("", "(prefers-color-scheme: dark)", "print"), strict=True):
        found = dict(re.findall(r"--([\w-]+): (#\w+)", sheet))
        own = " ".join(f"--arm-{name}: {found[name]};" for name in looks.COLORS)
        lines.append(f"@media {media} {{ :root {{ {own} }} }}" if media else f":root {{ {own} }}")
    return "\n".join(lines) + "\n"


def _cases() -> list[dict[str, Any]]:
    """Series of figures as there might be, and their looks."""
    rng = random.Random(0)
    pool = [*looks.KNOWN, *(f"{arm}/{n}" for arm in looks.KNOWN for n in "123"), *"abcdefgh"]
    lists = [rng.sample(pool, rng.randint(1, 9)) for _ in range(60)] + [pool]
    seen = [[[k.color, k.dash, k.marker, k.hollow] for k in looks.looks(ids)] for ids in lists]
    return [{"ids": ids, "looks": own} for ids, own in zip(lists, seen, strict=True)]


def _atlas() -> dict[str, Any]:
    """The shares of settings in which claims hold."""
    found = conditions.read()
    return {name: found[name] for name in ("settings", "shares")}


def _layout() -> str:
    """What kernels.json says, as constants."""
    if str(WEB) not in sys.path:
        sys.path.insert(0, str(WEB))
    # By its path: tests/kernels is a folder of that name, and may be found first.
    spec = importlib.util.spec_from_file_location("web_kernels", WEB / "kernels.py")
    assert spec is not None
    assert spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)
    found = kernels.described()
    tables = {
        export: [[name, dimensions] for name, _, dimensions in taken]
        for export, taken in found["tables"].items()
    }
    known = {name.upper(): found[name] for name in ("optimizers", "activations", "sharing")}
    named = found["codes"] | {"TABLES": tables} | known | found["constants"]
    named |= {"WORDS": found["words"]}
    return HEAD + "".join(
        f"\nexport const {name} = {json.dumps(value)} as const;\n" for name, value in named.items()
    )


def files() -> dict[str, str]:
    """What the files should say, by their places below web/."""
    settings = {found.settings.__name__: found.settings for found in chapters.CHAPTERS.values()}
    page = {
        "ToPage": events.ToPage,
        "FromPage": messages.Message,
        "Recorded": recorded.Recorded,
        **settings,
    }
    table = {
        "markers": looks.MARKERS,
        "known": {name: _look(look) for name, look in looks.KNOWN.items()},
        "more": [_look(look) for look in looks.MORE],
        "variants": [_dashes(dash) for dash in looks.VARIANTS],
    }
    return {
        "src/made/looks.css": _colours(),
        "src/made/looks.json": json.dumps(table, indent=1) + "\n",
        "tests/looks.json": json.dumps(_cases()) + "\n",
        "tests/pooled.json": json.dumps(list(classes.cases())) + "\n",
        "src/made/atlas.json": json.dumps(_atlas()) + "\n",
        "src/made/layout.ts": _layout(),
        "src/made/messages.ts": _types(page),
        "src/made/room.ts": _types({"ToRoom": room.ToRoom, "FromRoom": room.FromRoom})
        + f"\nexport const PAIRS = {room.PAIRS};\nexport const APART = {room.APART};\n",
        "src/made/experiment.ts": _types({"Experiment": Experiment}, number="number"),
        "src/made/described.ts": _types(
            {kind.__name__: kind for kind in described.KINDS}, "number", described.IMPORTED
        ),
        **described.files(),
    }


def main() -> None:
    """Write the files, or name those that are not as they should be."""
    found = {WEB / name: text for name, text in files().items()}
    old = [p for p, text in found.items() if not p.is_file() or p.read_text("utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        if old:
            names = ", ".join(path.relative_to(WEB).as_posix() for path in old)
            sys.exit(f"{names}: not what Python says; run `python web/made.py`")
        return
    for path in old:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found[path], "utf-8")


if __name__ == "__main__":
    main()
