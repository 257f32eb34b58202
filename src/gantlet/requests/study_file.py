"""A request from a TOML file: the same words as on the command line, checked by one model.

::

    task = "ring8"
    methods = ["vanilla", "alpha"]
    seeds = 8
    [settings]
    alpha_d = [0.3, 1.0]
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from gantlet.errors import BadGrid, BadValue
from gantlet.places import user_path

from .grid import axes_from_mapping, parse_seeds, words
from .options import Options
from .resolve import Request
from .slurm_options import SlurmOptions, parse_slurm

__all__ = ["StudyFile", "read_study_file"]

_Value = StrictBool | StrictInt | StrictFloat | StrictStr


class StudyFile(BaseModel):
    """What a study file may hold; an empty text, and 0 but for ``recorded``, say no more than leaving the line out."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task: StrictStr
    """A task's name, or one with a place behind a colon, such as ``points:FILE.npy``."""
    methods: StrictStr | list[StrictStr]
    """Names of methods, or ``file.py:Name``."""
    seeds: StrictInt | StrictStr | list[StrictInt] | None = None
    """A number of seeds, a range such as ``6:10``, or a list."""
    preset: StrictStr | list[StrictStr] = ""
    """Named sets of settings, in order."""
    settings: dict[str, _Value | list[_Value]] = {}
    """Values by key; a list or a range such as ``0.5:1:0.5`` makes a grid."""
    out: StrictStr | None = None
    """The study folder."""
    device: StrictStr | None = None
    """``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``."""
    executor: StrictStr | None = None
    """What trains the fleets: ``local``, ``inline``, ``slurm``, or ``package.module:Name``."""
    workers: StrictInt | None = None
    """Worker processes; 0 for one per core on a CPU."""
    processes: StrictInt | None = None
    """Processes that train each member together, data-parallel."""
    route: Literal["", "loop", "stacked", "static", "captured"] | None = None
    """How members of a fleet are trained; empty to choose."""
    width: StrictInt | None = None
    """The most members of a fleet; 0 to choose."""
    note: StrictStr | None = None
    """Free text that the report shows."""
    tensorboard: StrictBool | None = None
    """Whether TensorBoard's event files are written too."""
    tracker: StrictStr | None = None
    """``wandb`` or ``trackio``: every member is a run there, too."""
    recorded: StrictInt | None = None
    """About how many members' samples are drawn at evaluations."""
    minutes: StrictInt | StrictFloat | None = None
    """Wall time for which steps are planned."""
    slurm: dict[str, StrictInt | StrictStr | list[StrictStr]] = {}
    """What the jobs of the executor ``slurm`` ask for."""


_EXPECTED = {
    "methods": "a name, or a list of names",
    "preset": "a name, or a list of names",
    "seeds": "a whole number, a text such as '6:10', or a list of whole numbers",
    "slurm": "a text, a whole number, or a list of texts, for each option",
    "settings": "a number, true or false, a text, or a list of these, for each key",
}
_OPTIONS = ("device", "executor", "workers", "processes", "route", "width", "note", "tensorboard", "tracker", "minutes")


def read_study_file(
    path: Path, options: Options, *, seeds: str = "", preset: str = "", recorded: int | None = None
) -> tuple[Request, Options]:
    """A request and its options; what is given on the command line too is refused.

    ``out`` and ``recorded`` are the exceptions: the same file may be run again into another folder, with more images.

    Raises:
        BadValue: The file is missing, is not TOML, or holds something that a study file cannot.
        BadGrid: The command line says something that the file says, too.
    """
    content = _read(path)
    told = {name: value for name in (*_OPTIONS, "seeds", "preset") if (value := getattr(content, name))}
    said = {name for name, value in (("seeds", seeds), ("preset", preset)) if value}
    said |= {name for name in _OPTIONS if getattr(options, name) != getattr(Options, name)}
    said |= {"slurm"} if options.slurm != SlurmOptions() and content.slurm else set()
    if twice := sorted(said & (told.keys() | {"slurm"} & said)):
        raise BadGrid(f"{path} already says {', '.join(twice)}. Drop it there, or on the command line.")
    request = Request(
        task=content.task,
        methods=words(content.methods),
        axes=tuple(axes_from_mapping(content.settings)),
        seeds=parse_seeds(seeds or 1 if content.seeds is None else content.seeds),
        presets=words(content.preset) or words(preset),
    )
    chosen: dict[str, Any] = {name: told[name] for name in _OPTIONS if name in told}
    if content.slurm:
        chosen["slurm"] = parse_slurm(content.slurm)
    if content.out and options.out is None:
        chosen["out"] = user_path(content.out)
    if (number := content.recorded if recorded is None else recorded) is not None:
        chosen["recorded"] = number
    return request, replace(options, **chosen)


def _read(path: Path) -> StudyFile:
    try:
        return StudyFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except RecursionError:
        raise BadValue(f"{path} cannot be read as TOML: its brackets are nested too deeply.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadValue(f"{path} cannot be read as TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = ".".join(
            map(str, first["loc"][: 2 if name in ("settings", "slurm") else 1])
        )  # what follows are pydantic's own words
        if first["type"] == "extra_forbidden":
            known = ", ".join(StudyFile.model_fields)
            raise BadValue(f"{path} holds '{where}', which is not part of a study file. Known: {known}.") from None
        if first["type"] == "missing":
            raise BadValue(f"{path} must hold task and methods; {where} is missing.") from None
        expected = _EXPECTED.get(where.partition(".")[0]) or first["msg"].removeprefix("Input should be ")
        raise BadValue(f"{where} in {path} is {repr(first['input'])[:40]}; expected {expected}.") from None
