r"""How numbers and names are written, the same in the page, the terminal and the figures.

An estimate is rounded where its interval says that more digits mean nothing: to two digits of the interval's
half width :math:`h`, that is :math:`1 - \lfloor \log_{10} h \rfloor` decimals. Rates are percentages with one
decimal.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["MISSING", "number", "percent", "plain", "printable", "seed_list", "with_interval"]

MISSING = "–"
"""Stands where there is no number."""

_MOST = 6  # decimals
_NOISE = 1e-12  # what is left of a difference of equal numbers
_ALIKE = 1e-9  # of a number: an interval that is narrower is one of equal values, which says nothing about digits


def with_interval(estimate: float, low: float, high: float, *, rate: bool = False) -> tuple[str, str]:
    """An estimate and its interval, as two texts.

    Example:
        >>> with_interval(0.795, 0.734, 0.845, rate=True)
        ('79.5 %', '[73.4, 84.5]')
        >>> with_interval(7.1684, 6.8991, 7.4112)
        ('7.17', '[6.90, 7.41]')
        >>> with_interval(4.5752779, 4.5752779, 4.5752779 + 1e-15)
        ('4.575', '[4.575, 4.575]')
    """
    if not math.isfinite(estimate):
        return MISSING, ""
    if rate:
        return percent(estimate), f"[{100 * low:.1f}, {100 * high:.1f}]" if math.isfinite(high - low) else ""
    if not math.isfinite(high - low):
        return number(estimate), ""
    half = (high - low) / 2
    return number(estimate, half), f"[{number(low, half)}, {number(high, half)}]"


def percent(share: float) -> str:
    """A share as a percentage.

    Example:
        >>> percent(0.465)
        '46.5 %'
    """
    return f"{100 * share:.1f} %" if math.isfinite(share) else MISSING


def number(value: float, half: float = math.nan) -> str:
    """A number, rounded to what an interval of half width ``half`` leaves of it (to four digits without one).

    Example:
        >>> number(541.27, 43.2), number(0.0132, 0.0004), number(0.25), number(1234567.0), number(3e-9)
        ('541', '0.01320', '0.25', '1.235e+06', '3e-09')
    """
    if not math.isfinite(value):
        return str(value) if math.isinf(value) else MISSING
    size = max(abs(value), half if math.isfinite(half) else 0.0)
    if size < _NOISE:
        return "0"
    if not 1e-4 <= size < 1e6:
        return f"{value:.4g}"
    if half > _ALIKE * size:
        return f"{value:z.{min(_MOST, max(0, 1 - math.floor(math.log10(half))))}f}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def plain(value: Any) -> str:
    """Any value of a table or a settings file, as text.

    Example:
        >>> plain(0.0001), plain(True), plain(None), plain([1, 2]), plain(128.0)
        ('0.0001', 'true', '–', '1, 2', '128')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return MISSING if math.isnan(value) else f"{value:.6g}" if abs(value) < 1e6 else f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{printable(str(key))}: {plain(part)}" for key, part in value.items())
    return printable(str(value))


def printable(text: str) -> str:
    """The text with every character that controls a terminal or turns the direction of text shown as ``�``.

    Example:
        >>> printable("a\\x1b[31mb")
        'a�[31mb'
    """
    # category Cc: control; Cs: a lone surrogate, which UTF-8 cannot carry
    return "".join("�" if unicodedata.category(letter) in {"Cc", "Cs"} or _turns(letter) else letter for letter in text)


def seed_list(seeds: Collection[int]) -> str:
    """Seeds in words, runs of consecutive ones as ranges.

    Example:
        >>> seed_list([3, 1, 2, 9]), seed_list([7])
        ('1–3, 9', '7')
    """
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], seed]
        else:
            parts.append([seed])
    return ", ".join("–".join(map(str, part)) for part in parts)


def _turns(letter: str) -> bool:
    return unicodedata.bidirectional(letter) in {
        "LRE",
        "RLE",
        "LRO",
        "RLO",
        "PDF",
        "LRI",
        "RLI",
        "FSI",
        "PDI",
    }
