"""Two methods, each at its own learning rate: what is chosen, by what, and what the doubt is."""

import numpy as np
import pytest

from loralab.statistics import Tuned, mean, tuned

SEEDS = 8
rng = np.random.default_rng(0)
NOISE = rng.normal(size=SEEDS)
FLAT = Tuned([[0.0] * SEEDS], [[0.0] * SEEDS])


def compared(first: Tuned, second: Tuned = FLAT, **others):
    return tuned(first, second, np.random.default_rng(0), **others)


def test_what_chooses_is_not_what_is_compared():
    # the second learning rate has the lower validation loss and the lower score
    select = np.stack([1 + 0.1 * NOISE, 0.1 * NOISE])
    score = np.stack([5 + NOISE, 2 + NOISE])
    found = compared(Tuned(select, score))
    wanted = mean((2 + NOISE).tolist())
    np.testing.assert_allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-12)
    assert compared(Tuned(-select, score)).value == pytest.approx(5 + NOISE.mean())
    assert (found.draws, found.unit) == (SEEDS, "seed")


def test_the_methods_are_paired_by_seed():
    first, second = (Tuned([100 * NOISE], [shift + 100 * NOISE]) for shift in (3.0, 1.0))
    found = compared(first, second)
    np.testing.assert_allclose([found.low, found.high], 2, rtol=1e-9)
    turned = compared(second, first)
    assert turned.value == pytest.approx(-2)


def test_seeds_do_not_judge_what_they_chose():
    """Pure luck, the same in what chooses and in what is compared: the best of five is the luckiest
    for those that chose it and no better for others."""
    biased, fair = [], []
    for seed in range(100):
        luck = np.random.default_rng(seed).normal(size=(5, SEEDS))
        fair.append(compared(Tuned(-luck, luck)).value)
        biased.append(luck.mean(1).max())
    error = np.std(fair) / 10
    assert abs(np.mean(fair)) < 4 * error
    assert np.mean(biased) > 8 * error


def test_a_choice_that_is_open_adds_doubt():
    # two learning rates that differ in their scores, and hardly in what chooses
    select = np.stack([NOISE, -NOISE])
    score = np.stack([np.zeros(SEEDS), np.ones(SEEDS)])
    found = compared(Tuned(select, score))
    assert 0 < found.value < 1
    assert found.high > found.low


def test_a_learning_rate_at_which_a_run_diverged_is_never_chosen():
    select = np.stack([NOISE, NOISE - 5])
    score = np.stack([NOISE, NOISE + 7])
    select[1, 3] = np.nan
    assert compared(Tuned(select, score)) == compared(Tuned(select[:1], score[:1]))
    score[1, 3], select[1, 3] = np.nan, -5
    assert compared(Tuned(select, score)) == compared(Tuned(select[:1], score[:1]))


def test_a_ratio_is_a_difference_of_logarithms():
    select = np.stack([NOISE, NOISE[::-1]])
    first, second = (Tuned(select, np.exp(shift + select)) for shift in (1.0, 0.5))
    found = compared(first, second, by="ratio")
    logs = compared(*(Tuned(select, np.log(each.score)) for each in (first, second)))
    np.testing.assert_allclose(np.log([found.low, found.high]), [logs.low, logs.high], rtol=1e-12)


def test_one_generator_gives_one_interval():
    select = np.random.default_rng(1).normal(size=(4, SEEDS))
    one, other = (compared(Tuned(select, select)) for _ in range(2))
    assert one == other
    assert one.at_level(0.9875).high > one.high


ONES = np.ones((2, 4))


@pytest.mark.parametrize(
    ("first", "second", "by", "says"),
    [
        (Tuned(ONES, ONES), Tuned(ONES[:, :3], ONES[:, :3]), "difference", "same seeds"),
        (Tuned(ONES[:, :2], ONES[:, :2]), Tuned(ONES[:, :2], ONES[:, :2]), "ratio", "three"),
        (Tuned(ONES, ONES[:1]), Tuned(ONES, ONES), "difference", "a row for each"),
        (Tuned(ONES[0], ONES[0]), Tuned(ONES, ONES), "difference", "a row for each"),
        (Tuned(np.nan * ONES, ONES), Tuned(ONES, ONES), "difference", "no run diverged"),
        (Tuned(ONES, 0 * ONES), Tuned(ONES, ONES), "ratio", "positive"),
    ],
)
def test_wrong_input_is_told_of(first, second, by, says):
    with pytest.raises(ValueError, match=says):
        compared(first, second, by=by)
