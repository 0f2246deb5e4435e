"""The measurements of proxies.generalization: enumerable problems and real adapters."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator
from torch.func import functional_call

import lora
from proxies.families.generalization.trials import chain, images, posterior, problems
from proxies.instruments.digits import digits
from theory.generalization import bounds, exact
from theory.generalization.certificate import Posterior, gaussian_divergence

seeds = st.integers(1000, 2**32 - 1)
variants = st.sampled_from(list(problems.VARIANTS))
fresh = settings(max_examples=20, deadline=None, derandomize=True, database=None)


# --- enumerable problems
# ----------------------------------------------------------------------------------------


@fresh
@given(variants, st.sampled_from([0.0, 0.1, 0.4]), seeds)
def test_a_world_is_a_finite_problem(variant, noise, seed):
    w = problems.world(variant, noise, seed)
    assert abs(w.p.sum() - 1) < 1e-12
    assert (w.p > 0).all()
    assert np.isin(w.losses, (0, 1)).all()
    assert len(np.unique(w.losses, axis=0)) == len(w.losses) <= 2 ** problems.VARIANTS[variant].bits
    least = w.risks.min()
    assert (least == 0) if noise == 0 else (least >= noise - 1e-12), (
        "nobody can predict a changed label"
    )


@fresh
@given(seeds)
def test_there_are_as_many_adapters_as_their_bits_can_name(seed):
    for variant, adapter in problems.VARIANTS.items():
        updates = problems.updates(variant, np.random.default_rng(seed))
        assert len(updates) == 2**adapter.bits
        assert np.linalg.matrix_rank(updates).max() == 1


def check_ties() -> None:
    """Of about a hundred functions in random order, learning from four samples takes one that errs
    elsewhere; were the one that never errs the first, as when functions are sorted by their losses,
    there would be no risk at all."""
    assert (
        min(exact.summary(problems.world("BA", 0.0, seed), 4).risk for seed in range(1000, 1005))
        > 0.05
    )


def test_ties_are_broken_without_a_look_at_the_truth():
    check_ties()


def test_the_truth_first_in_a_tie_is_caught(monkeypatch):
    correct = problems.world

    def sorted_world(variant, noise, seed):
        w = correct(variant, noise, seed)
        return exact.World(w.p, np.unique(w.losses, axis=0))

    monkeypatch.setattr(problems, "world", sorted_world)
    with pytest.raises(AssertionError):
        check_ties()


def test_a_cell_of_the_chain_is_what_the_theory_says_of_its_world():
    found = chain.chain("B", 0.1, 3, 50, 1000)
    summary = exact.summary(problems.world("B", 0.1, 1000), 3)
    assert (found["risk"], found["train"], found["gap"]) == (
        summary.risk,
        summary.train,
        summary.gap,
    )
    assert found["bits"] == pytest.approx(np.sqrt(6 * np.log(2) / (2 * 3)), rel=1e-12)
    assert found["interpolating_risk"] != pytest.approx(found["risk"], rel=0.1), (
        "there is a training error"
    )


def test_all_supersamples_of_two_pairs():
    found = chain.every_supersample("A", 1001)
    assert abs(found["risk"] - found["interpolating_risk"]) < 1e-11
    assert found["risk"] > 0.05


def test_a_bound_of_the_wrong_bits_is_no_bound(monkeypatch):
    """A8 can fail: with the logarithm to base 16 the bits lie below the size of the class."""
    found = lambda: chain.chain("BA", 0.1, 3, 30, 0)
    right = found()
    assert right["class"] < right["bits"]
    monkeypatch.setattr(bounds, "LN2", bounds.LN2 / 4)
    wrong = found()
    assert wrong["class"] > wrong["bits"]


# --- adapters of digits
# -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    """variant -> the model before it was adapted, the adapted one, its posterior and the splits,
    few steps in."""
    result = {}
    pre, train, test = images.splits("digits", 0)
    for variant, config in posterior.CONFIGS.items():
        model: Any = posterior.pretrained(pre)
        before = model[0].weight.detach().clone()
        lora.attach(model, config, [images.mirrored(pre.x)])
        result[variant] = (
            model,
            before,
            posterior.fit(model, train, 40, Generator().manual_seed(0)),
            train,
            test,
        )
    return result


def test_splits_are_disjoint_and_mirrored_once():
    pre, train, test = images.splits("digits", 0)
    assert [len(part.y) for part in (pre, train, test)] == [400, 1000, 397]
    again = images.splits("digits", 0)
    assert all(torch.equal(a.x, b.x) for a, b in zip((pre, train, test), again, strict=True))
    whole = torch.cat([pre.x, images.mirrored(train.x), images.mirrored(test.x)])
    first, *others = images.splits("digits", 1)
    everything = torch.cat([first.x, *(images.mirrored(part.x) for part in others)])
    assert not torch.equal(whole, everything)
    assert torch.equal(whole.unique(dim=0), everything.unique(dim=0)), (
        "every seed splits the same images"
    )
    assert torch.equal(
        images.mirrored(pre.x).view(-1, 8, 8)[:, :, 0], pre.x.view(-1, 8, 8)[:, :, 7]
    )


def test_drawn_images_are_new_ones_with_the_moments_of_their_digit():
    parts = images.splits("drawn images", 0)
    assert [len(part.y) for part in parts] == [400, 1000, 2000]
    assert not torch.isin(parts[0].x, images.splits("drawn images", 1)[0].x).all(1).any()
    real, labels = digits()
    drawn = torch.cat([parts[0].x, *(images.mirrored(part.x) for part in parts[1:])])
    of = torch.cat([part.y for part in parts])
    for c in (0, 9):
        wanted, found = real[labels == c].flatten(1), drawn[of == c]
        deviation = wanted.std(0)
        error = (wanted.mean(0) - found.mean(0)).abs() / (deviation / len(found) ** 0.5 + 1e-6)
        assert error.max() < 5, "five standard errors, for 64 pixels"
        # the standard error of a normal's deviation is 1/sqrt(2 n) of it
        spread = (found.std(0) - deviation).abs() / (deviation / (2 * len(found)) ** 0.5 + 1e-6)
        assert spread.max() < 5
        assert (
            torch.corrcoef(torch.stack([torch.cov(wanted.T), torch.cov(found.T)]).flatten(1))[0, 1]
            > 0.95
        ), "and the covariances"


def test_each_seed_has_a_frozen_factor_of_its_own():
    """Else all seeds would speak of one A."""
    attached, attach = [], lora.attach

    def spy(model: Any, config: Any, *rest: Any) -> Any:
        attach(model, config, *rest)
        (layer,) = lora.adapters(model).values()
        attached.append(layer.A.detach().clone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora, "attach", spy)
        for seed in (0, 1):
            posterior.certified("B", "drawn images", 1, 2, seed)
    assert not torch.allclose(*attached)


@pytest.mark.parametrize("variant", posterior.CONFIGS)
def test_what_is_declared_of_an_adapter_is_what_is_trained(fitted, variant):
    model, before, gaussian, *_ = fitted[variant]
    adapter = posterior.adapter_of(model, posterior.CONFIGS[variant], 8)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert adapter.numbers == sum(p.numel() for p in trained) == len(gaussian.flat()[0])
    assert adapter.from_data == (variant == "B of EVA")
    (layer,) = lora.adapters(model).values()
    assert torch.equal(layer.weight, before), (
        "the frozen weight is not counted, so it must not move"
    )
    if not posterior.CONFIGS[variant].train_a:
        assert torch.allclose(layer.A @ layer.A.mT, torch.eye(posterior.RANK), atol=1e-5)


@pytest.mark.parametrize("variant", ["B", "BA"])
def test_training_lowers_the_error_and_the_divergence_is_the_theorys(fitted, variant):
    model, _, gaussian, train, _ = fitted[variant]
    certified = posterior.certified_divergences(gaussian)
    for prior, found, trained in zip(
        posterior.PRIORS, certified, gaussian.divergences().tolist(), strict=True
    ):
        parts = [
            gaussian_divergence(
                (mean - gaussian.initial[name]).detach().double().numpy(),
                gaussian.log_deviations[name].detach().double().exp().numpy(),
                prior,
            )
            for name, mean in gaussian.means.items()
        ]
        assert found == pytest.approx(sum(parts), rel=1e-12), "float64: at most 296 terms"
        # float32: a sum of at most 296 terms, each rounded by eps and at most the largest of them.
        assert found == pytest.approx(trained, rel=300 * torch.finfo(torch.float32).eps)
    logits = posterior.adapted(model, train.x)
    after, before = (logits(values) for values in (gaussian.means, gaussian.initial))
    assert posterior.error(after, train.y) < posterior.error(before, train.y)


@pytest.mark.parametrize("variant", posterior.CONFIGS)
def test_the_adapted_logits_are_those_of_the_model(fitted, variant):
    model, _, gaussian, _, test = fitted[variant]
    logits, drawn = posterior.adapted(model, test.x), gaussian.draw(Generator().manual_seed(1))
    assert drawn.keys() <= {"0.A", "0.B"}
    for values, replaced in ((gaussian.means, {}), (drawn, drawn)):
        found, expected = logits(values), functional_call(model, replaced, test.x)
        # float32: sums of 64 and of 4 products
        rounding = 100 * torch.finfo(torch.float32).eps
        assert (found - expected).abs().max() <= rounding * expected.abs().max()


@pytest.mark.parametrize(("precision", "largest"), [(1, 3.0), (4, 6.0), (8, 0.5)])
def test_a_stored_number_is_the_nearest_of_the_grid(fitted, precision, largest):
    _, _, gaussian, *_ = fitted["BA"]
    found = posterior.stored(gaussian, precision, largest)
    grid = torch.linspace(-largest, largest, 2**precision)
    for name, mean in gaussian.means.items():
        # float32, a few roundings of numbers up to 2 largest; a tie may go to either neighbour
        rounding = 8 * largest * torch.finfo(torch.float32).eps
        assert ((found[name][..., None] - grid).abs().min(-1).values <= rounding).all()
        nearest = (mean.detach()[..., None] - grid).abs().min(-1).values
        assert ((found[name] - mean.detach()).abs() <= nearest + rounding).all()


def test_a_start_that_saw_the_training_sample_is_refused(fitted):
    model, *_ = fitted["B of EVA"]
    adapter = posterior.adapter_of(model, posterior.CONFIGS["B of EVA"], 32)
    Posterior(0.2, 100, 50.0, adapter)
    with pytest.raises(
        ValueError, match="an initialization made from inputs of the training sample itself"
    ):
        Posterior(0.2, 100, 50.0, replace(adapter, split="same"))


def test_a_certificate_covers_the_test_error_and_repeats():
    first = posterior.certified("BA", "digits", 60, 20, 3)
    assert first == posterior.certified("BA", "digits", 60, 20, 3)
    assert all(first["test"][name] < first["bounds"][name] <= 1 for name in first["bounds"])
    assert first["bound"] == min(first["bounds"].values())
    for name in first["bounds"]:
        # Errors of one adapter are counted in 1000 and 397 images, mean errors of 20 draws in
        # twenty times as many.
        images = 20 if name.startswith("posterior") else 1
        for part, size in (("train", 1000), ("test", 397)):
            count = first[part][name] * size * images
            assert count == pytest.approx(round(count), abs=1e-6), f"{part} error of {name}"
    assert first["bounds"]["32 bits"] > max(
        first["bounds"][name] for name in first["bounds"] if name[1] == " "
    ), "at one training error or nearly so, more bits are certified for more"
