"""``gantlet.conform``: known-answer tests of anybody's losses and penalties, in any framework."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

from gantlet import catalogue
from gantlet.conformance.objectives import objective_conformance
from gantlet.conformance.penalties import penalty_conformance
from gantlet.conformance.penalty_forms import penalty_subject
from gantlet.conformance.reference import ReferenceLosses
from gantlet.conformance.result import Conformance
from gantlet.conformance.subjects import objective_subject
from gantlet.errors import BadValue, UnknownName
from gantlet.settings import settings_of

__all__ = ["conform"]

_Player = Literal["auto", "discriminator", "generator", "both"]


def conform(
    thing: Any,
    reference: str,
    *,
    player: _Player = "auto",
    shape: Sequence[int] = (2, 3, 5),
    **options: Any,
) -> Conformance:
    """Hold somebody's losses, or a penalty, against gantlet's own.

    Arguments:
        thing: A class or instance with ``discriminator(*, real, fake)`` and ``generator(*, fake, real=None)``, a function, a
            list of functions, or a path: ``"file.py:Name"``, ``"file.py:d_loss,g_loss"``, ``"package.module:Name"``.
        reference: An objective or penalty of gantlet's, by name.
        player: Whose loss a lone function is; ``both`` if it returns the pair.
        shape: Of a sample, where a penalty is given samples.
        options: Settings of the reference; a class or function with parameters of such names is given them, too.

    Raises:
        UnknownName: No such objective or penalty, or no such setting.
        BadValue: A path that cannot be imported, a part that cannot be called, or a setting out of its range.

    Example:
        >>> def critic_loss(real, fake):
        ...     return (real.mean() - fake.mean()) / 2
        >>> conform(critic_loss, "wasserstein").first
        "the discriminator's loss has the wrong sign, and is halved"
    """
    family = _family(reference)
    if player not in ("auto", "discriminator", "generator", "both"):
        raise BadValue(f"player={player} is not one of auto, discriminator, generator, both.")
    declared = settings_of(catalogue.find(family, reference))
    for key in options:
        if key not in declared:
            raise UnknownName(f"setting of the {family} '{reference}'", key, declared)
    chosen = {key: declared[key].parse(value) for key, value in options.items()}
    settings = {key: known.default for key, known in declared.items()} | chosen
    name, held = _named(thing)
    if family == "objective":
        subject = objective_subject(held, name=name, player=player, options=chosen, settings=settings)
        return objective_conformance(subject, ReferenceLosses(reference, chosen))
    if any(size < 1 for size in shape) or not shape:
        raise BadValue(
            f"shape={','.join(map(str, shape))} is not a shape: expected whole numbers from 1, such as 3,8,8."
        )
    penalty = penalty_subject(held, name=name, reference=reference, options=chosen, settings=settings)
    return penalty_conformance(penalty, reference, chosen, shape=tuple(shape))


def _family(reference: str) -> str:
    for family in ("objective", "penalty"):
        if reference in catalogue.names(family):
            return family
    known: Mapping[str, None] = dict.fromkeys([*catalogue.names("objective"), *catalogue.names("penalty")])
    raise UnknownName("objective or penalty", reference, known)


def _named(thing: Any) -> tuple[str, Any]:
    """What a user named, and how sentences call it."""
    if not isinstance(thing, str):
        owner = thing[0] if isinstance(thing, Sequence) and thing else thing
        name = getattr(owner, "__qualname__", type(owner).__name__)  # pyright: ignore[reportUnknownArgumentType]
        return str(name), thing
    module, colon, wanted = thing.rpartition(":")
    names = [part.strip() for part in wanted.split(",")]
    if not colon or not all(catalogue.is_path(f"{module}:{name}") for name in names):
        raise BadValue(f"'{thing}' is not a path: expected file.py:Name, file.py:d_loss,g_loss or package.module:Name.")
    held = [catalogue.load_path(f"{module}:{name}") for name in names]
    known = {inspect.isfunction(part) for part in held}
    if len(held) > 1 and known != {True}:
        raise BadValue(f"'{thing}' names several things that are not functions: name one class, or functions only.")
    return f"{PurePath(module).name}:{wanted}", held[0] if len(held) == 1 else held
