"""The application: its commands, and how errors become one sentence and an exit status.

Exit status: 0 done, 1 a study that cannot be read or written, 2 wrong input, 3 some members failed or diverged while
others finished, 130 stopped.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gantlet._version import VERSION
from gantlet.errors import GantletError, UsageError

from .data import data_app
from .explain import explain_command
from .listing import list_command
from .look import animate_command, report_command, sample_command, show_command
from .train import replay_command, resume_command, run_command

__all__ = ["app", "main"]

app = typer.Typer(
    name="gantlet",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gantlet {VERSION}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Train and compare generative adversarial networks: many seeds at once, judged with error bars."""


app.command("run")(run_command)
app.command("resume")(resume_command)
app.command("replay")(replay_command)
app.command("show")(show_command)
app.command("report")(report_command)
app.command("sample")(sample_command)
app.command("animate")(animate_command)
app.command("film", hidden=True)(animate_command)  # its name before version 0.2
app.command("list")(list_command)
app.command("explain")(explain_command)
app.add_typer(data_app)


def main() -> None:
    """The entry point: every error of gantlet's own is one sentence on standard error."""
    try:
        app()
    except UsageError as error:
        _say(error)
        sys.exit(2)
    except GantletError as error:
        _say(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(error: Exception) -> None:
    typer.echo(f"gantlet: {' '.join(str(error).split())}", err=True)
