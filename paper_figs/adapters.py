"""Figure of what adapters hold on a language model: where the first gradients lie, and what trained
factors have in common."""

from typing import Any

from matplotlib.figure import Figure

from paper_figs.panels import BLACK, BLUE, RED, SMALL, legend_below, letter, panels

STYLES = {"A": ("rows of A", BLUE, "o"), "B": ("columns of B", RED, "s")}
ROWS = {"centred": "EVA,\nas released", "uncentred": "EVA,\nsecond moment", "random": "random"}
RUNS = {"same_seed": "two tasks", "same_task": "two seeds", "neither": "both differ"}


def held(data: dict[str, Any]) -> Figure:
    """What adapters hold on a language model. (a) The share of the largest expected gradient signal
    that rows of three kinds get, a point for each of {seeds} seeds. (b) The share of the span that
    two trained adapters have in common, for rows of A and columns of B: the same seed on two tasks,
    the same task from two seeds, and neither; a point for each pair of the {seeds} seeds, the rows
    of A left of the columns of B."""
    figure, (left, right) = panels(1, 2, (7, 3.2), sharey=True)
    for x, name in enumerate(ROWS):
        values = [each[name] for each in data["signals"]]
        left.plot([x] * len(values), values, "o", color=BLACK, mfc="none", ms=5)
    left.set_xticks(range(len(ROWS)), ROWS.values(), fontsize=SMALL)
    left.set(title="gradient signal", ylabel="share", ylim=(-0.03, 1.05), xlim=(-0.5, 2.5))
    for shift, (factor, style) in zip((-0.1, 0.1), STYLES.items(), strict=True):
        label, colour, marker = style
        for x, name in enumerate(RUNS):
            shares = [[each[factor] for each in pair[name]] for pair in data["pairs"]]
            values = [sum(some) / len(some) for some in shares]
            of_first: dict[str, Any] = {} if x else {"label": label}
            place = [x + shift] * len(values)
            right.plot(place, values, marker, color=colour, mfc="none", ms=5, **of_first)
    right.set_xticks(range(len(RUNS)), RUNS.values(), fontsize=SMALL)
    right.set(title="span in common", xlim=(-0.5, 2.5))
    letter((left, right))
    legend_below(figure, [right], 2)
    return figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    """None of the reduced size."""
    return {"held": held(data)} if data else {}
