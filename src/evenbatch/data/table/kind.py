"""Which reader a file needs, told by its ending and by its first bytes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.table.unpacked import COMPRESSED, DAMAGED, opened, zipped

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
_SERIES = re.compile(rb"(?:\s*[#%@].*\n|\s*\n)*@(problemname|timestamps)", re.IGNORECASE)
_SPARSE = re.compile(rb"(?:\s*#.*\n)*[-+\d.eE]+([ \t]+(qid|\d+):[-+\d.eE]+)+[ \t]*(#.*)?(\r?\n|$)")
_PANDAS = "import pandas; pandas.{}.to_csv({{1!r}}, index=False)"
_CONVERTED = {  # what makes a table of a file
    "an Excel workbook": _PANDAS.format("read_excel({0!r})"),
    "an old Excel workbook": _PANDAS.format("read_excel({0!r})"),
    "an OpenDocument file": _PANDAS.format("read_excel({0!r})"),
    "a JSON file": _PANDAS.format("read_json({0!r})"),
    "a file of JSON lines": _PANDAS.format("read_json({0!r}, lines=True)"),
    "a Feather (Arrow) file": _PANDAS.format("read_feather({0!r})"),
    "a web page": _PANDAS.format("read_html({0!r})[0]"),
    "a file of sparse rows (SVMlight)": "import numpy, sklearn.datasets; "
    "x, y = sklearn.datasets.load_svmlight_file({0!r}); numpy.savez({1!r}, x=x.toarray(), y=y)",
    "a file of time series (sktime, aeon)": "import re; "
    "text = re.split('(?i)@data', open({0!r}).read())[1].strip().replace(':', ','); "
    "open({1!r}, 'w').write(text)",
}


_NEEDED = {  # packages, by what is in the line
    "sklearn": "scikit-learn",
    "read_excel": "pandas and openpyxl, python-calamine or odfpy",
    "read_feather": "pandas and pyarrow",
    "read_html": "pandas and lxml",
    "pandas": "pandas",
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
        start = _unpacked(path, start)
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
    how = _CONVERTED.get(what)
    if what == "a JSON file":
        how = _of_json(path)
    if how is None:
        return f"{said}."
    kind = "NPZ" if "savez" in how else "CSV"
    to = f"{path.stem.partition('.')[0]}.{kind.lower()}"
    while Path(to).exists():  # perhaps this very file
        to = f"{Path(to).stem}-table{Path(to).suffix}"
    a = "an" if kind == "NPZ" else "a"
    needs = next((n for ending, n in _NEEDED.items() if ending in how), "")
    with_ = f" (with {needs} installed)" if needs else ""
    return f'{said}. This writes {a} {kind} file{with_}:\n  python -c "{how.format(str(path), to)}"'


def _unpacked(path: Path, start: bytes) -> bytes:
    """How a file begins that is packed alone, so that it can be known as well."""
    if start.startswith(tuple(mark for mark in COMPRESSED if mark != b"PK\x03\x04")):
        with suppress(*DAMAGED), opened(path) as file:
            return file.read(4096)
    return start


def _of_json(path: Path) -> str | None:
    """What makes a table of a JSON file: of objects or lists of one length, or of the longest list
    of objects in it; None if there is neither."""
    try:
        with opened(path) as file:
            held = json.load(file)
    except (ValueError, RecursionError):
        return None
    rows = [*held.values()] if isinstance(held, dict) else held
    if (rows and all(isinstance(row, dict) for row in rows)) or (
        all(isinstance(row, list) for row in rows)
        and (isinstance(held, list) or len({len(row) for row in rows}) == 1)
    ):
        return _CONVERTED["a JSON file"]
    if not isinstance(held, dict):
        return None
    lists = {
        key: value
        for key, value in held.items()
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
    }
    if not lists:
        return None
    key = max(lists, key=lambda name: len(lists[name]))
    read = f"json_normalize(json.load(open({{0!r}}))[{key!r}])"
    return "import json; " + _PANDAS.format(read)


def _looks_like(path: Path, start: bytes) -> tuple[str, str | None]:
    if start[:4] == b"PK\x03\x04":
        if b".npy" in start:
            return "an NPZ file", NPZ
        names = zipped(path)
        if b"opendocument" in start or {"mimetype", "content.xml"} <= {*names}:
            return "an OpenDocument file", None
        if b"[Content_Types].xml" in start or "xl/workbook.xml" in names:
            return "an Excel workbook", None
        holds = f" of {listed(names)}" if names else ""
        return ("", TEXT) if len(names) == 1 else (f"a ZIP archive{holds}", None)
    if _JSON.match(start):
        lines = start.strip().split(b"\n")
        several = len(lines) > 1 and lines[0].rstrip().endswith(b"}")
        return "a file of JSON lines" if several else "a JSON file", None
    if _SPARSE.match(start):
        return "a file of sparse rows (SVMlight)", None
    if _SERIES.match(start) and b"@timestamps true" not in start.lower():
        return "a file of time series (sktime, aeon)", None
    for beginning, what, kind in _KNOWN:
        if start.startswith(beginning):
            return what, kind
    return "", None


def _ending(kind: str) -> str:
    return next(ending for ending, k in _ENDINGS.items() if k == kind)
