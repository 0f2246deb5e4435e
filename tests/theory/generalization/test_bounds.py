"""The laws of theory.generalization*: against enumerations and integrals done naively, and with
named faults.

Everything enumerated is a sum of fewer than 1e5 products of probabilities, each of relative
rounding 10 eps at most: 1e5 eps = 2e-11 bounds any order of summation, and TINY leaves a factor of
five. A bound on the gap is a square root of information, so that information lost to rounding, TINY
at most, moves it by sqrt(TINY) = 1e-5 near zero.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.generalization import Adapter, bounds, exact
from theory.generalization.exact import World

TINY = 1e-10
fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(1000, 2**32 - 1)
# functions, examples, training samples
sizes = st.tuples(st.integers(1, 6), st.integers(2, 3), st.integers(1, 3))
dims = st.integers(1, 4096)


def world(m: int, k: int, seed: int, interpolating: bool = False) -> World:
    """Random probabilities and losses; with one function that never errs, the training error is
    always zero."""
    rng = np.random.default_rng(seed)
    losses = rng.integers(2, size=(m, k)).astype(float)
    if interpolating:
        losses[rng.integers(m)] = 0
    p = rng.dirichlet(np.ones(k)) + 0.01
    return World(p / p.sum(), losses)


def ordered(world: World, n: int):
    """Every ordered training sample with its probability and the function learnt from it, the slow
    way."""
    for sample in itertools.product(range(len(world.p)), repeat=n):
        errors = [sum(losses[z] for z in sample) for losses in world.losses]
        yield sample, float(np.prod(world.p[list(sample)])), errors.index(min(errors))


# --- enumeration against the definitions
# ------------------------------------------------------------------------


def check_summary(size: tuple[int, int, int], seed: int) -> None:
    m, k, n = size
    w = world(m, k, seed)
    found, T, gap, pairs = exact.summary(w, n), np.zeros((n, m, k)), 0.0, np.zeros((n, 3, 2))
    for sample, p, f in ordered(w, n):
        gap += p * sum(w.p[z] * w.losses[f, z] for z in range(k)) - p * np.mean(
            [w.losses[f, z] for z in sample]
        )
        for i, z in enumerate(sample):
            T[i, f, z] += p
            for ghost, p_ghost in enumerate(w.p):
                D = int(w.losses[f, ghost] - w.losses[f, z])
                pairs[i, 1 + D, 0] += p * p_ghost / 2
                pairs[i, 1 - D, 1] += p * p_ghost / 2
    assert abs(found.gap - gap) < TINY
    assert abs(found.entropy - bounds.entropy(T[0].sum(1))) < TINY
    for i in range(n):
        assert abs(found.individual - bounds.mutual_information(T[i])) < TINY, (
            "the places of a sample are alike"
        )
        assert abs(found.difference - bounds.mutual_information(pairs[i])) < TINY


@fresh
@given(sizes, seeds)
def test_summary_is_what_ordered_samples_give(size, seed):
    check_summary(size, seed)


def all_supersamples(w: World, n: int) -> exact.Supersamples:
    pairs = np.array(list(itertools.product(range(len(w.p)), repeat=2 * n)))
    return exact.supersamples(w, pairs.reshape(-1, n, 2))


def even(w: World) -> World:
    """Equally likely examples, so that supersamples are equally likely too."""
    return World(np.full(len(w.p), 1 / len(w.p)), w.losses)


def check_supersamples(size: tuple[int, int, int], seed: int) -> None:
    m, k, n = size
    w = even(world(m, k, seed))
    found, all_of_them = exact.summary(w, n), all_supersamples(w, n)
    assert abs(all_of_them.gap.mean() - found.gap) < TINY
    differences = all_of_them.differences.mean(0)
    for i in range(n):
        assert abs(bounds.mutual_information(differences[i]) - found.difference) < TINY


@fresh
@given(sizes, seeds)
def test_supersamples_agree_with_the_training_samples(size, seed):
    check_supersamples(size, seed)


def test_supersample_against_its_definition():
    w, pairs = world(5, 3, 1000), np.array([[0, 1], [2, 2], [1, 2]])
    found, chosen, joint = exact.supersamples(w, pairs[None]), [], np.zeros((3, 2, 2, 2))
    for U in itertools.product((0, 1), repeat=3):
        sample = [int(pairs[i, U[i]]) for i in range(3)]
        errors = [sum(losses[z] for z in sample) for losses in w.losses]
        chosen.append(f := errors.index(min(errors)))
        for i in range(3):
            a, b = (int(w.losses[f, pairs[i, j]]) for j in (0, 1))
            joint[i, a, b, U[i]] += 1 / 8
    p = np.bincount(chosen) / 8
    assert abs(found.conditional[0] - bounds.entropy(p)) < TINY
    for i in range(3):
        assert abs(found.evaluated[0, i] - bounds.mutual_information(joint[i].reshape(4, 2))) < TINY


def test_an_enumeration_that_cannot_end_is_refused():
    with pytest.raises(ValueError, match="10 samples of 48 examples make 43183019880 multisets"):
        exact.multisets(48, 10)


@given(st.integers(1, 5), st.integers(1, 5))
def test_multisets_are_all_there(k, n):
    counts = exact.multisets(k, n)
    assert counts.shape == (exact.comb(n + k - 1, n), k)
    assert (counts.sum(1) == n).all()
    assert len(np.unique(counts, axis=0)) == len(counts)


# --- the chain of bounds
# ----------------------------------------------------------------------------------------


def check_chain(size: tuple[int, int, int], seed: int, interpolating: bool = False) -> None:
    """(1) to (7) of theory.generalization above the gap, and in the order that is a theorem."""
    m, k, n = size
    w = even(world(m, k, seed, interpolating))
    found, pairs = exact.summary(w, n), all_supersamples(w, n)
    by_size = bounds.information_bound(np.log(m), n)
    by_entropy = bounds.information_bound(found.entropy, n)
    individual = bounds.individual_bound(found.individual)
    conditional = bounds.conditional_bound(pairs.conditional, n)
    disintegrated = bounds.evaluated_bound(pairs.evaluated)
    averaged = bounds.averaged_bound(pairs.evaluated)
    difference = bounds.difference_bound(found.difference)
    room = np.sqrt(TINY)
    assert by_size + room >= by_entropy >= individual - room
    assert conditional + room >= disintegrated
    assert averaged + room >= max(disintegrated, difference)
    for bound in (individual, disintegrated, difference):
        assert bound + room >= abs(found.gap)


@fresh
@given(sizes, seeds, st.booleans())
def test_chain_of_bounds(size, seed, interpolating):
    check_chain(size, seed, interpolating)


@fresh
@given(sizes, seeds)
def test_individual_bound_under_any_law_of_the_examples(size, seed):
    m, k, n = size
    found = exact.summary(world(m, k, seed), n)
    room = np.sqrt(TINY)
    assert bounds.information_bound(found.entropy, n) + room >= bounds.individual_bound(
        found.individual
    )
    assert bounds.individual_bound(found.individual) + room >= abs(found.gap)
    assert bounds.difference_bound(found.difference) + room >= abs(found.gap)


def check_interpolation(size: tuple[int, int, int], seed: int) -> None:
    """(8) of theory.generalization, exactly."""
    m, k, n = size
    found = exact.summary(world(m, k, seed, interpolating=True), n)
    assert found.train == 0
    assert abs(bounds.interpolating_risk(found.difference) - found.risk) < TINY
    # In terms of the bound, which no constant times the gap can be: sqrt(2 ln 2 risk).
    assert abs(bounds.difference_bound(found.difference) ** 2 - 2 * bounds.LN2 * found.risk) < TINY


@fresh
@given(st.tuples(st.integers(1, 8), st.integers(1, 5), st.integers(1, 4)), seeds)
def test_interpolating_risk_is_the_information(size, seed):
    check_interpolation(size, seed)


def test_the_law_of_interpolation_needs_a_training_error_of_zero():
    w = World(np.array([0.5, 0.5]), np.array([[0.0, 1.0]]))
    found = exact.summary(w, 2)
    assert found.difference < TINY
    assert found.risk == 0.5


@pytest.mark.parametrize("k", [3, 4, 8, 20])
def test_forgetting_the_supersample_can_loosen_the_bound(k):
    """(7) above (5): k examples, one training sample, and a first function that errs on the last
    example alone."""
    w = World(np.full(k, 1 / k), np.array([[0.0] * (k - 1) + [1.0], [0.0] * k]))
    found = exact.summary(w, 1)
    pairs = all_supersamples(w, 1)
    risk = (k - 1) / k**2  # the last example is not trained on, and then met
    assert abs(found.risk - risk) < TINY
    difference = bounds.difference_bound(found.difference)
    evaluated = bounds.evaluated_bound(pairs.evaluated)
    # The last example is in a pair with another in 2 risk of the supersamples, and then its loss
    # tells U.
    assert abs(evaluated - 2 * risk * np.sqrt(2 * bounds.LN2)) < TINY
    assert abs(difference - np.sqrt(risk * 2 * bounds.LN2)) < TINY
    assert (difference > evaluated) == (risk < 1 / 4)


# --- what an adapter stores
# -------------------------------------------------------------------------------------


def adapter(d_out: int, d_in: int, rank: int, precision: int, variant: str, **options) -> Adapter:
    return Adapter(
        ((d_out, d_in, rank),), precision, train_a="A" in variant, train_b="B" in variant, **options
    )


@given(dims, dims, st.integers(1, 64), st.integers(1, 32))
def test_bits_of_the_three_variants(d_out, d_in, rank, precision):
    both, only_b, only_a = (adapter(d_out, d_in, rank, precision, v) for v in ("BA", "B", "A"))
    assert Fraction(both.bits, only_b.bits) == Fraction(d_in + d_out, d_out)
    assert Fraction(both.bits, only_a.bits) == Fraction(d_in + d_out, d_in)
    ratio = bounds.information_bound(both.nats, 1000) / bounds.information_bound(only_b.nats, 1000)
    assert ratio == pytest.approx(np.sqrt((d_in + d_out) / d_out), rel=8 * np.finfo(float).eps)
    square, doubled = (
        adapter(d_in, d_in, rank, precision, "BA"),
        adapter(d_in, d_in, 2 * rank, precision, "B"),
    )
    assert square.bits == doubled.bits, "on a square layer twice the rank is bought by one factor"


def test_bits_add_over_layers():
    layers = ((10, 64, 4), (128, 10, 2))
    both = Adapter(layers, 8)
    assert both.numbers == 4 * (10 + 64) + 2 * (128 + 10)
    assert (
        Adapter(layers, 8, train_a=False).numbers + Adapter(layers, 8, train_b=False).numbers
        == both.numbers
    )


@pytest.mark.parametrize(
    ("d_out", "d_in", "rank", "precision", "n", "both", "only_b", "only_a"),
    [
        (10, 64, 4, 8, 1000, 0.906, 0.333, 0.842),
        (64, 64, 4, 8, 10_000, 0.377, 0.266, 0.266),
        (4096, 4096, 8, 4, 52_000, 1.322, 0.935, 0.935),
        (11008, 4096, 8, 4, 52_000, 1.795, 1.532, 0.935),
        (4096, 11008, 8, 4, 52_000, 1.795, 0.935, 1.532),
    ],
)
def test_worked_numbers(d_out, d_in, rank, precision, n, both, only_b, only_a):
    """Worked by hand from Lemma 4.5 of arXiv:2402.16842, to three digits."""
    for variant, value in (("BA", both), ("B", only_b), ("A", only_a)):
        nats = adapter(d_out, d_in, rank, precision, variant).nats
        assert round(bounds.information_bound(nats, n), 3) == value


@given(
    dims,
    dims,
    st.integers(1, 16),
    st.sampled_from(["inputs", "gradient"]),
    st.sampled_from(["B", "A", "BA"]),
)
def test_a_frozen_factor_made_from_data_needs_its_split(d_out, d_in, rank, initialization, variant):
    plain = adapter(d_out, d_in, rank, 8, variant)
    with pytest.raises(
        ValueError, match=f"an initialization made from {initialization} depends on data"
    ):
        adapter(d_out, d_in, rank, 8, variant, initialization=initialization)
    assert (
        adapter(d_out, d_in, rank, 8, variant, initialization=initialization, split="disjoint").bits
        == plain.bits
    )
    same = adapter(d_out, d_in, rank, 8, variant, initialization=initialization, split="same")
    assert same.bits == adapter(d_out, d_in, rank, 8, "BA").bits, "back to training both"
    carried = adapter(
        d_out, d_in, rank, 8, variant, initialization=initialization, split="same", pair=True
    )
    assert carried.bits == 2 * same.bits, "the frozen pair is stored beside the factors"
    for harmless in ("nothing", "weight"):
        assert (
            adapter(d_out, d_in, rank, 8, variant, initialization=harmless, pair=True).bits
            == plain.bits
        )


def test_a_frozen_factor_chosen_from_the_sample_breaks_the_bound_of_what_is_trained():
    """One trained bit B, and A frozen after it has memorised the labels of one-hot inputs: the
    labels are fair coins, so the risk is 1/2, the training error is small, and one bit does not
    account for the gap."""
    found = exact.summary(exact.memory(8), 6)
    not_counted = adapter(1, 8, 1, 1, "B")
    counted = adapter(1, 8, 1, 1, "B", initialization="inputs", split="same")
    assert abs(found.risk - 0.5) < TINY
    assert found.gap > 1.5 * bounds.information_bound(not_counted.nats, 6)
    assert found.gap < bounds.information_bound(counted.nats, 6)


def test_one_stored_bit_obeys_its_bound():
    """The same labels with A frozen beforehand: two functions, and the gap is within what one bit
    allows."""
    w = exact.memory(6)
    fixed = World(w.p, np.stack([w.losses[0], 1 - w.losses[0]]))
    found = exact.summary(fixed, 6)
    assert abs(found.risk - 0.5) < TINY
    assert 0 < found.gap < bounds.information_bound(adapter(1, 6, 1, 1, "B").nats, 6)


@given(st.floats(0, 1e6), st.integers(1, 10**6), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_information_bound_in_each_of_its_arguments(nats, n, more, sigma):
    bound = bounds.information_bound(nats, n, sigma)
    assert bounds.information_bound(nats + more, n, sigma) > bound
    assert bounds.information_bound(nats, n + 1, sigma) <= bound
    assert bounds.information_bound(nats, n, 2 * sigma) == 2 * bound


@given(st.lists(st.floats(0, 10), min_size=1, max_size=5))
def test_entropy_and_information_of_what_is_known(weights):
    assume(sum(weights) > 0.01)
    p = np.array(weights) / sum(weights)
    assert 0 <= bounds.entropy(p) <= np.log(len(p)) + TINY
    assert abs(bounds.mutual_information(np.diag(p)) - bounds.entropy(p)) < TINY, (
        "a copy tells everything"
    )
    assert bounds.mutual_information(np.outer(p, p)) < TINY, "an independent one nothing"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Adapter((), 8), "layers must hold at least one"),
        (lambda: Adapter(((4, 4, 0),), 8), "all positive, got"),
        (lambda: Adapter(((4, 4, 1),), 0), "precision must be at least 1 bit a number, got 0"),
        (lambda: Adapter(((4, 4, 1),), 8, train_a=False, train_b=False), "nothing was trained"),
        (lambda: bounds.information_bound(-1, 10), "information must be at least 0 nats, got -1"),
        (lambda: bounds.information_bound(1, 0), "n must be at least one training sample, got 0"),
        (lambda: bounds.information_bound(1, 10, 0), "sigma must be positive, got 0"),
        (
            lambda: bounds.individual_bound([1, np.nan]),
            "information must be at least 0 nats, got nan",
        ),
    ],
)
def test_impossible_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- planted faults
# ---------------------------------------------------------------------------------------------


def uniform_multisets(world: World, n: int) -> np.ndarray:
    counts = exact.multisets(len(world.p), n)
    T = np.zeros_like(world.losses)
    np.add.at(T, exact.learn(world, counts), counts / n / len(counts))
    return T


def trained_only(self: Adapter) -> int:
    return sum(d_out * r * self.train_b + d_in * r * self.train_a for d_out, d_in, r in self.layers)


correct_supersamples, correct_information = exact.supersamples, bounds.mutual_information
FAULTS = {
    "samples without their multinomial coefficient": (
        lambda: check_summary((4, 3, 3), 1000),
        (exact, "joint", uniform_multisets),
    ),
    "pairs of which the first half is always trained on": (
        lambda: check_supersamples((4, 3, 2), 1001),
        (exact, "supersamples", lambda w, pairs: correct_supersamples(w, pairs[:, :, [0, 0]])),
    ),
    "the differences of one sign alone": (
        lambda: [check_interpolation((4, 3, 2), seed) for seed in range(1000, 1020)],
        (exact, "mutual_information", lambda joint: correct_information(joint[:2])),
    ),
    "half of the information": (
        lambda: [check_chain((3, 3, n), seed, True) for seed in range(1000, 1020) for n in (1, 2)],
        (exact, "mutual_information", lambda joint: correct_information(joint) / 2),
    ),
    "sigma for a loss in [0, 1/2]": (
        lambda: [check_chain((3, 3, n), seed) for seed in range(1000, 1020) for n in (1, 2)],
        (
            bounds,
            "individual_bound",
            lambda nats, sigma=0.5: float(np.sqrt(sigma**2 / 2 * np.asarray(nats)).mean()),
        ),
    ),
    "a frozen factor from the sample taken for a random one": (
        test_a_frozen_factor_chosen_from_the_sample_breaks_the_bound_of_what_is_trained,
        (Adapter, "numbers", property(trained_only)),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault, monkeypatch):
    check, (owner, attribute, wrong) = FAULTS[fault]
    check()
    monkeypatch.setattr(owner, attribute, wrong)
    with pytest.raises(AssertionError):
        check()
