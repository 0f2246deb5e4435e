"""A few eigenvectors of many: as good as all of them, whatever the spectrum."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from lora import Statistics
from lora.eigen import ACCURACY, NOISE, SMALL, _krylov, top_axes

EPS = torch.finfo(torch.float64).eps
WIDTH = SMALL + 400
SPECTRA = {
    "power": torch.arange(1, WIDTH + 1) ** -1.0,
    "massive": torch.cat([torch.tensor([1e5]), torch.arange(1, WIDTH) ** -1.0]),
    "flat": torch.linspace(1, 0.5, WIDTH),
    "identity": torch.ones(WIDTH),
    "rank 3": torch.cat([torch.tensor([3.0, 2.0, 1.0]), torch.zeros(WIDTH - 3)]),
    "pairs": torch.arange(WIDTH).div(2, rounding_mode="floor").add(1) ** -1.0,
    "zero": torch.zeros(WIDTH),
}


def matrix(spectrum: torch.Tensor, seed: int) -> torch.Tensor:
    rng = Generator().manual_seed(seed)
    Q = torch.linalg.qr(
        torch.randn(len(spectrum), len(spectrum), generator=rng, dtype=torch.float64)
    ).Q
    C = (Q * spectrum.double()) @ Q.mT
    return (C + C.mT) / 2


@pytest.mark.parametrize("name", SPECTRA)
@settings(max_examples=5)
@given(count=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_residuals_and_captured_variance_are_those_of_all(name, count, seed):
    spectrum = SPECTRA[name].double()
    C = matrix(spectrum, seed)
    state = torch.get_rng_state()
    values, V = top_axes(C, count)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(top_axes(C, count), (values, V), strict=True)), (
        "a function of C"
    )
    assert (V.mT @ V - torch.eye(count)).abs().max() <= 100 * EPS
    # the variance promised along each axis, or a residual of NOISE, to which a value is no nearer
    # than the residual itself; and the rounding of building C, a small multiple of width eps
    rounding = (NOISE + 10 * WIDTH * EPS) * spectrum[0]
    exact = spectrum[:count]
    assert (exact - values <= ACCURACY * exact + rounding).all()
    assert (values - exact <= rounding).all(), "no Ritz value is above"
    assert ((V.mT @ C @ V - values.diag()).abs() <= rounding).all()
    # by a residual of size r a value is off by about r^2 over a gap, so the lost variance bounds it
    lost = (ACCURACY * exact).clamp(min=0)
    assert ((C @ V - V * values).norm(dim=0) <= (lost * spectrum[0]).sqrt() + rounding).all()
    captured = (V.mT @ C @ V).trace()
    assert captured >= (1 - ACCURACY) * exact.sum() - count * rounding


def test_the_short_way_is_taken_where_it_is_one():
    assert _krylov(matrix(SPECTRA["flat"], 0), 8, torch.float64) is None
    for name in SPECTRA.keys() - {"flat"}:
        C = matrix(SPECTRA[name], 0)
        assert any(_krylov(C, 8, dtype) for dtype in (torch.float32, torch.float64)), name
    C = matrix(SPECTRA["power"], 0)
    assert len(top_axes(C)[0]) == WIDTH, "all by default"
    assert len(top_axes(C[:5, :5], 3)[0]) == 3


def test_statistics_keep_their_axes_and_extend_them():
    C = matrix(SPECTRA["power"][:6], 0)
    stats = Statistics(10, torch.ones(6).double(), C + 1)
    values, V = top_axes(C + 1 - torch.ones(6, 6))
    for count in (2, 5, 3, None):
        found, axes = stats.axes(count)
        assert torch.equal(found, values[:count]), "not the few of before"
        assert torch.equal(axes, V[:, :count])
    assert stats.axes(2)[1].data_ptr() == stats.axes(3)[1].data_ptr(), "solved for once"
    assert not torch.equal(stats.axes(2, center=False)[0], values[:2])
