"""From a Matplotlib figure to inline SVG that uses the page's colours and font.

It takes its colours from the page's CSS variables and its letters from the page's font, so that it follows day
and dark; its identifiers are its own, and it brings no style, no metadata and no address. Curves are thinned
before they are drawn, so that it is smaller than a pair of PNGs (one per theme) would be.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from .theme import VARIABLES, Palette, variable_of
from .words import printable

__all__ = ["as_markup"]

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_COORDINATES = re.compile(r'(?<= )(?:d|x|y|width|height|transform)="[^"]*"')
_LONG_NUMBER = re.compile(r"(\.\d)\d+")  # a tenth of a point is finer than a pixel
_FONT_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def as_markup(draw: Callable[[Palette], Figure], *, label: str, key: str) -> Markup:
    """The figure as inline SVG.

    Arguments:
        draw: Draws it in the colours it is given.
        label: What a screen reader says of it.
        key: Sets its identifiers apart from those of the page's other figures: letters and digits.
    """
    figure = draw(VARIABLES)
    text = _svg(figure)
    body = text[text.index("</defs>") + len("</defs>") :]  # the first defs hold a style for the whole page
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", body)
    body = _COORDINATES.sub(lambda found: _LONG_NUMBER.sub(r"\1", found[0]).replace(" \n", ""), body)
    body = _FONT_FAMILY.sub("", body)
    body = _COLOUR.sub(lambda found: variable_of(found[0]), body)
    body = re.sub(r">\s+<", "><", body)
    width, height = (72 * side for side in figure.get_size_inches())
    said = escape(printable(label))
    return Markup(f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{said}">{body.strip()}')


def _svg(figure: Figure) -> str:
    # fonttype none keeps text as text; a letter that Matplotlib's font lacks, the reader's font may have
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gantlet"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    return file.getvalue().decode("utf-8")
