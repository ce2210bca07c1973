"""Which reader a file needs, told by its ending and by its first bytes."""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path

from evenbatch.data.errors import DataError, did_you_mean, listed

TEXT, PARQUET, NPZ = "text", "Parquet", "NPZ"
_ENDINGS = {".parquet": PARQUET, ".pq": PARQUET, ".npz": NPZ, ".npy": NPZ}
_KNOWN = (  # how a file begins, what it is, and its kind here if it can be read
    (b"PAR1", "a Parquet file", PARQUET),
    (b"\x93NUMPY", "a NumPy array (NPY)", NPZ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", None),
    (b"%PDF", "a PDF document", None),
    (b"\x89PNG", "a PNG picture", None),
    (b"SQLite format 3", "a SQLite database", None),
    (b"\x89HDF", "an HDF5 file", None),
    (b"ARROW1", "a Feather (Arrow) file", None),
    (b"<!DOCTYPE", "a web page", None),
    (b"<html", "a web page", None),
    (b"<?xml", "an XML file", None),
)
_JSON = re.compile(rb"\s*\[?\s*\{\s*\"|\s*\[\s*[\[\"]")
_CONVERTED = {  # what pandas makes a table of
    "an Excel workbook": "read_excel({!r})",
    "an old Excel workbook": "read_excel({!r})",
    "an OpenDocument file": "read_excel({!r})",
    "a JSON file": "read_json({!r})",
    "a file of JSON lines": "read_json({!r}, lines=True)",
    "a Feather (Arrow) file": "read_feather({!r})",
    "a web page": "read_html({!r})[0]",
}


def kind_of(path: Path) -> str:
    """Which reader a file needs: by its ending, unless its first bytes say it is something else."""
    if not path.exists():
        others = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        where = "" if others or path.parent.is_dir() else f" There is no folder {path.parent}."
        raise DataError(f"there is no file {path}.{where}{did_you_mean(path.name, others)}")
    if not path.is_file():
        raise DataError(f"{path} is a folder, not a file. Name the file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise DataError(f"{path.name}: the file is empty (0 bytes).")
    by_name = _ENDINGS.get(path.suffix.casefold(), TEXT)
    what, by_content = _looks_like(path, start)
    if what and by_content != by_name:
        rename = f"Rename it to end in {_ending(by_content)}." if by_content else ""
        raise DataError(f"{path.name}: this is {what}. {rename or _advice(path, what)}")
    return by_name


def _advice(path: Path, what: str) -> str:
    said = "CSV, TSV, Parquet and NPZ can be read: save or export it as one of them"
    if what not in _CONVERTED:
        return f"{said}."
    table, to = _CONVERTED[what].format(str(path)), f"{path.stem}.csv"
    while Path(to).exists():  # perhaps this very file
        to = f"{Path(to).stem}-table.csv"
    code = f"import pandas; pandas.{table}.to_csv({to!r}, index=False)"
    return f'{said}. This writes a CSV file:\n  python -c "{code}"'


def _looks_like(path: Path, start: bytes) -> tuple[str, str | None]:
    if start[:4] == b"PK\x03\x04":
        if b".npy" in start:
            return "an NPZ file", NPZ
        if b"opendocument" in start:
            return "an OpenDocument file", None
        names = zipped(path)
        if b"[Content_Types].xml" in start or "xl/workbook.xml" in names:
            return "an Excel workbook", None
        holds = f" of {listed(names)}" if names else ""
        return ("", TEXT) if len(names) == 1 else (f"a ZIP archive{holds}", None)
    if _JSON.match(start):
        lines = start.strip().split(b"\n")
        several = len(lines) > 1 and lines[0].rstrip().endswith(b"}")
        return "a file of JSON lines" if several else "a JSON file", None
    for beginning, what, kind in _KNOWN:
        if start.startswith(beginning):
            return what, kind
    return "", None


def zipped(path: Path) -> list[str]:
    """The files in a ZIP archive, but for hidden ones and a Macintosh's own; [] if damaged."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
        return [name for name in names if name.rpartition("/")[2][:1] not in ("", ".")]
    return []


def _ending(kind: str) -> str:
    return next(ending for ending, k in _ENDINGS.items() if k == kind)
