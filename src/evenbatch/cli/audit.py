"""`evenbatch audit`: what is wrong with the normalization of a PyTorch model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.cli.door import app, needing_torch, readable_errors


@app.command()
def audit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="A function without arguments that gives the model: package.module:factory or "
            "path/to/file.py:factory.",
        ),
    ] = "",
    shape: Annotated[
        str,
        typer.Option(metavar="N,C,…", help="Run the model on random numbers of this shape."),
    ] = "",
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="How it is trained: world_size=8, amp=float16, …; see docs/audit.md.",
        ),
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Only these rules: EB205, EB1, …")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Not these rules.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="SEVERITY", help="Exit with 1 from here up.")
    ] = "warning",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write JSON; - to print it.")
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write SARIF 2.1.0; - to print it.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply the safe fixes, in memory, and show what changed.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pt", help="With --fix: save the fixed model's state_dict."),
    ] = None,
    deployed: Annotated[
        str,
        typer.Option(
            metavar="RUNTIME",
            help="Convert the model, run it on the batch by onnx, onnxruntime, openvino, "
            "executorch, ncnn or torchscript, and compare norm by norm.",
        ),
    ] = "",
    explain: Annotated[str, typer.Option(metavar="CODE", help="Explain a rule, and end.")] = "",
) -> None:
    """Audit the normalization of a PyTorch model of yours.

    Exit code 0: nothing found; 1: findings; 2: something could not work.
    """
    with readable_errors():
        with needing_torch("audit"):
            from evenbatch.torch.auditing import AuditError, command
        options = command.Options(
            shape,
            context or (),
            select or (),
            ignore or (),
            fail_on,
            json,
            sarif,
            fix,
            save,
            deployed,
        )
        try:
            if explain:
                typer.echo(command.explain(explain))
                return
            code = command.run(target, options)
        except AuditError as error:
            raise UserError(str(error)) from None
    raise typer.Exit(code)
