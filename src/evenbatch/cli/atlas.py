"""`evenbatch atlas`: in which settings normalization helps."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.cli.door import INTERRUPTED, app, readable_errors
from evenbatch.cli.options import Address, On, Quiet, Threads

MEASURED = Path("atlas.parquet")
ON_RAY = 256
"""Settings open at a time on a cluster, whose cores must all be busy."""


@app.command()
def atlas(
    settings: Annotated[
        int | None,
        typer.Option(help="Measure so many settings of the design.", show_default=False),
    ] = None,
    first: Annotated[int, typer.Option(help="Number of the first of them.")] = 0,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet",
            help="The atlas. (default: the one that comes with evenbatch; for --settings "
            "atlas.parquet)",
            show_default=False,
        ),
    ] = None,
    threads: Threads = None,
    on: On = "local",
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """In which settings normalization helps: the measured atlas of them, and one like yours.

    Interrupted by Ctrl-C it keeps what is whole; the same command goes on from there.
    """
    with readable_errors(), needing_extra():
        if settings is not None:
            path = file or MEASURED
            if not _measure(path, settings, first, threads, on, address, quiet):
                raise typer.Exit(INTERRUPTED)


class needing_extra:
    """Say what to install where SciPy, scikit-learn or pyarrow are missing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            missing = error.name.partition(".")[0]
            if missing in ("pyarrow", "scipy", "sklearn"):
                raise UserError(
                    f"evenbatch atlas needs {missing}: pip install 'evenbatch[atlas]'"
                ) from None


def _measure(
    path: Path, count: int, first: int, threads: int | None, on: str, address: str | None,
    quiet: bool,
) -> bool:  # fmt: skip
    """Measure what is not in the file yet; False if it was interrupted."""
    from evenbatch.app.opening import chosen_runner
    from evenbatch.atlas import carry_out, design, table
    from evenbatch.report.terminal import plain_console

    asked = list(design.settings(first, count))
    rows = table.read(path) if path.exists() else []
    table.write(path, rows)  # whoever cannot keep it need not measure it
    known = {row["setting"] for row in rows}
    asked = [each for each in asked if each[0] not in known]
    console, began = plain_console(stderr=True), time.monotonic()
    last = began

    def keep(new: list[carry_out.Row]) -> None:
        rows.extend(new)
        table.write(path, rows)

    def watch(standing: carry_out.Standing) -> None:
        nonlocal last
        now = time.monotonic()
        if quiet or now - last < 5:
            return
        last = now
        each = standing.runs / (now - began)
        console.print(
            f"{standing.settings:,} of {len(asked):,} settings, {standing.runs:,} runs, "
            f"{each:.0f} runs a second"
        )

    with chosen_runner(on, address) as runner:
        window = carry_out.WINDOW if on == "local" else ON_RAY
        found = carry_out.measure(
            asked, keep, watch=watch, runner=runner, threads=threads, window=window
        )
    said = f"{path}: {len({row['setting'] for row in rows}):,} settings"
    if found.interrupted:
        command = shlex.join(["evenbatch", *sys.argv[1:]])
        lost = f" ({found.lost:,} runs of unfinished ones are lost)" if found.lost else ""
        said = f"Interrupted. {said}{lost}. To go on, run: {command}"
    plain_console().print(said, markup=False, soft_wrap=True)
    return not found.interrupted
