"""The batched sweep of the learning-rate family against autograd and torch.optim, and faults
planted in it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

import lora
from lora.statistics import Statistics
from proxies.families.lr_stability.trials import engine, initializations, networks
from proxies.families.lr_stability.trials.engine import QUANTITIES, Runs
from proxies.families.lr_stability.trials.initializations import INITIALIZATIONS
from proxies.families.lr_stability.trials.naive import loop
from proxies.families.lr_stability.trials.networks import Network
from proxies.instruments.fused_adam import FusedAdam

EPS = torch.finfo(torch.float64).eps
RANK, SAMPLES = 2, 16
right_product = networks.frozen_product
fresh = settings(max_examples=6, deadline=None, derandomize=True, database=None)


def small(width: int = 20, seeds: tuple[int, ...] = (1000, 1001), readout: str = "mup") -> Network:
    return networks.draw(width, seeds, readout, SAMPLES, dtype=torch.float64)


def several(
    names: list[str], network: Network, seeds: tuple[int, ...] = (1000, 1001), scale: float = 1.0
):
    return initializations.initial_factors(names, network, network.H.shape[1], seeds, RANK, scale)


def rates(*values: float, seeds: int = 2) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).expand(seeds, -1)


def reference(
    network: Network,
    seed: int,
    initial: lora.Factors,
    lr: tuple[float, float],
    steps: int,
    optimizer: str,
    probe: bool,
    scale: float,
) -> dict[str, float]:
    """One run by autograd and torch.optim, every quantity by its definition."""
    H, P, w, y = (x[seed] for x in network)
    B0, A0 = initial
    B, A = (x.clone().requires_grad_() for x in initial)
    groups = [{"params": [A], "lr": lr[0]}, {"params": [B], "lr": lr[1]}]
    rule = {
        "adam": lambda: torch.optim.Adam(groups, betas=engine.BETAS, eps=engine.TINY),
        "sgd": lambda: torch.optim.SGD(groups),
    }[optimizer]()
    f = lambda: w @ torch.relu(P + scale * (B @ A - B0 @ A0) @ H) - w @ torch.relu(P)
    loss = lambda: -2 * (y * f()).mean() if probe else (f() - y).square().mean()
    for _ in range(steps):
        rule.zero_grad()
        loss().backward()
        B_, A_ = B.detach().clone(), A.detach().clone()
        rule.step()
    rms = lambda x: x.square().mean().sqrt().item()
    with torch.no_grad():
        dB, dA = torch.sub(B, B_), torch.sub(A, A_)
        found = (
            A @ H,
            scale * ((B @ A - B0 @ A0) @ H),
            scale * (B_ @ dA @ H),
            scale * (dB @ A_ @ H),
            scale * (dB @ dA @ H),
            f(),
        )
        last = ((f() - y).square().mean() / y.square().mean()).item()
    return dict(zip(QUANTITIES, [*map(rms, found), last], strict=True))


# --- checks that a wrong engine fails
# ----------------------------------------------------------------------------


def check_autograd(
    name: str,
    optimizer: str,
    probe: bool,
    steps: int = 6,
    scale: float = 0.7,
    readout: str = "mup",
    chunk: int = 2**21,
) -> None:
    """Two seeds, two initializations and two pairs of learning rates at once.

    The order of additions differs, and growing runs amplify rounding: the worst of 648 cases
    (initializations, optimizers, losses, 1 to 9 steps, scales, read-outs) was 2.2e3 eps of the
    quantity plus 1e-2.
    """
    network = small(readout=readout)
    names = [name, "init_a"]
    factors = several(names, network, scale=scale)
    lr_A, lr_B = (0.02, 0.02, 0.1), (0.02, 0.3, 0.003)
    runs = Runs(torch.tensor([0, 0, 1]), rates(*lr_A), rates(*lr_B))
    found = engine.train(network, factors, runs, steps, optimizer, probe, scale, chunk=chunk)
    for seed in range(2):
        for run, which in enumerate((0, 0, 1)):
            initial = lora.Factors(factors.B[seed, which], factors.A[seed, which])
            pair = lr_A[run], lr_B[run]
            wanted = reference(network, seed, initial, pair, steps, optimizer, probe, scale)
            for quantity in QUANTITIES:
                value = found[quantity][0, seed, run].item()
                assert value == pytest.approx(wanted[quantity], rel=1e5 * EPS, abs=1e3 * EPS), (
                    quantity,
                    seed,
                    run,
                )


def check_covariance(width: int = 4000, seed: int = 1000) -> None:
    """P^T P / n against K = H^T H / n: each entry has variance (K_ii K_jj + K_ij^2) / n; 136
    entries within 5 sigma."""
    H = small(width, (seed,)).H[0]
    P = networks.frozen_product(H, Generator().manual_seed(seed))
    K, found = H.mT @ H / width, P.mT @ P / width
    sigma = ((K.diagonal()[:, None] * K.diagonal() + K.square()) / width).sqrt()
    assert ((found - K).abs() <= 5 * sigma).all()
    assert (P.mean(0).abs() <= 5 * (K.diagonal() / width).sqrt()).all()


def check_chunks(name: str = "pissa") -> None:
    """The same runs in one piece, seed by seed, and one by one: the order of additions differs, as
    above."""
    network = small(24, (1000, 1001, 1002))
    factors = several([name, "init_b"], network, (1000, 1001, 1002))
    runs = Runs(
        torch.tensor([0, 1, 0, 1]),
        rates(0.01, 0.02, 0.1, 0.1, seeds=3),
        rates(0.3, 0.02, 0.01, 0.1, seeds=3),
    )
    whole, *parts = (
        engine.train(network, factors, runs, 5, record=(1, 5), chunk=chunk)
        for chunk in (2**21, 5 * 24 * (SAMPLES + 20 * RANK), 3 * 24 * (SAMPLES + 20 * RANK), 1)
    )
    for part in parts:
        for quantity in QUANTITIES:
            assert torch.allclose(
                part[quantity], whole[quantity], rtol=1e5 * EPS, atol=1e3 * EPS
            ), quantity


def check_neighbours(optimizer: str = "adam") -> None:
    """A run is the same alone as beside one of other learning rates and one that leaves the finite
    numbers."""
    network = small()
    factors = several(["init_a", "init_b"], network)
    which, lr_A, lr_B = torch.tensor([0, 1, 0]), (0.01, 0.2, 1e200), (0.1, 0.02, 1e200)
    beside = engine.train(
        network, factors, Runs(which, rates(*lr_A), rates(*lr_B)), 5, optimizer, probe=False
    )
    for i in range(2):
        runs = Runs(which[i : i + 1], rates(lr_A[i]), rates(lr_B[i]))
        alone = engine.train(network, factors, runs, 5, optimizer, probe=False)
        for quantity in QUANTITIES:
            assert torch.allclose(
                alone[quantity][..., 0], beside[quantity][..., i], rtol=1e5 * EPS, atol=1e3 * EPS
            )
    assert all(values[..., 2].isnan().all() for values in beside.values()), (
        "what diverged has no number"
    )


def check_diverged() -> None:
    """Finite at first, then not: NaN in every quantity from there on, though some of them would be
    finite."""
    network = networks.draw(20, (1000,), "mup", SAMPLES)
    factors = several(["init_a"], network, (1000,))
    rate = torch.tensor([[1e-2, 1e30]])
    found = engine.train(
        network, factors, Runs(torch.tensor([0, 0]), rate, rate), 6, record=(1, 2, 3, 6)
    )
    finite = torch.stack([found[quantity].isfinite() for quantity in QUANTITIES])
    assert finite[..., 0].all()
    assert finite[:, 0, 0, 1].all(), "step 1 moves B alone"
    assert not finite[:, 1:, 0, 1].any()


def check_seeds() -> None:
    """A seed fixes samples and target at every width, draws the network anew, and no
    initialization depends on its neighbours."""
    narrow, wide = small(20), small(40)
    assert torch.equal(narrow.y, wide.y)
    assert not torch.equal(narrow.y[0], narrow.y[1])
    assert not torch.equal(narrow.H[0], wide.H[0, :20])
    assert not torch.equal(narrow.H[0], narrow.H[1])
    one, both = (
        several(["init_a", "init_ab"], narrow).A[:, 0],
        several(["init_ab"], narrow).B[:, 0].mT,
    )
    assert not torch.equal(one, both), "each initialization draws its own numbers"
    for i, name in enumerate(INITIALIZATIONS):
        alone, among = several([name], narrow), several(list(INITIALIZATIONS), narrow)
        assert torch.equal(alone.A[:, 0], among.A[:, i])
        assert torch.equal(alone.B[:, 0], among.B[:, i])


# --- the engine is right
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [True, False], ids=["probe", "squares"])
@pytest.mark.parametrize("optimizer", engine.OPTIMIZERS)
@pytest.mark.parametrize("name", INITIALIZATIONS)
def test_training_is_autograd(name, optimizer, probe):
    check_autograd(name, optimizer, probe)


@fresh
@given(
    st.sampled_from(list(INITIALIZATIONS)),
    st.sampled_from(list(engine.OPTIMIZERS)),
    st.booleans(),
    st.integers(1, 9),
    st.sampled_from((0.3, 1.0, 2.0)),
    st.sampled_from(("mup", "standard", "residual")),
    st.sampled_from((1, 2**12, 2**21)),
)
def test_training_is_autograd_whatever_the_sizes(
    name, optimizer, probe, steps, scale, readout, chunk
):
    check_autograd(name, optimizer, probe, steps, scale, readout, chunk)


@pytest.mark.parametrize("name", ["init_a", "init_b", "pissa"])
def test_the_engine_gives_the_losses_of_a_loop_with_an_explicit_weight(name):
    """The frozen weight applied in every forward pass, as one would write it first."""
    network, rate = small(64, (1000,)), 0.02
    W = torch.randn(64, 64, generator=networks.stream(1000, 0), dtype=torch.float64) / 8
    network = network._replace(P=W @ network.H)
    factors = several([name], network, (1000,))
    runs = Runs(torch.tensor([0]), rates(rate, seeds=1), rates(rate, seeds=1))
    found = engine.train(network, factors, runs, 10, probe=False)["loss"].item()
    looped = loop(network, W, lora.Factors(factors.B[0, 0], factors.A[0, 0]), rate, 10)
    assert found == pytest.approx(looped, rel=1e5 * EPS)  # as between the engine and autograd


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_the_frozen_weight_has_its_law(seed):
    check_covariance(seed=seed)


@pytest.mark.parametrize("name", ["init_a", "pissa", "eva"])
def test_chunks_change_nothing(name):
    check_chunks(name)


@pytest.mark.parametrize("optimizer", engine.OPTIMIZERS)
def test_a_run_does_not_depend_on_its_neighbours(optimizer):
    check_neighbours(optimizer)


def test_what_diverges_is_no_number():
    check_diverged()


def test_what_has_diverged_stays_so(monkeypatch):
    """A quantity that comes back into the finite numbers, or never left them, does not count any
    more."""
    found = torch.ones(4, len(QUANTITIES), 1, 2, dtype=torch.float64)
    found[2, 1, 0, 1] = torch.inf
    monkeypatch.setattr(engine, "_chunk", lambda *arguments: iter(found))
    network = small(seeds=(1000,))
    runs = Runs(torch.tensor([0, 0]), rates(1, 1, seeds=1), rates(1, 1, seeds=1))
    values = engine.train(
        network, several(["init_a"], network, (1000,)), runs, 4, record=(1, 2, 3, 4)
    )
    for quantity in QUANTITIES:
        assert values[quantity][:, 0].isnan().tolist() == [
            [False, False],
            [False, False],
            [False, True],
            [False, True],
        ]


def test_a_seed_is_one_problem_at_every_width():
    check_seeds()


@pytest.mark.parametrize("name", ["init_a", "init_b", "gaussian", "orthogonal"])
def test_blind_starts_are_those_of_the_library(name):
    H = small().H[0]
    B, A = initializations.initialize(name, H, RANK, Generator().manual_seed(7))
    known = lora.SCHEMES[name](torch.zeros(20, 20, dtype=H.dtype), RANK, Generator().manual_seed(7))
    assert torch.equal(B, known.B)
    assert torch.equal(A, known.A)


def test_a_start_never_forms_the_weight():
    # 2^17 squared numbers would be 64 GiB
    assert initializations.initialize(
        "init_b", torch.zeros(2**17, 1), 1, Generator().manual_seed(0)
    ).B.shape == (2**17, 1)


def test_eva_is_that_of_the_library():
    """From the factor of the covariance, which is never formed; rounding of two eigen-solvers, gaps
    of order 0.1."""
    H = small(24).H[0]
    stats = Statistics(SAMPLES, H.mean(1), H @ H.mT / SAMPLES, tokens=SAMPLES)
    A = lora.SCHEMES["eva"](torch.zeros(24, 24, dtype=H.dtype), RANK, stats=stats).A
    found = initializations.initialize("eva", H, RANK, Generator().manual_seed(0))
    assert not found.B.any()
    assert torch.allclose(found.A, A, atol=1e4 * EPS)
    whitened = initializations.initialize("eva_whitened", H, RANK, Generator().manual_seed(0)).A @ (
        H - H.mean(1, keepdim=True)
    )
    assert torch.allclose(
        whitened @ whitened.mT / SAMPLES, torch.eye(RANK, dtype=H.dtype), atol=1e4 * EPS
    )


def test_pissa_like_pairs_are_orthonormal_and_balanced():
    H, scale = small(24).H[0], 0.5
    for name in ("pissa", "pissa_aligned"):
        B, A = initializations.initialize(name, H, RANK, Generator().manual_seed(3), scale)
        for gram in (scale * B.mT @ B, scale * A @ A.mT):
            assert torch.allclose(gram, torch.eye(RANK, dtype=H.dtype), atol=1e3 * EPS), name


# --- planted faults
# ----------------------------------------------------------------------------------------------


def upper_root(H: Tensor, rng: Generator) -> Tensor:
    """G chol(K) for G chol(K)^T."""
    K = H.mT @ H / len(H)
    return torch.randn(*H.shape, generator=rng, dtype=H.dtype) @ torch.linalg.cholesky(
        K + EPS * torch.eye(len(K))
    )


def not_over_n(H: Tensor, rng: Generator) -> Tensor:
    return right_product(H * len(H) ** 0.5, rng)


def one_rate(network: Network, *arguments: Any, **options: Any) -> dict[str, Tensor]:
    """Every run at the learning rate of the first."""
    factors, runs, *rest = arguments
    shared = Runs(
        runs.initialization, *(rate[:, :1].expand_as(rate) for rate in (runs.lr_A, runs.lr_B))
    )
    return right_train(network, factors, shared, *rest, **options)


def swapped_rates(network: Network, *arguments: Any, **options: Any) -> dict[str, Tensor]:
    factors, runs, *rest = arguments
    return right_train(
        network, factors, Runs(runs.initialization, runs.lr_B, runs.lr_A), *rest, **options
    )


def forgiving(network: Network, *arguments: Any, **options: Any) -> dict[str, Tensor]:
    """A number for a run that diverged."""
    return {k: v.nan_to_num(1e30) for k, v in right_train(network, *arguments, **options).items()}


def wrong_betas(moved: Sequence[Tensor]) -> FusedAdam:
    return FusedAdam(moved, (0.9, 0.999), engine.TINY)


def usual_epsilon(moved: Sequence[Tensor]) -> FusedAdam:
    return FusedAdam(moved, engine.BETAS, 1e-8)


def one_network(*key: int) -> Generator:
    return Generator().manual_seed(key[0])


def blind_to_overflow(kept: Sequence[Tensor]) -> Tensor:
    return torch.zeros(kept[0].shape[:2], dtype=torch.bool)


right_train = engine.train
FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "the root of K on the wrong side": (networks, "frozen_product", upper_root, check_covariance),
    "K without 1/n": (networks, "frozen_product", not_over_n, check_covariance),
    "one learning rate for all": (
        engine,
        "train",
        one_rate,
        lambda: check_autograd("init_b", "adam", True),
    ),
    "learning rates of A and B swapped": (
        engine,
        "train",
        swapped_rates,
        lambda: check_autograd("init_a", "sgd", False),
    ),
    "a diverged run has a number": (engine, "train", forgiving, check_diverged),
    "a diverged neighbour has a number": (engine, "train", forgiving, check_neighbours),
    "an overflow inside Adam": (engine, "_overflown", blind_to_overflow, check_diverged),
    "another memory of Adam": (
        engine.OPTIMIZERS,
        "adam",
        wrong_betas,
        lambda: check_autograd("eva", "adam", False),
    ),
    "Adam's usual epsilon": (
        engine.OPTIMIZERS,
        "adam",
        usual_epsilon,
        lambda: check_autograd("eva", "adam", False),
    ),
    "one network for all widths": (networks, "stream", one_network, check_seeds),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*FAULTS[fault])


def test_streams_differ_by_key():
    seen = {
        int(np.random.default_rng(networks.stream(*key).initial_seed()).integers(2**62))
        for key in ((1,), (2,), (1, 2), (2, 1), (1, 2, 3))
    }
    assert len(seen) == 5
