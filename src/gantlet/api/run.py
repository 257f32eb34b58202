"""``gantlet.run`` and ``gantlet.extend``: the commands of these names for Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from gantlet.catalogue import refuse_while_importing
from gantlet.errors import BadValue, TrainingFailed, UnknownName
from gantlet.places import user_path
from gantlet.requests.grid import axes_from_mapping, method_names, parse_seeds, words
from gantlet.requests.options import Options, default_folder
from gantlet.requests.resolve import Request
from gantlet.requests.slurm_options import parse_slurm
from gantlet.studies.launch import start
from gantlet.studies.planning import plan_study
from gantlet.studies.progress import Evaluation, watched
from gantlet.studies.store import Store
from gantlet.studies.study import Study

__all__ = ["extend", "run"]

_P = ParamSpec("_P")
_LOG = logging.getLogger("gantlet")


def run(  # noqa: PLR0913 - as many as the command line has options
    task: str,
    methods: Any,
    *,
    seeds: int | str | Sequence[int] = 1,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    preset: str | Sequence[str] = (),
    minutes: float = 0.0,
    progress: bool = False,
    on_evaluation: Callable[[Evaluation], object] | None = None,
    **settings: Any,
) -> Study:
    """Train methods on a task over a grid of settings and many seeds, and return the study.

    Arguments:
        task: A task's name, or ``points:FILE``, ``images:FILE``, ``mnist:FOLDER``.
        methods: A method's name, an objective class of your own, or a sequence of these.
        seeds: A number N for seeds 1..N, or a list.
        out: The study folder; ``runs/<task>-<date>-<time>`` if None.
        options: ``device``, ``executor``, ``workers``, ``processes``, ``route``, ``width``, ``note``, as on the command line; ``slurm``, a mapping,
            for ``executor="slurm"``, with which the study is submitted and not waited for (:meth:`Study.wait`).
        preset: Named sets of settings.
        minutes: Plan as many steps as fit into so many minutes of wall time here, by steps that are measured first; the study
            records the steps and the measurement. 0: the settings say how long.
        progress: Whether to print a line of progress, which a terminal or notebook overwrites.
        on_evaluation: Called with an :class:`~gantlet.studies.progress.Evaluation` after each evaluation of a fleet; an error
            in it stops training, with everything saved, and is raised.
        settings: Any key; a list makes a grid. Networks and metrics may be classes or functions of your own, as objectives may.

    Raises:
        UsageError: Whatever is wrong with the request; nothing is written then.
        TrainingFailed: Every member failed; the study folder says why. (One that diverged is a result.)
    """
    refuse_while_importing("gantlet.run")
    names = method_names(methods)
    request = Request(task, names, tuple(axes_from_mapping(settings)), parse_seeds(seeds), words(preset))
    given = dict(options or {}) | ({"minutes": minutes} if minutes else {})
    chosen: dict[str, Any] = {"command": _call(task, names, seeds, given, preset, settings), **given}
    known = {field.name for field in fields(Options)} - {"out"}
    for name in chosen:
        if name == "out":
            raise BadValue("out is not one of the options; give it itself: gantlet.run(…, out='FOLDER').")
        if name not in known:
            raise UnknownName("option", name, known)
    if isinstance(chosen.get("slurm"), Mapping):
        chosen["slurm"] = parse_slurm(chosen["slurm"])
    folder = default_folder(task) if out is None else user_path(out)
    planned = plan_study(request, Options(out=folder, **chosen))
    for note in dict.fromkeys(note for fleet in planned.plan.fleets for note in fleet.notes):
        _LOG.warning("note: %s", note)
    train = partial(start, planned)
    watched(Store(folder), planned.plan.fleets, train, progress=progress, on_evaluation=on_evaluation)
    return _checked(Study(folder))


def _of_a_folder(
    method: Callable[Concatenate[Study, _P], Study],
) -> Callable[[Callable[..., Study]], Callable[Concatenate[str | Path, _P], Study]]:
    """A function of a study's folder that takes what a method of ``Study`` takes, with the method's signature."""

    def signed(function: Callable[..., Study]) -> Callable[Concatenate[str | Path, _P], Study]:
        whole = signature(method)
        folder = Parameter("folder", Parameter.POSITIONAL_OR_KEYWORD, annotation="str | Path")
        rest = list(whole.parameters.values())[1:]  # without self
        vars(function)["__signature__"] = whole.replace(parameters=[folder, *rest])
        return function

    return signed


@_of_a_folder(Study.extend)
def extend(folder: str | Path, *arguments: Any, **named: Any) -> Study:
    """Add seeds, steps or settings to a study, train what is unfinished, and return it.

    Arguments:
        folder: A study folder.
        arguments: Those of :meth:`Study.extend <gantlet.studies.study.Study.extend>`: methods.
        named: And its others: ``seeds``, ``options``, ``trust``, ``progress``, ``on_evaluation``, and any key.

    Raises:
        UsageError: The request is wrong, or the data are not those of the study; nothing is written then.
        StoreError: There is no study, it is damaged, or another process trains it.
        TrainingFailed: Every member failed.
    """
    refuse_while_importing("gantlet.extend")
    return _checked(Study(user_path(folder)).extend(*arguments, **named))


def _checked(study: Study) -> Study:
    runs = study.runs
    if (runs["status"] == "failed").all():
        raise TrainingFailed(f"All {len(runs)} members failed, see {study.folder}: {runs['cause'].iloc[0]}")
    return study


def _call(
    task: str,
    methods: Sequence[str],
    seeds: object,
    options: Mapping[str, Any],
    preset: object,
    settings: Mapping[str, Any],
) -> str:
    said = {"seeds": seeds, **({"options": options} if options else {}), **({"preset": preset} if preset else {})}
    arguments = [
        repr(task),
        repr(list(methods)),
        *(f"{name}={value!r}" for name, value in {**said, **settings}.items()),
    ]
    return f"gantlet.run({', '.join(arguments)})"
