"""The formulas of a notebook as plain text: the site loads no typesetter, neither from elsewhere nor of its own."""

from __future__ import annotations

import re

__all__ = ["plain_formulas"]

_SIGNS = {
    r"\\(?:tfrac|frac)(?:12|\{1\}\{2\})": "½", r"\\mathbb ?\{?E\}?": "E ", r"\\mathbb ?\{?R\}?": "R", r"\\mathcal ?\{?N\}?": "N",
    r"\\hat ?\{?x\}?": "x̂", r"\\lVert|\\rVert|\\Vert|\\\|": "‖", r"\\nabla": "∇", r"\\sigma": "σ", r"\\varepsilon": "ε",
    r"\\lambda": "λ", r"\\alpha": "α", r"\\beta": "β", r"\\theta": "θ", r"\\cdot": "·", r"\\times": "×", r"\\approx": "≈", r"\\leq?\b": "≤",
    r"\\geq?\b": "≥", r"\\infty": "∞", r"\\log": "log ", r"\\max": "max", r"\\min": "min", r"\\(?:big|Big|bigg)[lr]?": "", r"\\,|\\;|\\:|\\ ": " ",
    r"\\qquad|\\quad": "\t", r"\\%": "%", r"\\(?:mathrm|text|operatorname)\{([^{}]*)\}": r"\1",
    r"\^\{?2\}?": "²", r"\^\{?3\}?": "³", r"\^\{?-4\}?": "⁻⁴", r"\^\{?-3\}?": "⁻³", r"\^\{?-5\}?": "⁻⁵", r"_\{?1\}?": "₁", r"_\{?2\}?": "₂",
    r"[{}]": "",
}  # fmt: skip
_PATTERN = re.compile(r"\$\$(?P<shown>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def plain_formulas(text: str) -> str:
    r"""Markdown whose formulas are code: displayed ones as blocks, others within the line; code stays as it is.

    Example:
        >>> plain_formulas(r"$D(x)$ at $10^{-3}$, `$x$`")
        '`D(x)` at `10⁻³`, `$x$`'
        >>> print(plain_formulas(r"$$L_D = \tfrac12\,\mathbb{E}\,D(x)^2, \qquad \lVert\nabla D\rVert_2$$"))
        ```text
        L_D = ½ E D(x)²,    ‖∇ D‖₂
        ```
    """
    parts = _CODE.split(text)  # text and code in turn
    parts[::2] = [_PATTERN.sub(_code, part) for part in parts[::2]]
    return "".join(parts).strip("\n")


def _code(match: re.Match[str]) -> str:
    if match["inline"]:
        return f"`{_plain(match['inline'])}`"
    return f"\n```text\n{_plain(match['shown'])}\n```\n"


def _plain(formula: str) -> str:
    for pattern, sign in _SIGNS.items():
        formula = re.sub(pattern, sign, formula)
    formula = re.sub(r" {2,}", " ", formula)
    return re.sub(r" *\t *", "    ", formula).strip()
