"""What theory.generalization.certificate promises: probabilities summed exactly over binomial
samples, or simulated."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from theory.generalization import LN2, Adapter, certificate, information_bound
from theory.generalization.certificate import (
    Coded,
    Posterior,
    certify,
    kl,
    kl_inverse,
    occam,
    pac_bayes_kl,
)

fresh = settings(max_examples=60, deadline=None, derandomize=True, database=None)
errors = st.floats(0, 1)
budgets = st.floats(1e-4, 10)
samples = st.integers(1, 400)
deltas = st.sampled_from([0.5, 0.2, 0.05, 0.01])
ADAPTER = Adapter(((10, 64, 4),), 8)


def exact_kl(a: float, b: float) -> mpmath.mpf:
    with mpmath.workdps(40):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        first = a * mpmath.log(a / b) if a else mpmath.mpf(0)
        return first + ((1 - a) * mpmath.log((1 - a) / (1 - b)) if a < 1 else mpmath.mpf(0))


@given(errors, st.floats(1e-9, 1 - 1e-9))
def test_kl_against_forty_digits(a, b):
    # Each of the two terms is at most 21 and is rounded by a few eps; an underflow to 0 costs less.
    assert abs(float(kl(a, b)) - float(exact_kl(a, b))) < 200 * np.finfo(float).eps


@given(errors, budgets)
def test_kl_inverse_is_the_inverse(error, nats):
    """kl has slope 0.028 or more where it has reached 1e-4, and is itself rounded by 5e-14 at most:
    a step of 1e-11 to either side of the inverse crosses the budget."""
    found, step = float(kl_inverse(error, nats)), 1e-11
    assert error <= found <= 1
    if found + step < 1:
        assert exact_kl(error, found + step) > nats
    if found - step > error:
        assert exact_kl(error, found - step) < nats


@given(errors, budgets, st.floats(1.01, 10))
def test_kl_inverse_in_each_of_its_arguments(error, nats, factor):
    # kl is flat there, below eps up to sqrt(eps)
    assert kl_inverse(error, 0) == pytest.approx(error, abs=1e-7)
    assert kl_inverse(error, factor * nats) >= kl_inverse(error, nats)
    assert kl_inverse(error + (1 - error) / 2, nats) >= kl_inverse(error, nats)
    assert kl_inverse(error, nats) <= error + np.sqrt(nats / 2) + 1e-15, "Pinsker"


@given(samples)
def test_the_constant_of_maurer(n):
    """(4): E exp(n kl) over binomial samples is the same for every risk, and what pac_bayes_kl pays
    covers it."""
    j = np.arange(n + 1)
    for risk in (0.1, 0.5):
        xi = float(np.exp(binom.logpmf(j, n, risk) + n * kl(j / n, risk)).sum())
        paid = n * float(kl(0.3, pac_bayes_kl(0.3, 0.0, n, 0.05))) + np.log(0.05)
        assert np.log(xi) <= paid + 1e-9
        assert paid <= np.log(xi) + np.log(2), "and no more than needed: xi is about 1.25 sqrt(n)"


def check_occam(n: int, risk: float, bits: int, delta: float) -> None:
    """2^bits independent adapters of one risk, of which the best on the sample is stored: what can
    go most wrong."""
    j = np.arange(n + 1)
    broken = binom.pmf(j, n, risk)[certificate.occam(j / n, bits * LN2, n, delta) < risk].sum()
    assert 1 - (1 - broken) ** (2.0**bits) <= delta


@fresh
@given(samples, st.floats(0.01, 0.99), st.integers(0, 12), deltas)
def test_occam_holds_with_the_probability_it_says(n, risk, bits, delta):
    check_occam(n, risk, bits, delta)


def check_one_hypothesis(n: int, risk: float, delta: float) -> None:
    j = np.arange(n + 1)
    broken = binom.pmf(j, n, risk)[certificate.pac_bayes_kl(j / n, 0.0, n, delta) < risk].sum()
    assert broken <= delta


@fresh
@given(samples, st.floats(0.01, 0.99), deltas)
def test_pac_bayes_of_one_hypothesis(n, risk, delta):
    check_one_hypothesis(n, risk, delta)


def check_posterior_of_sample(sharpness: float, delta: float = 0.05) -> None:
    """4096 hypotheses of random risks, 500 samples of 50, and the posterior exp(-sharpness *
    training errors)."""
    rng = np.random.default_rng(1000)
    n, hypotheses, trials = 50, 4096, 500
    risks = rng.uniform(0.3, 0.7, hypotheses)
    trained = rng.binomial(n, risks, size=(trials, hypotheses)) / n
    weight = np.exp(-sharpness * n * (trained - trained.min(1, keepdims=True)))
    Q = weight / weight.sum(1, keepdims=True)
    divergence = (Q * np.log(np.maximum(Q, 1e-300) * hypotheses)).sum(1)
    broken = certificate.pac_bayes_kl((Q * trained).sum(1), divergence, n, delta) < Q @ risks
    # Where the probability is delta exactly, 3.5 binomial standard errors are exceeded once in 4000
    # times.
    assert broken.mean() <= delta + 3.5 * np.sqrt(delta * (1 - delta) / trials)


@pytest.mark.parametrize("sharpness", [0.1, 1, 10])
def test_pac_bayes_of_a_posterior_made_from_the_sample(sharpness):
    check_posterior_of_sample(sharpness)


def check_divergence(distance: float, deviation: float, prior: float) -> None:
    def integrand(x: float) -> float:
        log_q = -(((x - distance) / deviation) ** 2) / 2 - np.log(deviation)
        return np.exp(log_q) / np.sqrt(2 * np.pi) * (log_q + (x / prior) ** 2 / 2 + np.log(prior))

    integral, error = quad(integrand, distance - 12 * deviation, distance + 12 * deviation)
    found = certificate.gaussian_divergence(distance, deviation, prior)
    assert abs(found - integral) <= error + 1e-12 * (1 + abs(found)), (
        "beyond 12 deviations lies 4e-33"
    )


@fresh
@given(st.floats(-3, 3), st.floats(0.05, 3), st.floats(0.3, 3))
def test_gaussian_divergence_is_its_integral(distance, deviation, prior):
    check_divergence(distance, deviation, prior)


@given(st.integers(1, 20), st.integers(1000, 9999))
def test_gaussian_divergence_adds_over_coordinates(size, seed):
    rng = np.random.default_rng(seed)
    distance, deviation = rng.standard_normal(size), rng.uniform(0.1, 2, size)
    parts = [
        certificate.gaussian_divergence(a, b, 1.5) for a, b in zip(distance, deviation, strict=True)
    ]
    assert certificate.gaussian_divergence(distance, deviation, 1.5) == pytest.approx(
        sum(parts), rel=1e-12
    )
    assert certificate.gaussian_divergence(np.zeros(size), np.full(size, 1.5), 1.5) == 0


# --- certify
# --------------------------------------------------------------------------------------------------


def test_the_best_candidate_is_certified_and_pays_for_the_choice():
    few, many = replace(ADAPTER, precision=2), replace(ADAPTER, precision=32)
    candidates = {
        "2 bits": Coded(0.3, few),
        "32 bits": Coded(0.05, many),
        "posterior": Posterior(0.1, 1000, 200.0, ADAPTER),
    }
    found = certify(1000, candidates, delta=0.06, chance=0.9)
    # Each of the three has 0.02; the posterior spends half of that on the estimate of its training
    # error.
    estimated = kl_inverse(0.1, np.log(2 / 0.02) / 1000)
    assert found.bounds == {
        "2 bits": occam(0.3, few.nats, 1000, 0.02),
        "32 bits": occam(0.05, many.nats, 1000, 0.02),
        "posterior": pac_bayes_kl(estimated, 200.0, 1000, 0.01),
    }
    assert found.by == "posterior"
    assert found.bound == min(found.bounds.values())
    assert not found.vacuous
    assert found.mean_gap == information_bound(few.nats, 1000)
    assert certify(1000, {"posterior": candidates["posterior"]}).mean_gap is None


def test_worse_than_a_guess_is_called_vacuous():
    """Below 1 a bound by kl_inverse always is, so that chance must be told."""
    weak = {"32 bits": Coded(0.5, replace(ADAPTER, precision=32))}
    found = certify(1000, weak, chance=0.9)
    assert 0.9 < found.bound < 1
    assert found.vacuous
    assert not certify(1_000_000, weak, chance=0.9).vacuous


@fresh
@given(errors, st.integers(1, 10**6), st.integers(2, 10), st.floats(0, 1e4), st.integers(1, 10**4))
def test_more_samples_never_loosen_a_bound(error, n, times, divergence, draws):
    candidates = {
        "stored": Coded(error, ADAPTER),
        "spread": Posterior(error, draws, divergence, ADAPTER),
    }
    few, many = certify(n, candidates), certify(times * n, candidates)
    for name in candidates:
        assert error <= many.bounds[name] <= few.bounds[name] <= 1
    more = certify(n, {"spread": Posterior(error, draws * times, divergence, ADAPTER)})
    assert more.bound <= certify(n, {"spread": candidates["spread"]}).bound, (
        "nor do more draws of the posterior"
    )


def test_a_prior_at_a_start_made_from_the_sample_is_refused():
    seen = replace(ADAPTER, initialization="inputs", split="same")
    with pytest.raises(
        ValueError, match="an initialization made from inputs of the training sample itself"
    ):
        Posterior(0.1, 1000, 10.0, seen)
    assert Coded(0.1, replace(seen, train_a=False)).bound(1000, 0.05) == Coded(0.1, ADAPTER).bound(
        1000, 0.05
    )
    disjoint = Posterior(0.1, 1000, 10.0, replace(seen, split="disjoint"))
    assert disjoint.bound(1000, 0.05) == Posterior(0.1, 1000, 10.0, ADAPTER).bound(1000, 0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: certify(0, {"a": Coded(0.1, ADAPTER)}),
            "n must be at least one training sample, got 0",
        ),
        (lambda: certify(10, {}), "certify needs at least one candidate"),
        (
            lambda: certify(10, {"a": Coded(0.1, ADAPTER)}, delta=0),
            r"delta must be a probability in \(0, 1\), got 0",
        ),
        (
            lambda: certify(10, {"a": Coded(0.1, ADAPTER)}, chance=0),
            r"chance must be an error in \(0, 1\], got 0",
        ),
        (
            lambda: certify(10, {"a": Coded(1.1, ADAPTER)}),
            r"an error must lie in \[0, 1\], got 1.1",
        ),
        (lambda: Posterior(0.1, 0, 1.0, ADAPTER), "draws must be at least one, got 0"),
        (lambda: Posterior(0.1, 10, -1.0, ADAPTER), "a divergence must be at least 0 nats, got -1"),
        (lambda: kl_inverse(0.1, -1), "a budget must be at least 0 nats, got -1"),
        (lambda: kl_inverse(np.nan, 1), "an error must lie in"),
        (
            lambda: certificate.gaussian_divergence(0.0, 0.0, 1.0),
            "deviations must be positive, got 0",
        ),
    ],
)
def test_impossible_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- planted faults
# ---------------------------------------------------------------------------------------------

FAULTS = {
    "Occam without the bits": (
        lambda: check_occam(50, 0.5, 12, 0.05),
        ("occam", lambda error, nats, n, delta: kl_inverse(error, np.log(1 / delta) / n)),
    ),
    "Occam without the confidence": (
        lambda: check_occam(50, 0.5, 0, 0.05),
        ("occam", lambda error, nats, n, delta: kl_inverse(error, nats / n)),
    ),
    "PAC-Bayes without the divergence": (
        lambda: check_posterior_of_sample(10),
        ("pac_bayes_kl", lambda error, divergence, n, delta: pac_bayes_kl(error, 0.0, n, delta)),
    ),
    "PAC-Bayes without the confidence": (
        lambda: check_one_hypothesis(50, 0.5, 0.05),
        ("pac_bayes_kl", lambda error, divergence, n, delta: kl_inverse(error, divergence / n)),
    ),
    "variances that are not squared": (
        lambda: check_divergence(0.5, 0.5, 2.0),
        (
            "gaussian_divergence",
            lambda a, s, p: float(((a / p) ** 2 + s / p - 1 - np.log(s / p)) / 2),
        ),
    ),
    "the best of three as if it were the only one": (
        test_the_best_candidate_is_certified_and_pays_for_the_choice,
        (
            "occam",
            lambda error, nats, n, delta: kl_inverse(error, (nats + np.log(1 / (3 * delta))) / n),
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault, monkeypatch):
    check, (attribute, wrong) = FAULTS[fault]
    check()
    monkeypatch.setattr(certificate, attribute, wrong)
    with pytest.raises(AssertionError):
        check()
