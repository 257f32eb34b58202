"""Colours: one table for the page and its figures, for the light and the dark theme.

Settings have the colours of Okabe and Ito (without yellow, which vanishes on white), lightened for the dark,
so that readers with any common colour vision tell them apart. From the eighth setting on the colours start
again with another dash. Inside the page a colour is a CSS variable, so that one drawing serves both themes.

Reference:
    | Color Universal Design (Okabe and Ito, 2008), https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

__all__ = ["DARK", "LIGHT", "STYLES", "VARIABLES", "Palette", "stylesheet", "variable_of"]

STYLES = ((), (5.0, 2.0), (1.5, 1.5), (6.0, 2.0, 1.5, 2.0))
"""Dashes of the lines of settings 1–7, 8–14, 15–21, 22–28: lengths in points, drawn and left out by turns."""


@dataclass(frozen=True)
class Palette:
    """What each colour is for, as ``#rrggbb``; ``series`` are the settings' colours by rank."""

    page: str
    card: str
    ink: str
    soft: str
    line: str
    accent: str
    between: str
    failure: str
    warning: str
    series: tuple[str, ...]

    def setting(self, rank: int) -> tuple[str, tuple[float, ...]]:
        """The colour and the dashes of the setting of this rank.

        Example:
            >>> LIGHT.setting(0) == LIGHT.setting(28), LIGHT.setting(7)
            (True, ('#0072b2', (5.0, 2.0)))
        """
        turn, index = divmod(rank, len(self.series))
        return self.series[index], STYLES[turn % len(STYLES)]


LIGHT = Palette(
    page="#f7f7f5",
    card="#ffffff",
    ink="#1b2026",
    soft="#5a6470",
    line="#e2e5e9",
    accent="#0067a3",
    between="#dfe3e8",
    failure="#858e99",
    warning="#b64a00",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6b7078"),
)

DARK = Palette(
    page="#12151a",
    card="#1a1f26",
    ink="#e6eaee",
    soft="#9aa6b2",
    line="#2d343d",
    accent="#62b6ec",
    between="#343c46",
    failure="#7f8a96",
    warning="#f08a4b",
    series=("#4ca7e4", "#ec7d3a", "#2fb58c", "#e29ac3", "#9ad4f6", "#f0b649", "#aab2bb"),
)

_NAMES = [field.name for field in fields(Palette)][:-1] + [f"s{rank}" for rank in range(len(LIGHT.series))]
_STAND_INS = [f"#0000{rank + 1:02x}" for rank in range(len(_NAMES))]

VARIABLES = Palette(*_STAND_INS[:9], series=tuple(_STAND_INS[9:]))
"""Stand-ins: a figure drawn in these has its colours replaced by CSS variables, see :func:`variable_of`."""


def variable_of(colour: str) -> str:
    """The CSS variable behind a stand-in; any other colour stays as it is.

    Example:
        >>> variable_of(VARIABLES.ink), variable_of(VARIABLES.series[2]), variable_of("#ffffff")
        ('var(--ink)', 'var(--s2)', '#ffffff')
    """
    return f"var(--{_NAMES[_STAND_INS.index(colour)]})" if colour in _STAND_INS else colour


def stylesheet() -> str:
    """Both themes as CSS: the reader's system decides."""
    light, dark = ("".join(_declare(palette)) for palette in (LIGHT, DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _declare(palette: Palette) -> list[str]:
    *single, series = astuple(palette)
    return [f"--{name}:{colour};" for name, colour in zip(_NAMES, [*single, *series], strict=True)]
