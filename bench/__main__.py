"""Everything that is timed, in turn; `make bench` runs this.

    python -m bench [--quick] [--out FOLDER]

Writes engine.json, norms.json, matmul.json, torch_layers.json and lesson.json, each with machine,
versions, commit and what was measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import engine, lesson, matmul, norms, torch_layers
from bench.peers.work import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, with each peer's preset")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for the JSON")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    engine.run(options.quick, list(WORKLOADS), options.out / "engine.json")
    norms.main(str(options.out / "norms.json"))
    matmul.main(options.out / "matmul.json")
    torch_layers.run(options.out / "torch_layers.json", options.quick)
    lesson.run(30, 15 if options.quick else 60, options.out / "lesson.json")
    print(f"Every round is in {options.out}/")


if __name__ == "__main__":
    main()
