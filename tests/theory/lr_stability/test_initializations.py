"""theory.lr_stability.initializations against the library's schemes, and the contractions against
random sums.

Exponents of n are multiples of 1/4 here, so a slope within 1/8 of the predicted one singles it out;
those of r are multiples of 1/2.
"""

import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import Generator, nn

import lora
from theory import lr_stability as theory
from theory.lr_stability.initializations import (
    INITIALIZATIONS,
    OTHERS,
    Initialization,
    data_A,
    initialization_of,
    random_A,
)
from theory.lr_stability.orders import ALIGNED, HALF, INDEPENDENT, ZERO, power

NEAREST = 1 / 8
RANK, TOKENS = 3, 7  # at least 2 r tokens, of which centring takes one direction
OPTIONS = {"nystrom_out": ("nystrom", {"side": "out"}), "eva_whitened": ("eva", {"whiten": True})}


def test_every_scheme_of_the_library_has_a_start():
    assert INITIALIZATIONS.keys() == lora.SCHEMES.keys(), (
        "a scheme needs its row in INITIALIZATIONS of theory/lr_stability/initializations.py; "
        f"without it: {sorted(INITIALIZATIONS.keys() ^ lora.SCHEMES.keys())}"
    )
    assert not OTHERS.keys() & lora.SCHEMES.keys()
    assert OPTIONS.keys() < OTHERS.keys()
    assert all(initial.why for initial in (INITIALIZATIONS | OTHERS).values())


def sizes(n: int, seed: int) -> dict[str, list[float]]:
    """log2 of the root mean squares of A_0, B_0, A_0 x and B_0^T dZ over a layer of random tokens
    and errors."""
    rng = Generator().manual_seed(seed * 10_000 + n)
    W, x, g = (
        torch.randn(rows, n, generator=rng, dtype=torch.float64) for rows in (n, TOKENS, TOKENS)
    )
    layer = nn.Linear(n, n, bias=False).double()
    layer.weight.data = W / n**0.5
    loss = lambda model, batch: (model(batch[0]) * batch[1]).sum()
    stats = lora.collect(nn.Sequential(layer), ["0"], [(x, g)], "gradient", loss)["0"]
    found = {}
    for name in [*INITIALIZATIONS, *OPTIONS]:
        scheme, options = OPTIONS.get(name, (name, {}))
        B, A = lora.SCHEMES[scheme](
            layer.weight, RANK, Generator().manual_seed(seed), stats, **options
        )
        found[name] = [
            float(t.detach().square().mean().sqrt().log2()) for t in (A, B, x @ A.mT, g @ B)
        ]
    return found


@pytest.fixture(scope="module")
def slopes() -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some schemes say that a direction is arbitrary
        small, large = ([sizes(n, seed) for seed in range(2000, 2020)] for n in (48, 384))
    mean = lambda draws, name: np.mean([draw[name] for draw in draws], 0)
    with np.errstate(invalid="ignore"):  # zero at both widths
        return {name: (mean(large, name) - mean(small, name)) / 3 for name in small[0]}


@pytest.mark.parametrize("name", [*INITIALIZATIONS, *OPTIONS])
def test_a_start_has_the_exponents_of_its_scheme(name, slopes):
    initial = initialization_of(name)
    for order, tag, entry, contracted in (
        (initial.A, initial.A_tag, 0, 2),
        (initial.B, initial.B_tag, 1, 3),
    ):
        if order:
            assert abs(slopes[name][entry] - float(order(0, 0))) < NEAREST
            assert abs(slopes[name][contracted] - float(order(0, 0) + tag)) < NEAREST
        else:
            assert np.isnan(slopes[name][[entry, contracted]]).all()


@pytest.mark.parametrize(
    "name", [name for name, initial in INITIALIZATIONS.items() if initial.rank_known]
)
def test_a_start_without_data_has_the_powers_of_the_rank_of_its_scheme(name):
    W = torch.randn(512, 512, generator=Generator().manual_seed(2000), dtype=torch.float64)
    few, many = (lora.SCHEMES[name](W, r, Generator().manual_seed(2000)) for r in (8, 128))
    for order, small, large in (
        (INITIALIZATIONS[name].A, few.A, many.A),
        (INITIALIZATIONS[name].B, few.B, many.B),
    ):
        if order:
            (form,) = order.forms
            slope = float((large.square().mean() / small.square().mean()).log2() / 2 / 4)
            # 4096 entries at the least: the mean square has a relative error of at most
            # sqrt(2/4096), the slope 0.004
            assert abs(slope - form.rank) < 5 * 0.004


def simulated(
    initial: Initialization,
    optimizer: str,
    c: tuple[float, float],
    n: int,
    r: int,
    steps: int,
    seed: int,
    s: float = 1,
):
    """log2 of the root mean square of each quantity, on one token with a frozen gradient dZ = w/n:
    every sum is real.

    A enters only through A x, whose initial value and whose moves are exactly those of A (r, n).
    """
    rng = np.random.default_rng(seed)
    u, x, w = (rng.standard_normal(size) for size in (r, n, n))  # u first: the same at every width
    entry = lambda order: (
        2.0 ** (np.log2([n, r]) @ [float(e) for e in next(iter(order.forms))[2:]]) if order else 0
    )
    A_direction = np.linalg.norm(x) if initial.A_tag == INDEPENDENT else np.abs(x).sum()
    Z_A = Z_A0 = entry(initial.A) * A_direction * u
    B_columns = rng.standard_normal((n, r)) if initial.B_tag == INDEPENDENT else np.outer(w, u)
    B = B_0 = entry(initial.B) * B_columns
    eta_A, eta_B = n ** c[0], n ** c[1]
    for _ in range(steps):
        to_Z_A, to_B = s * B.T @ w / n, s * np.outer(w / n, Z_A)
        if optimizer == "adam":
            dZ_A, dB = -eta_A * np.sign(to_Z_A) * np.abs(x).sum(), -eta_B * np.sign(to_B)
        else:
            dZ_A, dB = -eta_A * to_Z_A * (x @ x), -eta_B * to_B
        deltas = (s * B @ dZ_A, s * dB @ Z_A, s * dB @ dZ_A)
        Z_A, B = Z_A + dZ_A, B + dB
    Z_B = s * (B @ Z_A - B_0 @ Z_A0)
    squares = np.array([np.mean(np.square(q)) for q in (Z_A, Z_B, *deltas, w @ Z_B / n)])
    # not a number where a factor has not moved
    return np.log2(np.where(squares > 0, squares, np.nan)) / 2


DRAWS = range(2000, 2008)
SINGLE = {
    "A random": random_A(-HALF),
    "A along the data": data_A(-HALF, ""),
    "B random": Initialization(ZERO, power(0)),
    "B along the gradient": Initialization(ZERO, power(-HALF), B_tag=ALIGNED),
}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", SINGLE)
def test_sums_grow_with_the_width_as_the_contractions_say(name, steps, optimizer):
    orders = theory.exponents(SINGLE[name], optimizer, steps=steps)
    for c in itertools.product((-1.0, -0.5, 0.0), repeat=2):
        at = lambda n, c=c: np.mean(
            [simulated(SINGLE[name], optimizer, c, n, 15, steps, seed) for seed in DRAWS], 0
        )
        for measured, order in zip((at(2**14) - at(2**8)) / 6, orders, strict=True):
            assert abs(measured - order(*c)) < NEAREST or (np.isnan(measured) and not order)


@pytest.mark.parametrize("scale", ["constant", "alpha/r"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", ["init_a", "init_b"])
def test_sums_grow_with_the_rank_as_the_contractions_say(name, steps, optimizer, scale):
    orders = theory.exponents(name, optimizer, scale, steps=steps)
    power_of_r = float(theory.SCALES[scale])
    for c in ((-1.0, -1.0), (-1.0, 0.0), (-0.5, -1.0)):
        at = lambda r, c=c: np.mean(
            [
                simulated(INITIALIZATIONS[name], optimizer, c, 2**12, r, steps, seed, r**power_of_r)
                for seed in DRAWS
            ],
            0,
        )
        for measured, order in zip((at(128) - at(16)) / 3, orders, strict=True):
            of_rank = {form.width for form in order.leading(*c).forms}  # of what leads in the width
            if len(of_rank) < 2:  # otherwise two powers of r compete with constants
                assert (
                    np.isnan(measured)
                    if not of_rank
                    else abs(measured - of_rank.pop()) < 2 * NEAREST
                )
