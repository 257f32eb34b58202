"""Whether a study can be trained by several processes for each member (``--processes``), before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gantlet import catalogue
from gantlet.errors import BadValue, Refused
from gantlet.requests.options import Options
from gantlet.requests.resolve import Resolved
from gantlet.requests.slurm_options import SlurmOptions
from gantlet.training.blueprint import Route

__all__ = ["check_gpus", "check_nodes", "check_parts", "check_route", "check_several"]


def check_several(options: Options) -> None:
    """Refuse options that do not go with several processes.

    Raises:
        BadValue: They train members at once or elsewhere than one member's processes do, or there are not enough GPUs.
    """
    processes = options.processes
    if options.executor == "slurm":
        check_nodes(options.slurm, processes)
    if processes == 1:
        return
    said = f"--processes {processes} trains one member after another, each by {processes} processes"
    check_route(options.route, options.width, processes)
    if options.workers > 1:
        raise BadValue(f"{said}, so --workers {options.workers} is not possible. Leave one of them out.")
    if options.executor not in ("local", "slurm"):
        raise BadValue(f"{said}, which --executor {options.executor} does not start. Use local or slurm.")
    if options.minutes:
        raise BadValue(f"--minutes measures steps of one process, and --processes is {processes}. Give steps=.")
    if options.executor != "slurm":
        check_gpus(options.device, processes)


def check_route(route: Route | None, width: int | None, processes: int) -> None:
    """Refuse a route or a width of several members for several processes.

    Raises:
        BadValue: It is such a one.
    """
    if processes > 1 and route not in (None, "loop"):
        raise BadValue(
            f"--route {route} trains members at once in one process, and --processes {processes} trains each by several. Use "
            f"--route loop, or one process."
        )
    if processes > 1 and width not in (None, 1):
        raise BadValue(f"--width {width} trains members at once, and --processes {processes} one after another.")


def check_gpus(device: str, processes: int) -> None:
    """Refuse more processes than there are GPUs, on a machine that trains on GPUs.

    Raises:
        BadValue: There are fewer.
    """
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if processes == 1 or device == "cpu" or (device == "auto" and not seen):
        return
    if device.startswith("cuda:"):
        raise BadValue(f"--device {device} is one GPU, and --processes {processes} needs as many. Use --device cuda.")
    if processes > seen:
        raise BadValue(
            f"--processes {processes} needs a GPU for each, but torch sees {seen} here. Use fewer, or --device cpu."
        )


def check_nodes(slurm: SlurmOptions, processes: int) -> None:
    """Refuse nodes, or GPUs of them, over which processes cannot be spread evenly.

    Raises:
        BadValue: They cannot.
    """
    if slurm.nodes > 1 and processes == 1:
        raise BadValue(f"nodes={slurm.nodes} is for a member that several processes train: add --processes.")
    if processes % slurm.nodes:
        raise BadValue(f"nodes={slurm.nodes} cannot share --processes {processes} evenly. Choose a divisor of it.")
    if processes > 1 and slurm.workers > 1:
        raise BadValue(
            f"workers={slurm.workers} trains several fleets side by side; --processes trains one by several."
        )
    if processes > 1 and slurm.uses_gpu and int(slurm.gpus.rpartition(":")[2]) < processes // slurm.nodes:
        raise BadValue(
            f"gpus={slurm.gpus} on each of {slurm.nodes} nodes is less than a GPU for each of --processes {processes}."
        )


def check_parts(settings: Sequence[Resolved], executor: str, processes: int) -> None:
    """Refuse parts that only this process has.

    Raises:
        Refused: One is such a part, so that the study was planned for this process alone.
    """
    if processes > 1 and executor == "inline":
        named = sorted(
            name
            for each in settings
            for name in (each.method.name, each.training.generator, each.training.discriminator, *each.method.penalties)
            if catalogue.only_here(name)
        )
        raise Refused(
            f"{named[0] if named else 'A part'} is defined in a notebook, in an interactive session or in a script without a "
            f"main guard, so none of --processes {processes} can import it. Put it into a module of its own."
        )
