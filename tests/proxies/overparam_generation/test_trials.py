"""The measurements of proxies/overparam_generation.py: the batch of runs against `lora`, and every
rule by hand."""

import pytest
import torch
from torch import Generator

import lora
from proxies.families.overparam_generation.trials import adapters
from proxies.instruments import digit_targets, flow_matching
from tests.support.trials.overparam_generation import (
    EPS,
    check_engine,
    check_images,
    check_midpoint,
    check_norms,
    check_path,
    small_base,
)


@pytest.mark.parametrize("method", adapters.METHODS)
def test_every_run_of_a_batch_is_loras(method):
    check_engine(method)


@pytest.mark.parametrize("method", adapters.METHODS)
def test_images_are_those_of_the_adapted_layers(method):
    check_images(method)


def test_row_norms_are_those_of_the_dense_weight():
    check_norms()


def test_the_generators_product_has_its_gradient():
    rng = Generator().manual_seed(4)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()
    W, h = draw(2, 3, 4, 5), draw(2, 3, 5)
    assert torch.autograd.gradcheck(adapters._Product.apply, (W, h))
    torch.testing.assert_close(adapters._Product.apply(W, h), torch.einsum("abpm,abm->abp", W, h))


def test_a_start_is_the_librarys_and_adds_nothing():
    bases = [small_base(1001), small_base(1002)]
    base = adapters.stacked(bases)
    x, t = (
        torch.randn(4, 64, dtype=torch.float64, generator=Generator().manual_seed(1)),
        torch.rand(4).double(),
    )
    with torch.no_grad():
        expected = torch.stack([adapters.module(one)(x, t) for one in bases])
    for method in adapters.METHODS:
        initial = adapters.initial(base, method, 2, [5, 6], 3)
        layers = adapters.layers(base, initial)
        found = flow_matching.velocity(layers, x.expand(2, 4, 64), t.expand(2, 4))
        assert found.shape == (3, 2, 4, 64)
        torch.testing.assert_close(
            found, expected.expand_as(found), rtol=0, atol=100 * EPS * float(expected.abs().max())
        )
        library = lora.adapters(adapters.attached(bases[1], method, 2, 6))
        for i, P in enumerate(initial):
            _, A, _ = adapters.factors(base[i], P)
            torch.testing.assert_close(
                A[2, 1], library[f"layers.{i}"].factors().A.detach(), rtol=1e-14, atol=0
            )
            assert not torch.equal(A[0, 0], A[0, 1]), "each seed has its own initialization"


def test_the_sampler_is_of_second_order():
    check_midpoint()


def test_draws_lie_on_straight_paths_from_noise_to_images():
    check_path()


def test_a_split_shares_no_image_and_a_target_is_what_it_says():
    every, labels = digit_targets.both_styles()
    for target, wanted in digit_targets.TARGETS.items():
        parts = digit_targets.split(target, 1003)
        assert [len(part) for part in parts][:2] == [200, 200]
        together = torch.cat(list(parts))
        assert (
            len(together)
            == len(digit_targets.of(wanted))
            == int(torch.isin(labels, torch.tensor(wanted)).sum())
        )
        assert torch.equal(together.sort(0).values, digit_targets.of(wanted).sort(0).values), (
            "every image once"
        )
        assert not torch.equal(parts.train, digit_targets.split(target, 1004).train)
    seen, style = (
        digit_targets.of(digit_targets.SEEN),
        digit_targets.of(digit_targets.TARGETS["new style"]),
    )
    assert torch.equal(seen, -style)
    assert float(every.abs().max()) == 1
