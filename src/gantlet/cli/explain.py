"""``gantlet explain``: a method on one page of the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

__all__ = ["explain_command", "explanation"]


def explain_command(
    method: Annotated[str, typer.Argument(help="A method, such as wgan-gp, or package.module:Name.")],
) -> None:
    """Explain a method: paper, both losses as formulas, defaults, optimum, and what to watch."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for heading, lines in explanation(method):
        console.print(Text(heading, style="bold"))
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()


def explanation(name: str) -> Iterator[tuple[str, list[str]]]:
    """Headings and lines.

    Raises:
        UnknownName: There is no such method.
    """
    from gantlet import catalogue
    from gantlet.requests.parts import Catalogue, penalty_prefixes
    from gantlet.settings import settings_of

    method = Catalogue().method(name)
    yield method.name, [method.summary, " ".join(word for word in (method.paper, method.url) if word)]
    losses = [f"{player} = {loss}" for player, loss in zip(("L_D", "L_G"), method.formulas, strict=True) if loss]
    if losses:
        yield (
            "losses",
            [*losses, "", "l: score, s = σ(l); r: real, f: fake; E: mean over the batch; natural logarithms"],
        )
    if method.optimum:
        yield "optimal L_D", [method.optimum]
    owners = [("", catalogue.find("objective", method.objective))]
    owners += [(prefix, catalogue.find("penalty", name)) for name, prefix in penalty_prefixes(method).items()]
    parts = _parts(method.objective, method.penalties, method.constraint, method.requires, method.prefers)
    yield "parts", [*parts, f"batches: {_division([getattr(owner, 'separable', False) for _, owner in owners])}"]
    given = {**method.fixed, **method.options, **method.defaults}
    yield "defaults", [f"{key}={_shown(value)}" for key, value in given.items()] or ["those of the task"]
    if method.constraint:
        owners.append(("", catalogue.find("constraint", method.constraint)))
    keys = [
        f"{before}{key}={_shown(given.get(before + key, known.default))}  {known.help}"
        for before, owner in owners
        if hasattr(owner, "__dataclass_fields__")
        for key, known in settings_of(owner).items()
        if key not in method.fixed
    ]
    if keys:
        yield "its own keys", keys
    for preset, values in method.presets.items():
        yield f"--preset {preset}", [f"{key}={_shown(value)}" for key, value in values.items()]
    if method.watch:
        yield "watch", list(method.watch)
    if method.differs:
        yield "differs from the paper", list(method.differs)


def _parts(
    objective: str, penalties: tuple[str, ...], constraint: str | None, requires: frozenset[str], prefers: str | None
) -> Iterator[str]:
    yield f"objective {objective}"
    yield from (f"penalty {name}" for name in penalties)
    if constraint:
        yield f"constraint {constraint}"
    if requires:
        yield f"needs a discriminator with: {', '.join(sorted(requires))}"
    if prefers:
        yield f"prefers the network {prefers}"


def _division(separable: list[object]) -> str:
    """Whether batches are divided, from what the parts declare.

    Example:
        >>> _division([True, "images"]), _division([True])
        ('accumulate and --processes divide those of images', 'accumulate and --processes divide them')
    """
    if all(each is True for each in separable):
        return "accumulate and --processes divide them"
    if all(each in (True, "images") for each in separable):
        return "accumulate and --processes divide those of images"
    return "never divided (accumulate, --processes): not all its losses and penalties are means over samples"


def _shown(value: object) -> str:
    """A value as on the command line.

    Example:
        >>> _shown(True), _shown(5e-05), _shown("wgan")
        ('true', '5e-05', 'wgan')
    """
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
