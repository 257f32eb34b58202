"""The application: its commands, and how errors become one sentence and an exit status.

Exit status: 0 done, 1 found wrong (``replay``: another result; ``conform``: a wrong loss; ``verify``, ``repair`` and ``doctor``:
something is wrong; ``export`` and ``import``: other samples; ``run``, ``resume`` and ``extend``: done, but something was damaged),
2 wrong input, too little memory, or a file that cannot be read or written, 3 some members failed or diverged, 130 stopped; 143 and 129
where nothing trained, and SIGTERM or SIGHUP stopped it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from gantlet._version import VERSION
from gantlet.errors import BadGrid, BadValue, ExportMismatch, GantletError, ReplayMismatch, StoreError, TrainingFailed
from gantlet.memory import out_of_memory
from gantlet.stopping import give_up, outlast_reader, stop_by_exception

from .board import board_command
from .check import repair_study_command, verify_study_command
from .compare import compare_command
from .conform import conform_command
from .data import data_app
from .doctor import doctor_command
from .explain import explain_command
from .export import export_command, import_model_command
from .figure import figure_command
from .jobs import cancel_command
from .latents import interpolate_command, project_command
from .listing import list_command
from .look import animate_command, report_command, sample_command, show_command
from .reproduce import reproduce_command
from .schema import schema_command
from .train import extend_command, replay_command, resume_command, run_command
from .tune import tune_command
from .weights import weights_command

__all__ = ["app", "main"]

_NARROWEST = 20  # columns, fewer of which are not believed
_LONGEST = 80  # letters of a path that an error shows
_PLACES = ("--out", "--sheet", "--latents")  # options that name a file or folder

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
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train and compare generative adversarial networks: many seeds at once, evaluated with error bars."""


app.command("run")(run_command)
app.command("resume")(resume_command)
app.command("extend")(extend_command)
app.command("replay")(replay_command)
app.command("tune")(tune_command)
app.command("reproduce")(reproduce_command)
app.command("show")(show_command)
app.command("cancel")(cancel_command)
app.command("report")(report_command)
app.command("figure")(figure_command)
app.command("board")(board_command)
app.command("sample")(sample_command)
app.command("interpolate")(interpolate_command)
app.command("project")(project_command)
app.command("animate")(animate_command)
app.command("film", hidden=True)(animate_command)  # its earlier name
app.command("export")(export_command)
app.command("import")(import_model_command)
app.command("compare")(compare_command)
app.command("conform")(conform_command)
app.command("doctor")(doctor_command)
app.command("verify")(verify_study_command)
app.command("repair")(repair_study_command)
app.command("list")(list_command)
app.command("explain")(explain_command)
app.command("schema")(schema_command)
data_app.command("weights")(weights_command)
app.add_typer(data_app)


def main() -> None:
    """The entry point: every error of gantlet's own is one sentence on standard error."""
    _mend_streams()
    _mend_width()
    try:
        try:
            words = [_at_home(word) for word in sys.argv[1:]]
            _check_folder()
            _check_places(words)
            _check_dashes(words)
            with stop_by_exception():
                _program()(words)
        finally:
            sys.stdout.flush()
    except (ReplayMismatch, ExportMismatch) as error:
        _fail(str(error), 1)
    except TrainingFailed as error:
        _fail(str(error), 3)
    except GantletError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:300].rstrip(".")
        _fail(
            f"The machine does not have the memory for this{f' ({reason})' if reason else ''}. Ask for less at a time, or close "
            "other programs.",
            2,
        )
    except OSError as error:
        if error.filename is not None:  # a name that is too long, links in a circle, a folder that may not be entered
            name = str(error.filename)
            named = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
            _fail(
                f"{named} cannot be read or written: {error.strerror}. Give another path, or mend its permissions.", 2
            )
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            raise  # else the terminal or file behind standard output
        give_up(sys.stdout)
        _fail(f"The output could not be written: {error.strerror}.", 2)


def _mend_streams() -> None:
    """Output that was closed or is read no more goes nowhere; letters that its encoding lacks are escapes, such as \\u03b1."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end
        elif isinstance(stream, io.TextIOWrapper):
            if stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, outlast_reader(stream))


def _at_home(word: str) -> str:
    """A word with the home folder in place of its ~, also in ``--out=~/x``, which a shell leaves as it is."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{os.path.expanduser(value)}"


def _mend_width() -> None:
    """A terminal of no columns, as some say they have, would show nothing."""
    width = os.environ.get("COLUMNS", "")
    if width.isdecimal() and int(width) < _NARROWEST:
        del os.environ["COLUMNS"]


@cache
def _program() -> Any:
    """The commands and their options, read from the functions once."""
    return get_command(app)


def _check_places(words: list[str]) -> None:
    """Refuse files and folders that are named by nothing, as by a shell's variable that was not set: it would be the working folder.

    Raises:
        BadValue: One is.
    """
    for option, value in (*pairwise(words), *(word.split("=", 1) for word in words if "=" in word)):
        if option in _PLACES and not value.strip():
            raise BadValue(f"{option} is given an empty name. Leave it out, or name a file or folder.")


def _check_folder() -> None:
    """See that the working folder is still there, without which little works: torch's libraries are not found, nor are parts.

    Raises:
        StoreError: It was deleted.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise StoreError("The working folder was deleted. Go to one that is there with cd, and try again.") from None


def _check_dashes(words: list[str]) -> None:
    """A setting that was written as an option gets a sentence of its own.

    Raises:
        BadGrid: There is such a word among those of ``gantlet run`` or ``extend``.
    """
    if words[:1] not in (["run"], ["extend"]):
        return
    options = [option for option in _program().commands[words[0]].params if option.param_type_name == "option"]
    known = {"help", *(name.removeprefix("--") for option in options for name in option.opts)}
    wants = {name for option in options if not option.is_flag for name in option.opts}
    for before, word in pairwise(words):
        key, equals, value = word.removeprefix("--").partition("=")
        if before in wants or not word.startswith("--") or not key.replace("-", "_").isidentifier():
            continue
        if key not in known and not _misspelt(key.replace("_", "-"), known):
            if other := _trains_with(f"--{key}"):
                raise BadGrid(
                    f"gantlet {words[0]} has no option --{key}, which gantlet {other} has. gantlet {words[0]} --help lists its own."
                )
            raise BadGrid(
                f"There is no option --{key}. A setting is written without dashes: write "
                f"{key.replace('-', '_')}={value if equals else '…'}. gantlet {words[0]} --help lists the options, gantlet list keys "
                "the settings."
            )


def _trains_with(option: str) -> str:
    """The command that trains and has an option of this name; empty where none has."""
    commands = _program().commands
    has = (name for name in ("run", "extend", "tune") if any(option in each.opts for each in commands[name].params))
    return next(has, "")


def _misspelt(key: str, known: Iterable[str]) -> bool:
    """Whether a word is near an option, which typer then offers; ``g-width`` is not ``width`` but a setting of a network."""
    near = get_close_matches(key, known, n=1, cutoff=0.75)
    return bool(near) and not key.endswith(f"-{near[0]}")


def _fail(words: str, status: int) -> NoReturn:
    typer.echo(f"gantlet: {' '.join(words.split())}", err=True)
    sys.exit(status)
