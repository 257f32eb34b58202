"""Which settings go together with batches of several sizes: a partial one at an epoch's end, fakes other in number than reals;
and a batch for few samples.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from gantlet.errors import Refused
from gantlet.requests.resolve import Resolved
from gantlet.training.blueprint import Execution
from gantlet.training.step import needs_of

__all__ = ["check_batches", "fitting"]

_LOG = logging.getLogger("gantlet")


def check_batches(resolved: Resolved, execution: Execution) -> None:
    """Refuse what needs all batches to be of one size.

    Raises:
        Refused: ``drop_last=false`` or ``batch_size_g`` with a setting that cannot have it.
    """
    chosen = resolved.training
    divided = {
        f"accumulate={chosen.accumulate}": chosen.accumulate > 1,
        f"--processes {execution.processes}": execution.processes > 1,
    }
    if not chosen.drop_last:
        conflicts = divided | {
            "pool=endless": chosen.pool == "endless",
            f"n_critic={chosen.n_critic}": chosen.n_critic > 1 and not chosen.lr_trick,
            f"critic_schedule={chosen.critic_schedule}": chosen.critic_schedule != "constant",
            f"order={chosen.order}": chosen.order != "d_first",
            f"optimiser={chosen.optimiser}": chosen.optimiser.startswith("extra-"),
            f"pack={chosen.pack}": chosen.pack > 1,
            f"team={chosen.team}": chosen.team == "choose" and chosen.generators > 1,
            f"batch_size_g={chosen.batch_size_g}": chosen.batch_size_g > 0,
        }
        _refuse("drop_last=false makes the last batch of an epoch smaller for both players", conflicts)
    if chosen.batch_size_g:
        pairing = {name for name in ("real", "samples") if name in needs_of(resolved.objective)}
        conflicts = divided | {
            f"the method {resolved.method.name}, which compares real samples with fakes": bool(pairing),
            f"the penalty {', '.join(resolved.method.penalties)}": bool(resolved.penalties),
            "latent=pool": chosen.latent == "pool",
            f"pack={chosen.pack}": chosen.pack > 1,
            f"team={chosen.team}": chosen.team != "stackelberg" and chosen.generators > 1,
        }
        _refuse(f"batch_size_g={chosen.batch_size_g} makes fewer or more fakes than there are real samples", conflicts)


def fitting(settings: Iterable[Resolved], size_of: Callable[[Resolved], int]) -> list[Resolved]:
    """Settings whose batches few samples lower, with a note, so that a dozen images train with the defaults.

    A batch size that the user chose stays, and so does one of packs that the samples do not fill even once.

    Arguments:
        settings: Any.
        size_of: How many samples each is trained on; 0 for endless ones.
    """
    fitted: list[Resolved] = []
    notes: dict[str, None] = {}
    for resolved in settings:
        size, chosen = size_of(resolved), resolved.training
        fits = size // chosen.pack * chosen.pack
        if fits and size < chosen.batch_size and not resolved.by_user.batch_size:
            notes[f"{size} samples are fewer than a batch of {chosen.batch_size}, so batch_size={fits}."] = None
            sources = {**resolved.sources, "batch_size": f"data ({size} samples)"}
            fitted.append(replace(resolved, training=replace(chosen, batch_size=fits), sources=sources))
        else:
            fitted.append(resolved)
    for note in notes:
        _LOG.warning("note: %s", note)
    return fitted


def _refuse(what: str, conflicts: dict[str, bool]) -> None:
    against = [name for name, there in conflicts.items() if there]
    if against:
        raise Refused(f"{what}, which does not go together with {' and '.join(against)}. Leave out one of them.")
