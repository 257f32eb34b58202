"""What is tested: a class, an instance or functions of anybody's, called by the names of their parameters.

Legend: ``B`` real and ``B'`` fake samples, ``d`` numbers of a code, ``*x`` sample shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

from gantlet.errors import BadValue

from .doors import Call

__all__ = ["ObjectiveSubject", "bound", "frameworks_of", "made", "objective_subject", "roles_of_scores"]

_SCORES = ("real", "fake")
_ARRAYS = (*_SCORES, "real_samples", "fake_samples", "real_code", "fake_code", "k")
"""What a loss may be given, by name: scores ``[B]`` and ``[B']``, samples ``[B, *x]``, codes ``[B, d]``, and BEGAN's k."""

_PLAYERS = ("discriminator", "generator")


@dataclass(frozen=True)
class ObjectiveSubject:
    """One or both losses, each as a function of named arrays.

    Attributes:
        name: What it is called in sentences.
        losses: By player.
        gradients: By player, what returns the gradient that the subject itself offers: a mapping, or ``(real, fake)``.
        used: The packages that its code uses, which tell its framework.
    """

    name: str
    losses: Mapping[str, Call]
    gradients: Mapping[str, Call] = field(default_factory=dict[str, Call])
    used: frozenset[str] = frozenset()


def objective_subject(
    thing: Any, *, name: str, player: str, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> ObjectiveSubject:
    """A subject from what a user named.

    Arguments:
        thing: A class or instance with ``discriminator`` and ``generator``, one function, or several.
        name: What it is called in sentences.
        player: Whose loss a lone function is, or ``"auto"`` to tell by its name and parameters.
        options: Settings of the reference; a class or function that has a parameter of such a name is given it.
        settings: All settings of the reference, for parameters without a default.

    Raises:
        BadValue: It has neither loss, or a parameter's meaning is unknown.
    """
    if isinstance(thing, Sequence):
        parts = [
            objective_subject(each, name=name, player=player, options=options, settings=settings) for each in thing
        ]  # pyright: ignore[reportUnknownVariableType]
        losses = {who: loss for part in parts for who, loss in part.losses.items()}
        return ObjectiveSubject(name, losses, used=frozenset[str]().union(*(part.used for part in parts)))
    used = frameworks_of(thing)
    if not any(hasattr(thing, who) for who in _PLAYERS):
        if isinstance(thing, type) or not callable(thing):
            raise BadValue(
                f"{name} has neither discriminator(*, real, fake) nor generator(*, fake, real=None): give a class or an "
                "instance that has them, or a function."
            )
        return ObjectiveSubject(name, _losses_of(thing, name, player, options, settings), used=used)
    held = made(thing, options)
    losses = {who: _adapted(held, getattr(held, who), name, options) for who in _PLAYERS if hasattr(held, who)}
    offered = {who: getattr(held, f"{who}_gradient", None) for who in _PLAYERS}
    gradients = {who: _adapted(held, call, name, options) for who, call in offered.items() if call is not None}
    return ObjectiveSubject(name, losses, gradients, used)


def made(thing: Any, options: Mapping[str, Any]) -> Any:
    """An instance of a class, built with the options of which it has parameters; an instance is what it is.

    Raises:
        BadValue: Building it failed.
    """
    if not isinstance(thing, type):
        return thing
    try:
        accepted = inspect.signature(thing).parameters
        return thing(**{key: value for key, value in options.items() if key in accepted})
    except Exception as error:
        raise BadValue(f"{thing.__name__} cannot be built without arguments: {error}. Name an instance.") from error


def frameworks_of(thing: Any) -> frozenset[str]:
    """The packages of all that the code of a function, class or instance mentions, its own module's helpers included."""
    found: set[str] = set()
    waiting, known = [thing], set[int]()
    while waiting:
        held = waiting.pop()
        if id(held) in known:
            continue
        known.add(id(held))
        for function in _functions(held):
            code, home = function.__code__, function.__globals__
            mentioned = [home[name] for name in _names(code) if name in home]
            own = function.__module__
            found |= {_package(each) for each in mentioned}
            waiting += [each for each in mentioned if getattr(each, "__module__", None) == own]
    return frozenset(found)


def _package(thing: Any) -> str:
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    return str(name).partition(".")[0]


def _functions(thing: Any) -> Iterator[FunctionType]:
    """A function itself, or the methods of a class or of an instance's."""
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if isinstance(thing, FunctionType):
        yield thing
    elif not isinstance(thing, ModuleType):
        owner = thing if isinstance(thing, type) else type(thing)
        yield from (held for each in owner.__mro__ for held in vars(each).values() if isinstance(held, FunctionType))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def bound(
    call: Callable[..., Any],
    *,
    name: str,
    role: Callable[[str], str | None],
    options: Mapping[str, Any],
    settings: Mapping[str, Any],
    wants: str,
) -> Call:
    """A function of named arrays that gives another one its parameters by what their names mean.

    Arguments:
        call: The function.
        name: What the subject is called in sentences.
        role: The array that a parameter's name stands for; None where it stands for none.
        options: What a parameter of such a name is given.
        settings: What a parameter of such a name is given if it has no default.
        wants: Which names a parameter may have, for the error.

    Raises:
        BadValue: A parameter without a default stands for nothing.
    """
    try:
        parameters = _parameters(call)
    except (TypeError, ValueError) as error:
        raise BadValue(f"{name}: the parameters of {call} cannot be read; wrap it in a function with names.") from error
    chosen: list[tuple[inspect.Parameter, str | None]] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        lacking = parameter.default is parameter.empty
        free = parameter.name in options or (lacking and parameter.name in settings)
        meaning = None if free else role(parameter.name)
        if meaning is None and lacking and not free:
            raise BadValue(f"{name}: what its parameter '{parameter.name}' stands for is not known. Call it {wants}.")
        if meaning is not None or free:
            chosen.append((parameter, meaning))
    known = {**settings, **options}

    def given(arrays: Mapping[str, Any]) -> Any:
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for parameter, meaning in chosen:
            if meaning is not None and meaning not in arrays:
                continue  # it has a default, and this call has no such array
            value = known[parameter.name] if meaning is None else arrays[meaning]
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                keywords[parameter.name] = value
        return call(*positional, **keywords)

    return given


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters; of a module of PyTorch, those of its ``forward``.

    Raises:
        TypeError: They cannot be read.
        ValueError: They cannot be read.
    """
    return list(inspect.signature(getattr(call, "forward", call)).parameters.values())


def roles_of_scores(name: str) -> str | None:
    """The array that the parameter of a loss stands for, by its name.

    Example:
        >>> roles_of_scores("fake_logits"), roles_of_scores("real_samples"), roles_of_scores("d_real"), roles_of_scores("x")
        ('fake', 'real_samples', 'real', None)
    """
    if name in (*_ARRAYS, "state"):
        return name
    near = [score for score in _SCORES if score in name.lower()]
    return near[0] if len(near) == 1 else None


def _losses_of(
    call: Callable[..., Any], name: str, player: str, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Call]:
    """The loss of a lone function, or both where its name or its annotation says that it returns a pair."""
    loss = bound(call, name=name, role=roles_of_scores, options=options, settings=settings, wants="real or fake")
    if player == "both" or (player == "auto" and _returns_a_pair(call)):
        return {who: _part(loss, at) for at, who in enumerate(_PLAYERS)}
    return {_player(call) if player == "auto" else player: loss}


def _part(loss: Call, at: int) -> Call:
    return lambda arrays: loss(arrays)[at]


def _returns_a_pair(call: Callable[..., Any]) -> bool:
    returned = getattr(call, "__annotations__", {}).get("return", "")
    return "tuple" in str(returned).lower()


def _player(call: Callable[..., Any]) -> str:
    words = getattr(call, "__name__", "").lower().split("_")
    if any(word == "g" or word.startswith("gen") for word in words):
        return "generator"
    if any(word == "d" or word.startswith(("disc", "crit")) for word in words):
        return "discriminator"
    parameters = _parameters(call)
    needed = {roles_of_scores(each.name) for each in parameters if each.default is each.empty}
    return "generator" if needed == {"fake"} else "discriminator"


def _adapted(thing: Any, call: Callable[..., Any], name: str, options: Mapping[str, Any]) -> Call:
    """A method's call; an objective of gantlet's protocol is given whole outputs and its state where it needs them."""
    free = {} if not isinstance(thing, type) and hasattr(thing, "needs") else options
    plain = bound(call, name=name, role=roles_of_scores, options=free, settings={}, wants="real or fake")
    needs: frozenset[str] = getattr(thing, "needs", frozenset())

    def given(arrays: Mapping[str, Any]) -> Any:
        from gantlet.objectives.base import DiscriminatorOutput

        held = dict(arrays)
        if "outputs" in needs:
            held |= {
                kind: DiscriminatorOutput(held[kind], code=held[f"{kind}_code"]) for kind in _SCORES if kind in held
            }
        if "k" in held:
            held["state"] = {"k": held["k"]}
        return plain(held)

    return given
