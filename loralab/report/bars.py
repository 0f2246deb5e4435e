"""A check as a bar: its interval against the region in which the criterion accepts it, as an SVG.

The region is shaded, the interval a line with a dot at the value, a prediction a diamond. An end
that is infinite runs to the edge, and an arrow marks one that lies beyond it.
"""

import math
from typing import NamedTuple

from markupsafe import Markup, escape

from loralab.claims import Measured, Within, judge
from loralab.ledger import number, with_interval

WIDTH, HEIGHT, EDGE, MIDDLE = 220, 36, 12, 11
DECADES = 2  # from here on the scale is logarithmic, where everything is positive
REACH = 5  # an interval that is wider than this many times all the rest is cut


class Scale(NamedTuple):
    """Where numbers lie: `low` and `high` are the ends of the axis."""

    low: float
    high: float
    log: bool

    def __call__(self, x: float) -> float:
        """The position in pixels; beyond the axis for what lies outside it."""
        if self.log:
            if x <= 0:
                return -math.inf
            x, low, high = math.log(x), math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        return EDGE + (x - low) / (high - low) * (WIDTH - 2 * EDGE)


def scale(criterion: Within, measured: Measured, predicted: Within | None = None) -> Scale:
    """The axis on which a check is drawn.

    It holds the value, the finite ends of the criterion and of the prediction, and those of the
    interval as far as they are no farther than `REACH` times what the others span. It is
    logarithmic where all of these are positive and span `DECADES` decades.
    """
    ends = [criterion.low, criterion.high]
    if predicted is not None:
        ends += [predicted.low, predicted.high]
    fixed = [measured.value, *filter(math.isfinite, ends)]
    interval = list(filter(math.isfinite, (measured.low, measured.high)))
    every = fixed + interval
    log = min(every) > 0 and max(every) / min(every) >= 10**DECADES
    to, back = (math.log, math.exp) if log else (float, float)
    low, high = _reach([to(x) for x in fixed], [to(x) for x in interval])
    margin = 0.08 * (high - low) or 0.5 * abs(high) or 1.0
    return Scale(back(low - margin), back(high + margin), log)


def _reach(fixed: list[float], interval: list[float]) -> tuple[float, float]:
    """The least and the greatest number of the axis, with a far end of the interval cut."""
    kept = list(fixed)
    for end in interval:
        rest = [*fixed, *(other for other in interval if other != end)]
        low, high = min(rest), max(rest)
        span = high - low
        if not span or low - REACH * span <= end <= high + REACH * span:
            kept.append(end)
        else:
            kept.append(low - span if end < low else high + span)
    return min(kept), max(kept)


def bar(criterion: Within, measured: Measured | None, predicted: Within | None = None) -> Markup:
    """The SVG of a check; nothing where it was not measured.

    Args:
        criterion: the region that is shaded.
        measured: the value with its interval.
        predicted: what our theory says, if anything.
    """
    if measured is None:
        return Markup("")
    place, outcome = scale(criterion, measured, predicted), judge(criterion, measured)
    said = f"measured {with_interval(measured)}, accepted {criterion}: {outcome}"
    if predicted is not None:
        said += f"; predicted {predicted}"
    if place.log:
        said += "; logarithmic scale"
    return drawing(place, criterion, measured, predicted, outcome, said)


def drawing(
    place: Scale,
    region: Within,
    measured: Measured,
    predicted: Within | None,
    look: str,
    said: str,
) -> Markup:
    """An interval beside a region, on a given axis.

    Args:
        place: the axis.
        region: what is shaded.
        measured: the value with its interval.
        predicted: what gets diamonds, if anything.
        look: the class by which the page gives it a colour.
        said: what is read to who does not see it.
    """
    parts = [
        f'<svg class="bar {look}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(said)}">',
        *_region(place, region),
        f'<path class="axis" d="M0 {MIDDLE}H{WIDTH}"/>',
        *_interval(place, measured),
        *(_prediction(place, predicted) if predicted is not None else ()),
        *_labels(place, region),
        "</svg>",
    ]
    return Markup("".join(parts))


def _inside(x: float) -> float:
    return min(max(x, 0), WIDTH)


def _region(place: Scale, criterion: Within) -> list[str]:
    """The shaded region, with a line at each finite end; an equality is a line alone."""
    left, right = _inside(place(criterion.low)), _inside(place(criterion.high))
    wide = max(right - left, 2)
    parts = [f'<rect class="accepted" x="{left:.1f}" y="2" width="{wide:.1f}" height="18"/>']
    for end in dict.fromkeys((criterion.low, criterion.high)):
        if math.isfinite(end):
            parts.append(f'<path class="end" d="M{_inside(place(end)):.1f} 1V21"/>')
    return parts


def _interval(place: Scale, measured: Measured) -> list[str]:
    """The line, its dot, and an arrow for each end beyond the axis."""
    left, right = place(measured.low), place(measured.high)
    path = f"M{_inside(left):.1f} {MIDDLE}H{_inside(right):.1f}"
    parts = [f'<path class="interval" d="{path}"/>']
    for x, edge, inwards in ((left, 0, 7), (right, WIDTH, -7)):
        if 0 <= x <= WIDTH:
            parts.append(f'<path class="interval" d="M{x:.1f} {MIDDLE - 4}v8"/>')
        else:
            arrow = f"M{edge + inwards} {MIDDLE - 5}L{edge} {MIDDLE}l{inwards} 5z"
            parts.append(f'<path class="clipped" d="{arrow}"/>')
    parts.append(f'<circle class="value" cx="{place(measured.value):.1f}" cy="{MIDDLE}" r="4"/>')
    return parts


def _prediction(place: Scale, predicted: Within) -> list[str]:
    """A diamond at each finite end, and a line over what is predicted."""
    xs = [place(x) for x in dict.fromkeys((predicted.low, predicted.high)) if math.isfinite(x)]
    parts = [f'<path class="predicted" d="M{x:.1f} {MIDDLE - 7}l4 7l-4 7l-4 -7z"/>' for x in xs]
    left, right = _inside(place(predicted.low)), _inside(place(predicted.high))
    if left < right:
        parts.append(f'<path class="predicted" d="M{left:.1f} {MIDDLE - 7}H{right:.1f}"/>')
    return parts


def _labels(place: Scale, criterion: Within) -> list[str]:
    """The criterion's ends below the axis, as one text where they are close."""
    ends = [end for end in dict.fromkeys((criterion.low, criterion.high)) if math.isfinite(end)]
    found = [(place(end), number(end)) for end in ends]
    if len(found) == 2 and found[1][0] - found[0][0] < 60:
        (left, low), (right, high) = found
        found = [((left + right) / 2, f"{low} to {high}")]
    parts = []
    for x, text in found:
        half = 3.2 * len(text)
        at = min(max(x, half), WIDTH - half)
        parts.append(f'<text x="{at:.1f}" y="33" text-anchor="middle">{text}</text>')
    if place.log:
        taken = any(x > WIDTH / 2 for x, _ in found)
        at, anchor = (0, "start") if taken else (WIDTH, "end")
        parts.append(f'<text class="log" x="{at}" y="33" text-anchor="{anchor}">log</text>')
    return parts
