"""Makes report.html and report.md again from a report.json, without training anything.

python -m evenbatch.report report.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the pages beside each report.json that is named."""
    from evenbatch.report.pages import write_pages

    if not arguments:
        sys.stderr.write("evenbatch.report: name a report.json\n")
        return 2
    for name in arguments:
        path = Path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            page = write_pages(path.parent, content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.stderr.write(f"evenbatch.report: {name} is no report: {error!r}\n")
            return 2
        sys.stdout.write(f"{page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
