"""What holds of every figure: its words are inside and do not overlap, what it names is drawn, and
its caption says how many seeds, which panel, and what cannot be seen."""

import re
from importlib import import_module
from itertools import combinations
from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from loralab import pictured
from loralab.families import proxies
from loralab.figures import STYLE, caption
from proxies import lr_stability
from proxies.families.lr_stability.claims.settings import POWER_WIDTHS
from proxies.families.matfac.trials import plan as matfac
from proxies.families.task_directions.trials.plan import PROBLEMS
from scaling.studies import tables
from tests.support.worlds import (
    adapters,
    curvature,
    dynamics,
    findings,
    gaps,
    language,
    predictions,
    ranks,
    rates,
)

COUNTED = r"\{(seeds|splits|draws|confirm|runs)\}|40 problems|of one seed"
SPREAD = r"interval|bands? |single run|a mark|a point for each|a tick for each"
TOLERANCE = 1.0  # pixels at 100 to the inch


def _made_up():
    """Of the families that may not be recorded yet, a method of the largest size each."""
    held = adapters.world()
    return {
        "language": tables.language(language.world()),
        "findings": tables.findings(findings.world()),
        "predictions": {m: tables.predictions(of) for m, of in predictions.world().items()},
        "rates": tables.rates(rates.world(), rates.measured(rates.world())),
        "dynamics": tables.dynamics(dynamics.world()),
        "curvature": tables.curvature(curvature.SHARPNESS, curvature.RATES),
        "gaps": tables.gaps(gaps.world(), gaps.SEEDS),
        "ranks": tables.ranks(ranks.world()),
        "adapters": {"signals": held.signals, "pairs": [pair._asdict() for pair in held.pairs]},
    }


def _data():
    kept = {proxy.stem: pictured.read(proxy.stem) for proxy in proxies()}
    recorded = {stem: run.result["data"] for stem, run in kept.items() if run}
    return _made_up() | recorded


@pytest.fixture(scope="module")
def pictures():
    """Every figure, laid out, by its family and its name."""
    plt.switch_backend("agg")
    found = {}
    with plt.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        for stem, data in _data().items():
            for name, figure in import_module(f"paper_figs.{stem}").figures(data).items():
                plt.close(figure)  # pyplot's; the figure lives on
                FigureCanvasAgg(figure).draw()
                found[stem, name] = figure
    return found


def panels(figure):
    return [axes for axes in figure.axes if axes.axison]


def is_picture(figure):
    """Images without axes, whose rows are named beside them."""
    return any(axes.images for axes in figure.axes)


def words(figure):
    """Every text that is seen, with its place in pixels."""
    renderer = figure.canvas.get_renderer()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ticks = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    shown = {
        label
        for axes in panels(figure)
        for axis in (axes.xaxis, axes.yaxis)
        if axis.get_visible()
        for label in axis.get_ticklabels(which="both")
        if _inside(axis, label)
    }
    off = {t for axes in figure.axes if not axes.axison for t in axes.findobj(Text)}
    return [
        (text, text.get_window_extent(renderer))
        for text in texts
        if text not in off and (text not in ticks or text in shown)
    ]


def _inside(axis, label):
    place = label.get_position()[0 if axis.axis_name == "x" else 1]
    low, high = sorted(axis.get_view_interval())
    return low <= place <= high


def test_every_family_has_its_figures(pictures):
    assert {stem for stem, _ in pictures} == {proxy.stem for proxy in proxies()}
    assert len(pictures) >= 28


def test_words_are_inside_the_picture(pictures):
    for name, figure in pictures.items():
        for text, place in words(figure):
            frame = figure.bbox.padded(TOLERANCE)
            whole = frame.x0 <= place.x0 <= place.x1 <= frame.x1
            whole &= frame.y0 <= place.y0 <= place.y1 <= frame.y1
            assert whole, f"{name}: {text.get_text()!r} is cut off"


def test_words_do_not_overlap(pictures):
    for name, figure in pictures.items():
        for (one, its), (other, place) in combinations(words(figure), 2):
            common = Bbox.intersection(its, place)
            apart = common is None or min(common.width, common.height) <= 2 * TOLERANCE
            assert apart, f"{name}: {one.get_text()!r} and {other.get_text()!r} overlap"


def test_panels_have_letters_that_captions_name(pictures):
    for (stem, name), figure in pictures.items():
        if is_picture(figure):
            continue
        titles = [axes.get_title() for axes in panels(figure)]
        expected = [f"({letter})" for letter in ascii_lowercase[: len(titles)]]
        letters = [title.split()[0] if title else "" for title in titles]
        assert letters == (expected if len(titles) > 1 else [""]), (stem, name)
        said = set(re.findall(r"\([a-z]\)", caption(stem, name)))
        assert said <= set(expected), f"{stem}-{name} has no panel {sorted(said - set(expected))}"


def test_captions_say_how_many_were_drawn(pictures):
    fields = {proxy.stem: set(vars(proxy.Config())) for proxy in proxies()}
    for stem, name in pictures:
        said = caption(stem, name)
        assert re.search(COUNTED, said), f"{stem}-{name} says of how many seeds it is"
        assert set(re.findall(r"\{(\w*)\}", said)) <= fields[stem]


def test_captions_say_what_intervals_are_or_that_there_are_none(pictures):
    for (stem, name), figure in pictures.items():
        if not is_picture(figure):
            said = caption(stem, name)
            assert re.search(SPREAD, said, re.I), f"{stem}-{name} says how its values spread"
            if any(axes.containers for axes in figure.axes):
                bars = "95 %|standard (error|deviation)"
                assert re.search(bars, said), f"{stem}-{name} says what its bars are"


def test_legends_name_what_is_drawn(pictures):
    for name, figure in pictures.items():
        for axes in figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                if isinstance(handle, Line2D):
                    drawn = np.isfinite(np.asarray(handle.get_ydata(), float))
                    assert drawn.any(), f"{name}: nothing is drawn of {label!r}"
        legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
        for legend in legends:
            labels = [text.get_text() for text in legend.get_texts()]
            assert len(labels) == len(set(labels)), name
            assert not any(re.search(r"_|\^", re.sub(r"\$[^$]*\$", "", text)) for text in labels)


def curves(axes):
    """The labelled lines of more than two points, with these."""
    for line in axes.lines:
        at = np.asarray(line.get_xydata(), float)
        if not str(line.get_label()).startswith("_") and np.isfinite(at).all(1).sum() > 2:
            yield line, at


def test_captions_say_what_leaves_the_frame(pictures):
    for (stem, name), figure in pictures.items():
        for axes in panels(figure):
            low, high = sorted(axes.get_ylim())
            for line, at in curves(axes):
                y = at[np.isfinite(at[:, 1]), 1]
                if ((y < low) | (y > high)).any():
                    assert "frame" in caption(stem, name), f"{stem}-{name}: {line.get_label()}"


def test_captions_say_which_curves_coincide(pictures):
    for (stem, name), figure in pictures.items():
        for axes in panels(figure):
            for (one, its), (other, at) in combinations(curves(axes), 2):
                if its.shape != at.shape or not np.array_equal(its[:, 0], at[:, 0]):
                    continue
                apart = axes.transData.transform(its) - axes.transData.transform(at)
                if np.nanmax(np.abs(apart)) < 2 * TOLERANCE:
                    both = f"{one.get_label()} and {other.get_label()}"
                    assert "coincide" in caption(stem, name), f"{stem}-{name}: {both}"


def dashes(line):
    return line._unscaled_dash_pattern  # pyright: ignore[reportAttributeAccessIssue]


def test_no_colour_stands_alone(pictures):
    """Two labelled curves of a panel differ in their markers or in their dashes too."""
    for name, figure in pictures.items():
        for axes in panels(figure):
            lines = [h for h in axes.get_legend_handles_labels()[0] if isinstance(h, Line2D)]
            looks = [(h.get_marker(), h.get_linestyle(), dashes(h)) for h in lines]
            assert len({str(look) for look in looks}) == len(looks), f"{name}: {axes.get_title()}"


def test_every_method_on_a_language_model_is_in_a_panel():
    drawn = import_module("paper_figs.language")
    shown = [name for names in drawn.PANELS.values() for name in names]
    assert sorted([drawn.REFERENCE, *shown]) == sorted(language.NAMES)


def test_what_captions_count_is_what_the_trials_count():
    times = lr_stability.TIMES
    plane, lines = caption("lr_stability", "plane"), caption("lr_stability", "rates")
    assert f"mean over {times['grid']} x {{seeds}} seeds" in plane
    assert f"widths of {POWER_WIDTHS[0]} to {POWER_WIDTHS[-1]}" in plane
    of_eva = times["stable, EVA"]
    assert f"over {times['stable']} x {{seeds}} seeds, of EVA over {of_eva} x {{seeds}}" in lines
    for said in (lines, caption("lr_stability", "transfer")):
        assert f"means over {times['mup']} x {{seeds}} seeds" in said
    assert times["standard"] == times["mup"]
    few, many = PROBLEMS["quick"], PROBLEMS["default"]
    said = caption("task_directions", "recall")
    assert f"over {many} problems, {few} at the reduced size" in said
    for name in ("rates", "steps"):
        assert f"and {matfac.CONTEXT_SEEDS} of all else" in caption("matfac", name)
    both = {
        (t, o, m)
        for t in ("gauss", "ill")
        for o in matfac.OPTIMIZERS
        for m in ("direct", "OP bias")
    }
    assert {*matfac.COMPARED} - both == {("gauss", "SGD", "OP linear"), ("ill", "SGD", "ScaledGD")}
