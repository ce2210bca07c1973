"""The bytes of a text file, unpacked, and how they are to be read as letters."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from evenbatch.data.errors import DataError
from evenbatch.data.table.columns import Fault, TableError
from evenbatch.table_options import TableOptions

_MARKS = (  # longest first: a UTF-32 mark begins like a UTF-16 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def zipped(path: Path) -> list[str]:
    """The files in a ZIP archive, but for hidden ones and a Macintosh's own; [] if damaged."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
        return [name for name in names if name.rpartition("/")[2][:1] not in ("", ".")]
    return []


def _of_archive(path: Path, mode: str) -> IO[bytes]:
    return zipfile.ZipFile(path).open(zipped(path)[0])


COMPRESSED: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open, b"PK\x03\x04": _of_archive,
}  # fmt: skip

DAMAGED = (EOFError, OSError, RuntimeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
"""What these raise in the midst of a file; of a ZIP archive with a password, a RuntimeError."""


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked."""
    found: IO[bytes] = unpacker(path)(path, "rb")
    return found


def unpacker(path: Path) -> Any:
    """What opens the file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(8)
    return next((how for mark, how in COMPRESSED.items() if start.startswith(mark)), open)


def encoding_of(path: Path, options: TableOptions) -> str:
    """UTF-8, or what the byte-order mark says, or what was asked for."""
    with opened(path) as raw:
        start = raw.read(1 << 16)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    chosen = options.encoding or marked or "utf-8"
    try:
        codecs.lookup(chosen)
    except LookupError:
        raise DataError(f"{path.name}: there is no encoding {chosen!r}. Try cp1252.") from None
    if chosen == "utf-8" and b"\0" in start:
        even, odd = (start[i:2000:2].count(0) / len(start[i:2000:2] or b"-") for i in (0, 1))
        if max(even, odd) > 0.5 and min(even, odd) < 0.1:  # every other byte: Latin in UTF-16
            fault = Fault(
                "this looks like UTF-16 text without a byte-order mark",
                {"encoding": "utf-16-be" if even > odd else "utf-16-le"},
            )
            raise TableError(path.name, [fault])
        raise DataError(
            f"{path.name}: this is a binary file (a zero byte at position {start.index(0)}), not a "
            "table of text. CSV, TSV, Parquet and NPZ can be read; save it as one of them."
        )
    return chosen


def encoding_fault(path: Path, options: TableOptions) -> Fault:
    """Where the file is not what it was read as, and what it may be."""
    with opened(path) as raw:
        content = raw.read()
    chosen = encoding_of(path, options)
    try:
        content.decode(chosen)
    except UnicodeDecodeError as error:
        where = f"line {content.count(10, 0, error.start) + 1}"
        what = f"{where} holds a byte 0x{content[error.start]:02X} that is not {chosen} text"
    except UnicodeError as error:
        what = f"this is not {chosen} text ({error})"
    else:
        what = f"this is not {chosen} text"
    if chosen != "utf-8":
        return Fault(f"{what}. Save the file as UTF-8, or leave the encoding out.")
    for guess in ("cp1252", "latin-1"):
        try:
            content.decode(guess)
        except UnicodeDecodeError:
            continue
        break
    return Fault(
        f"{what}; if letters come out wrong below, put the encoding the file was written in",
        {"encoding": guess},
    )
