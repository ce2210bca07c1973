"""`evenbatch info`: what to send along with a question."""

from __future__ import annotations

from evenbatch.cli.door import app


@app.command()
def info() -> None:
    """Machine, versions, folders: what to send along with a question."""
    from rich.console import Console
    from rich.table import Table

    from evenbatch.data import DATASETS
    from evenbatch.data.folders import wanted_folder
    from evenbatch.engine import cores, kernels_ready
    from evenbatch.engine.machine import machine, versions
    from evenbatch.kernels._jit import cache_folder, jit_enabled
    from evenbatch.store import default_path

    kept = cache_folder()
    ready = "ready" if kernels_ready() else "not compiled yet: about 20 s at the first training"
    if not jit_enabled():
        ready = "off (NUMBA_DISABLE_JIT is set): slow"
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        *machine().items(),
        ("threads", f"{cores()} by default; timing uses 1"),
        *versions().items(),
        ("kernels", ready),
        ("kernel cache", kept or "none: no folder can be written, each process compiles anew"),
        ("data folder", wanted_folder() or "none"),
        ("store", default_path() or "none"),
        ("data sets", ", ".join(DATASETS)),
    ):
        table.add_row(
            name.replace("_gib", ""), f"{value} GiB" if name == "memory_gib" else f"{value}"
        )
    Console().print(table, soft_wrap=True)
