"""Which reader a file needs, told by its ending and by its first bytes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.table.unpacked import DAMAGED, opened, unpacker, zipped

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
_CONVERTED = {  # the packages it takes, and what makes a table of it
    "an Excel workbook": ("pandas and openpyxl", "read_excel({0!r})"),
    "an old Excel workbook": ("pandas and python-calamine", "read_excel({0!r})"),
    "an OpenDocument file": ("pandas and odfpy", "read_excel({0!r})"),
    "a JSON file": ("pandas", ""),
    "a file of JSON lines": ("pandas", "read_json({0!r}, lines=True)"),
    "a Feather (Arrow) file": ("pandas and pyarrow", "read_feather({0!r})"),
    "a web page": ("pandas and lxml", "read_html({0!r})[0]"),
    "a file of sparse rows (SVMlight)": (
        "scikit-learn",
        "import numpy, sklearn.datasets as d; x, y = d.load_svmlight_file({0!r}); "
        "numpy.savez({1!r}, x=x.toarray(), y=y)",
    ),
    "a file of time series (sktime, aeon)": (
        "Python",
        "import re; t = re.split('(?i)@data', open({0!r}).read())[1].strip(); "
        "open({1!r}, 'w').write(t.replace(':', ','))",
    ),
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
        if not start.startswith(b"PK"):
            with suppress(*DAMAGED), opened(path) as file:
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
    needs, code = _CONVERTED.get(what, ("", ""))
    code = _of_json(path) if what == "a JSON file" else code
    if not code:
        return f"{said}."
    if "import" not in code:
        code = f"import json, pandas; pandas.{code}.to_csv({{1!r}}, index=False)"
    kind, to = ("an NPZ", ".npz") if "savez" in code else ("a CSV", ".csv")
    to = path.stem.partition(".")[0] + to
    while Path(to).exists():  # perhaps this very file
        to = f"{Path(to).stem}-table{Path(to).suffix}"
    code = code.format(str(path), to)
    return f'{said}. This writes {kind} file, with {needs}:\n  python -c "{code}"'


def _of_json(path: Path) -> str:
    """What makes a table of a JSON file: of objects, of lists of one length, or of the longest list
    of objects in it; "" if it holds none of these."""
    try:
        with opened(path) as file:
            held = json.load(file)
    except (ValueError, RecursionError):
        return ""
    inside = held if isinstance(held, dict) else {}
    rows = [*inside.values()] or held
    kinds = {type(row) for row in rows}
    if kinds == {dict} or (kinds == {list} and (not inside or len({*map(len, rows)}) == 1)):
        return "read_json({0!r})"
    lists = [(k, v) for k, v in inside.items() if re.fullmatch(r"[\w .-]+", k)]
    lists = [(k, v) for k, v in lists if isinstance(v, list) and {type(r) for r in v} == {dict}]
    if not lists or unpacker(path) is not open:
        return ""
    return f"json_normalize(json.load(open({{0!r}}))[{max(lists, key=lambda p: len(p[1]))[0]!r}])"


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
