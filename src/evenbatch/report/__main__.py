"""Makes pages from a report.json again, or a record of it for a repository; trains nothing.

python -m evenbatch.report report.json
python -m evenbatch.report report.json --record docs/recorded.json --table README.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the pages beside each report.json that is named, or what else is asked for."""
    from evenbatch.report import markdown, pages, record, results

    parser = argparse.ArgumentParser("python -m evenbatch.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("reports", nargs="+", type=Path, metavar="report.json")
    parser.add_argument(
        "--record", type=Path, metavar="FILE.json",
        help="write the answers and their first effects, some kilobytes, instead of pages",
    )  # fmt: skip
    parser.add_argument(
        "--table", type=Path, metavar="FILE.md",
        help="put a table of the verdicts between <!-- verdicts --> and <!-- /verdicts -->",
    )  # fmt: skip
    parser.add_argument(
        "--name", default="verdicts", help="what the marks say in place of “verdicts”"
    )
    asked = parser.parse_args(arguments)
    if (asked.record or asked.table) and len(asked.reports) > 1:
        parser.error("--record and --table take one report")
    for path in asked.reports:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            report = results.read(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.stderr.write(f"evenbatch.report: {path} is no report: {error!r}\n")
            return 2
        if asked.record:
            record.write(asked.record, results.brief(content))
        if asked.table:
            try:
                page = markdown.put(asked.table.read_text(encoding="utf-8"), report, asked.name)
            except (OSError, ValueError) as error:
                sys.stderr.write(f"evenbatch.report: {asked.table} takes no table: {error}\n")
                return 2
            asked.table.write_text(page, encoding="utf-8")
        if not (asked.record or asked.table):
            sys.stdout.write(f"{pages.write_pages(path.parent, content)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
