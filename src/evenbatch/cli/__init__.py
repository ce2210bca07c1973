"""The door: `evenbatch prove`, `evenbatch race`, …; one command, one file.

Everything heavy is imported inside the commands, so that ``--help`` answers at once. What a user
can get wrong ends with one message and exit code 2, Ctrl-C with what is known so far and 130.
"""

# The order here is the order in the help.
# isort: off
from evenbatch.cli.door import app, main
from evenbatch.cli import prove, claims, race, sweep, atlas, export, lesson, audit, compare, info
# isort: on

__all__ = [
    "app", "atlas", "audit", "claims", "compare", "export", "info", "lesson", "main", "prove",
    "race", "sweep",
]  # fmt: skip
