"""A setting: a dataclass field that a user may turn, with its help text, its range and whether it varies.

Every part of gantlet that has parameters (objectives, penalties, networks, data sets, the training itself) is a
frozen dataclass whose fields are declared with :func:`setting`. The command line, study files, ``--dry-run``,
``gantlet list`` and the error messages are all made from these declarations.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from .errors import BadValue

__all__ = ["Scalar", "Setting", "setting", "settings_of"]

Scalar = bool | int | float | str
"""What a setting may hold."""

_DIGITS = re.compile(r"[+-]?[0-9]{1,100}")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Setting:
    """What is known of one setting.

    ``kind`` is ``bool``, ``int``, ``float`` or ``str``. ``low`` and ``high`` bound a number (inclusive unless ``open_low``
    / ``open_high``). ``varies`` says that members of one fleet may differ in it; otherwise it cuts fleets.
    ``infinite`` says that ``inf`` has a meaning, and ``path`` that the text names a place on this disk.
    """

    name: str
    kind: type
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    varies: bool = False
    infinite: bool = False
    path: bool = False

    def parse(self, value: object) -> Scalar:
        """Turn text or a Python value into a checked value of this setting.

        Raises:
            BadValue: The value has the wrong type, is not finite where it must be, or is out of range.
        """
        parsed = self._cast(value)
        if self.choices and parsed not in self.choices:
            raise BadValue(f"{self.name}={value} is not one of {', '.join(self.choices)}.")
        if isinstance(parsed, (int, float)) and not isinstance(parsed, bool):
            self._check_range(parsed, value)
        return parsed

    def _cast(self, value: object) -> Scalar:
        text = str(value).strip()
        if self.kind is bool:
            if isinstance(value, bool) or text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            raise BadValue(f"{self.name}={value} is neither true nor false.")
        if self.kind is str:
            return text.lower() if isinstance(value, bool) else text  # true and false, as TOML has them
        if isinstance(value, bool):
            raise BadValue(f"{self.name}={value} is not a number.")
        if self.kind is int and _DIGITS.fullmatch(text):  # not through float, which has gaps beyond 2^53
            return self._small(int(text), value)
        try:
            number = float(text)
        except ValueError:
            raise BadValue(f"{self.name}={value} is not a number.") from None
        if math.isnan(number):
            raise BadValue(f"{self.name}={value}: nan is never a setting.")
        if self.kind is float:
            return number
        if math.isinf(number) or number != int(number):
            raise BadValue(f"{self.name}={value} is not a whole number.")
        return self._small(int(number), value)

    def _small(self, number: int, came: object) -> int:
        if abs(number) >= 1 << 63:
            raise BadValue(f"{self.name}={came} is too large: whole numbers end at 2^63.")
        return number

    def _check_range(self, number: float, came: object) -> None:
        if math.isinf(number) and not self.infinite:
            raise BadValue(f"{self.name}={came} is not finite, and this setting has no meaning at infinity.")
        too_low = self.low is not None and (number < self.low or (self.open_low and number == self.low))
        too_high = self.high is not None and (number > self.high or (self.open_high and number == self.high))
        if too_low or too_high:
            raise BadValue(f"{self.name}={came} is out of range: expected {self.range()}.")

    def range(self) -> str:
        """The admissible values in words, such as ``0 < lr_g`` or ``fixed | endless``."""
        if self.choices:
            return " | ".join(self.choices)
        if self.kind is bool:
            return "true | false"
        left = "" if self.low is None else f"{self.low:g} {'<' if self.open_low else '≤'} "
        right = "" if self.high is None else f" {'<' if self.open_high else '≤'} {self.high:g}"
        return f"{left}{self.name}{right}" if left or right else f"any {self.kind.__name__}"


def setting(  # noqa: PLR0913 - the options of a declaration, all keyword-only
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] = (),
    varies: bool = False,
    infinite: bool = False,
    path: bool = False,
) -> Any:
    """Declare a dataclass field as a setting.

    ``low`` / ``high`` are inclusive bounds, ``above`` / ``below`` exclusive ones. A ``path`` is recorded as it reads from every
    folder, and a task whose data have one takes it behind a colon, as ``points:FILE`` does.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Hinge:
        ...     margin: float = setting(1.0, "where the hinge opens", above=0, varies=True)
        >>> settings_of(Hinge)["margin"].range()
        '0 < margin'
    """
    meta = Setting(
        name="",
        kind=type(default),
        default=default,
        help=help,
        low=above if above is not None else low,
        high=below if below is not None else high,
        open_low=above is not None,
        open_high=below is not None,
        choices=tuple(choices),
        varies=varies,
        infinite=infinite,
        path=path,
    )
    return field(default=default, metadata={"setting": meta})


def settings_of(owner: object) -> dict[str, Setting]:
    """The declared settings of a dataclass (type or instance; an instance's own values become the defaults)."""
    if isinstance(owner, type):
        return dict(_of_class(owner))
    held = ((declared, getattr(owner, name)) for name, declared in _of_class(type(owner)).items())
    return {
        declared.name: declared if value is declared.default else replace(declared, default=value)
        for declared, value in held
    }


@lru_cache(maxsize=256)  # planning asks for those of a part once for each setting
def _of_class(owner: type) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for entry in fields(owner):  # pyright: ignore[reportArgumentType]
        meta = entry.metadata.get("setting")
        if not isinstance(meta, Setting):
            continue
        default = meta.default if entry.default is MISSING else entry.default
        found[entry.name] = replace(meta, name=entry.name, default=default)
    return found
