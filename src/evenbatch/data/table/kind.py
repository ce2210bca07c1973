"""Which reader a file needs, told by its ending and by its first bytes."""

from __future__ import annotations

from pathlib import Path

from evenbatch.data.errors import DataError, did_you_mean

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
    (b'{"', "a JSON file", None),
    (b'[{"', "a JSON file", None),
    (b"@relation", "an ARFF file", None),
    (b"@RELATION", "an ARFF file", None),
)


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
    what, by_content = _looks_like(start)
    if what and by_content != by_name:
        advice = (
            f"Rename it to end in {_ending(by_content)}."
            if by_content
            else ("CSV, TSV, Parquet and NPZ can be read: save or export it as one of them.")
        )
        raise DataError(f"{path.name}: this is {what}. {advice}")
    return by_name


def _looks_like(start: bytes) -> tuple[str, str | None]:
    if start[:4] == b"PK\x03\x04":
        if b".npy" in start:
            return "an NPZ file", NPZ
        if b"[Content_Types].xml" in start or b"docProps/" in start:
            return "an Excel workbook", None
        if b"opendocument" in start:
            return "an OpenDocument file", None
        return "a ZIP archive", None
    for beginning, what, kind in _KNOWN:
        if start.startswith(beginning):
            return what, kind
    return "", None


def _ending(kind: str) -> str:
    return next(ending for ending, k in _ENDINGS.items() if k == kind)
