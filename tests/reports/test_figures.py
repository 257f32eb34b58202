"""Figures: bars and lines stand where the numbers say, and the markup is safe to put beside others."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from gantlet.reports.curves import Curve
from gantlet.reports.figures import Bar, draw_courses, draw_outcomes
from gantlet.reports.markup import as_markup
from gantlet.reports.theme import DARK, LIGHT, VARIABLES, Palette, stylesheet

BARS = [
    Bar("vanilla", 0, good=(0.6, 0.5, 0.7), bad=(0.1, 0.05, 0.2)),
    Bar("alpha", 1, good=(0.0, 0.0, 0.1), bad=(1.0, 0.9, 1.0)),
]
STEPS = np.array([10.0, 20.0, 30.0])
CURVES = [Curve(rank, STEPS, STEPS + rank, STEPS - 1, STEPS + 2) for rank in range(3)]


def outcomes(bars: list[Bar] = BARS, palette: Palette = LIGHT) -> Figure:
    return draw_outcomes(bars, palette, good="success", bad="failure")


def widths(figure: Figure) -> list[tuple[float, float]]:
    return [(round(bar.get_x(), 9), round(bar.get_width(), 9)) for bar in figure.axes[0].patches]


def test_bars_start_at_both_ends_and_are_as_long_as_the_rates() -> None:
    assert widths(outcomes()) == [(0, 1), (0, 0.6), (0.9, 0.1), (0, 1), (0, 0.0), (0, 1.0)]


def test_whiskers_are_the_intervals_failures_counted_from_the_right() -> None:
    lines = [line.get_xdata() for line in outcomes().axes[0].lines if line.get_linestyle() == "-"]
    expected = [[0.5, 0.7], [0.8, 0.95], [0.0, 0.1], [0.0, 0.1]]
    assert [list(line) for line in lines] == [pytest.approx(pair) for pair in expected]


def test_the_first_setting_stands_on_top_and_wears_its_colour() -> None:
    figure = outcomes()
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top
    first, second = figure.axes[0].patches[1], figure.axes[0].patches[4]
    assert first.get_y() < second.get_y()
    assert first.get_facecolor()[:3] == pytest.approx((0, 0x72 / 255, 0xB2 / 255), abs=0.01)


def test_nothing_known_draws_no_bar_and_no_whisker() -> None:
    nothing = (math.nan,) * 3
    figure = outcomes([Bar("a", 0, good=nothing, bad=nothing)])
    assert widths(figure) == [(0, 1), (0, 0), (1, 0)]
    assert not figure.axes[0].lines
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "– success", "– failure"]


def test_a_long_label_gets_a_line_of_its_own_and_loses_its_middle() -> None:
    label = "alpha " + " ".join(f"key_{place}=0.{place}" for place in range(9))
    figure = outcomes([Bar(label, 0, good=(0.5, 0.4, 0.6), bad=(0.1, 0.0, 0.2))])
    text, good, bad = figure.axes[0].texts
    assert text.get_text().startswith("alpha key_0=0.0")
    assert text.get_text().endswith("key_8=0.8")
    assert len(text.get_text()) < len(label)
    assert text.get_position()[1] < good.get_position()[1] == bad.get_position()[1]


def test_a_course_is_scaled_by_what_a_step_costs() -> None:
    axes = draw_courses(CURVES, {0: 1.0, 2: 128.0}, LIGHT, axis="images seen").axes[0]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[10, 20, 30], [1280, 2560, 3840]]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[10, 20, 30], [12, 22, 32]]
    assert axes.get_xlabel() == "images seen"
    assert axes.get_xlim()[0] == 0
    band = axes.collections[1].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (9, 32)


def test_an_exploding_course_does_not_flatten_the_others() -> None:
    wild = Curve(1, STEPS, STEPS * 1e7, STEPS * 1e7, STEPS * 1e7)
    calm = [Curve(rank, STEPS, STEPS, STEPS, STEPS) for rank in (0, 2)]
    factors = dict.fromkeys(range(3), 1.0)
    assert draw_courses([*calm, wild], factors, LIGHT, axis="").axes[0].get_yscale() == "symlog"
    assert draw_courses(calm, factors, LIGHT, axis="").axes[0].get_yscale() == "linear"


def test_a_figure_that_is_drawn_on_shows_what_one_of_its_own_would() -> None:
    """Over other costs, with a setting fewer, and where the scale changes with it."""
    wild = Curve(3, STEPS, STEPS * 1e7, STEPS * 1e7, STEPS * 1e7)
    costs = [{0: 1.0, 1: 1.0, 2: 1.0}, {0: 128.0, 2: 64.0}, {}, {0: 0.5, 3: 1.0}, {0: 0.01, 1: 0.02, 2: 0.5}]
    figure: Figure | None = None
    for factors in costs:
        fresh = draw_courses([*CURVES, wild], factors, VARIABLES, axis=str(factors))
        figure = draw_courses([*CURVES, wild], factors, VARIABLES, axis=str(factors), on=figure)
        assert markup(figure) == markup(fresh)


def markup(figure: Figure) -> str:
    return as_markup(lambda _: figure, label="", key="k")


def test_one_evaluation_is_a_dot_and_none_an_empty_chart() -> None:
    one = Curve(0, STEPS[:1], STEPS[:1], STEPS[:1], STEPS[:1])
    assert "o" in [line.get_marker() for line in draw_courses([one], {0: 1.0}, LIGHT, axis="").axes[0].lines]
    assert not draw_courses([], {}, LIGHT, axis="").axes[0].lines


def test_settings_beyond_the_palette_are_told_apart_by_dashes() -> None:
    looks = {LIGHT.setting(rank) for rank in range(28)}
    assert len(looks) == 28
    assert len({LIGHT.setting(rank)[0] for rank in range(7)}) == 7


def luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_and_lines_stand_out_from_the_page(palette: Palette) -> None:
    def contrast(first: str, second: str) -> float:
        low, high = sorted((luminance(first), luminance(second)))
        return (high + 0.05) / (low + 0.05)

    for paper in (palette.page, palette.card):
        assert contrast(palette.ink, paper) > 12
        assert min(contrast(colour, paper) for colour in (palette.soft, palette.accent, palette.warning)) > 4.5
        assert min(contrast(colour, paper) for colour in palette.series) > 2


def test_the_stylesheet_declares_each_variable_for_both_themes() -> None:
    names = re.findall(r"(--\w+):#[0-9a-f]{6};", stylesheet())
    assert len(names) == 2 * len(set(names)) == 2 * (9 + 7)


def test_inline_figures_follow_the_theme_and_keep_their_identifiers_apart() -> None:
    first, second = (as_markup(outcomes_in, label="a & b", key=key) for key in ("x", "y"))
    tree = ElementTree.fromstring(first.replace("xlink:", ""))
    assert tree.get("aria-label") == "a & b"
    assert not re.search(r"#0000\d\d\b", first)  # no stand-in is left
    assert "var(--s0)" in first
    assert "var(--ink)" in first
    identifiers = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, second)]
    assert identifiers[0]
    assert identifiers[0].isdisjoint(identifiers[1])
    for svg, own in zip((first, second), identifiers, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg)) <= own


def outcomes_in(palette: Palette) -> Figure:
    return outcomes(BARS, palette)


def test_an_inline_figure_brings_no_style_and_no_address_of_its_own() -> None:
    svg = as_markup(outcomes_in, label="a", key="x")
    assert "<style" not in svg
    assert "http" not in svg
    assert "font-family" not in svg


def test_labels_are_text_whatever_they_hold() -> None:
    label = '<script>$\\frac{</script>" 数字 \x1b'
    svg = as_markup(lambda palette: outcomes([Bar(label, 0, BARS[0].good, BARS[0].bad)], palette), label=label, key="x")
    assert "<script" not in svg
    texts = [node.text for node in ElementTree.fromstring(svg.replace("xlink:", "")).iter("text")]
    assert label.replace("\x1b", "�") in texts


def test_bands_fade_with_a_crowd_and_vanish_in_a_throng() -> None:
    def opacity(count: int) -> float | None:
        crowd = [Curve(rank, STEPS, STEPS, STEPS - 1, STEPS + 1) for rank in range(count)]
        bands = draw_courses(crowd, dict.fromkeys(range(count), 1.0), LIGHT, axis="").axes[0].collections
        return bands[0].get_alpha() if bands else None

    assert opacity(6) > opacity(7) == opacity(24) > 0
    assert opacity(25) is None


def test_stand_ins_are_never_colours_of_a_theme() -> None:
    stand_ins = {VARIABLES.ink, *VARIABLES.series}
    for palette in (LIGHT, DARK):
        assert stand_ins.isdisjoint({palette.ink, palette.page, palette.card, *palette.series})
