"""Puts a measured atlas into the repository: the files that ship, and the pages that quote them.

python -m evenbatch.atlas atlas.parquet fresh.parquet

The first holds the settings that answers rest on, the second settings measured later, which check
them (`evenbatch atlas --settings 300 --first 100000 --file fresh.parquet`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from evenbatch.atlas import conditions, pictures, table
from evenbatch.atlas.measure import Row
from evenbatch.atlas.model import Model, check
from evenbatch.report import figures

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "src" / "evenbatch"
PAGES = ROOT / "README.md", ROOT / "docs" / "atlas.md"
PICTURE = ROOT / "docs" / "img" / "atlas.svg"


def quoted(page: str, rows: Sequence[Row], fresh: Sequence[Row]) -> str:
    """A page with what it quotes of the atlas made anew, between its marks.

    >>> quoted("none here", [], [])
    'none here'
    """
    made: dict[str, Callable[[], list[str]]] = {
        "atlas": lambda: [conditions.source(rows), "", *_items(conditions.sentences(rows))],
        "atlas-check": lambda: _items(c.sentence for c in check(Model(rows), rows, fresh)),
        "atlas-fresh": lambda: _items(conditions.sentences(fresh)),
    }
    for name, lines in made.items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        if mark:
            _, end, after = rest.partition(f"<!-- /{name} -->")
            text = "\n".join(lines())
            page = f"{before}{mark}{text}\n{end}{after}"
    return page


def _items(texts: Iterable[str]) -> list[str]:
    return [f"- {text}" for text in texts]


def main(arguments: list[str]) -> int:
    """Write everything."""
    parser = argparse.ArgumentParser("python -m evenbatch.atlas", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs=2, type=Path, metavar="FILE.parquet")
    rows, fresh = (table.read(path) for path in parser.parse_args(arguments).files)
    table.write(PACKAGE / "atlas" / table.SHIPPED, rows)
    table.write(PACKAGE / "atlas" / table.FRESH, fresh)
    text = json.dumps(conditions.written(rows), ensure_ascii=False, indent=1) + "\n"
    (PACKAGE / "report" / "conditions.json").write_text(text, encoding="utf-8")
    for path in PAGES:
        path.write_text(quoted(path.read_text("utf-8"), rows, fresh), encoding="utf-8")
    PICTURE.write_text(figures.alone(pictures.ratios(rows)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
