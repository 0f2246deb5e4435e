"""What a figure says to who does not see it, and its caption."""

import matplotlib.pyplot as plt
import pytest

from loralab.figures import caption, shown


def test_panels_axes_and_lines_are_named():
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1, 2], [1, 2], label="EVA")
    left.plot([1, 2], [2, 3])
    left.set(title="a", xlabel="rate", ylabel="loss", xscale="log")
    right.set(title="b")
    empty = figure.add_subplot()
    empty.set_axis_off()
    assert shown(figure) == "3 panels. a: loss against rate (logarithmic), showing EVA. b."


def test_labels_of_the_whole_figure_are_named():
    figure, axes = plt.subplots()
    figure.supxlabel("learning rate")
    figure.supylabel("loss, $n$ bits")
    axes.plot([1, 2], label="LoRA")
    assert shown(figure) == "loss, n bits against learning rate. showing LoRA."


def test_a_caption_is_the_docstring_of_what_draws_the_figure():
    assert caption("language", "rates").startswith("Improvement of the test loss over")
    assert caption("overparam_generation", "rates-new-style").startswith("Distance (MMD)")
    assert "\n" not in caption("language", "rates")


def test_a_figure_without_a_caption_is_refused():
    with pytest.raises(ValueError, match=r"nothing needs a function .* paper_figs/language.py"):
        caption("language", "nothing")
