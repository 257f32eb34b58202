"""From a Matplotlib figure to something that stands in a page: inline SVG, or PNG where that is smaller.

An inline SVG takes its colours from the page's CSS variables and its letters from the page's font, so that
it follows day and dark. Above a size (thousands of points) two PNGs, one per theme, may be smaller and then
replace it.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from .theme import DARK, LIGHT, VARIABLES, Palette, variable_of
from .words import printable

__all__ = ["as_markup", "data_uri"]

_LARGE = 150_000  # characters of SVG from which two PNGs are tried
_PNG_DOTS_PER_INCH = 192
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_COORDINATES = re.compile(r'(?<= )(?:d|x|y|width|height|transform)="[^"]*"')
_LONG_NUMBER = re.compile(r"(\.\d)\d+")  # a tenth of a point is finer than a pixel
_FONT_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def as_markup(draw: Callable[[Palette], Figure], *, label: str, key: str) -> Markup:
    """The figure as markup.

    Arguments:
        draw: Draws it in the colours it is given.
        label: What a screen reader says of it.
        key: Sets its identifiers apart from those of the page's other figures: letters and digits.
    """
    svg = _svg(draw(VARIABLES), label=label, key=key)
    if len(svg) < _LARGE:
        return svg
    png = _picture(draw, label)
    return min(svg, png, key=len)


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that needs no network.

    Example:
        >>> data_uri("image/png", b"abc")
        'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _save(figure: Figure, kind: str, **options: object) -> bytes:
    # fonttype none keeps text as text; a letter that Matplotlib's font lacks, the reader's font may have
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gantlet"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure.savefig(file, format=kind, transparent=True, **options)
    return file.getvalue()


def _svg(figure: Figure, *, label: str, key: str) -> Markup:
    text = _save(figure, "svg", metadata=_NO_METADATA).decode("utf-8")
    body = text[text.index("</defs>") + len("</defs>") :]  # the first defs hold a style for the whole page
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", body)
    body = _COORDINATES.sub(lambda found: _LONG_NUMBER.sub(r"\1", found[0]).replace(" \n", ""), body)
    body = _FONT_FAMILY.sub("", body)
    body = _COLOUR.sub(lambda found: variable_of(found[0]), body)
    body = re.sub(r">\s+<", "><", body)
    width, height = (72 * side for side in figure.get_size_inches())
    return Markup(f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(printable(label))}">{body.strip()}')


def _picture(draw: Callable[[Palette], Figure], label: str) -> Markup:
    light, dark = (
        data_uri("image/png", _save(draw(palette), "png", dpi=_PNG_DOTS_PER_INCH)) for palette in (LIGHT, DARK)
    )
    return Markup(
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(printable(label))}" loading="lazy" decoding="async"></picture>'
    )
