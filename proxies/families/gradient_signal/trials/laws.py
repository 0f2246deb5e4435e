"""Laws on synthetic populations: what EVA's rows capture, when that is the optimum, and how samples
err."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, nn

import lora
from lora import SCHEMES, Statistics
from lora.ranks import distribute, variance_scores
from theory.gradient_signal import batch as batch_theory
from theory.gradient_signal import optimum as theory
from theory.gradient_signal import risk

Array = NDArray[np.floating]


def spectrum(width: int, decay: float) -> Array:
    return np.arange(1, width + 1) ** -float(decay)


def basis(width: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((width, width))).Q


def orthonormal(rank: int, width: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((width, rank))).Q.T


def tilted(A: Array, count: int, rng: np.random.Generator) -> list[Array]:
    """Orthonormal rows near to A's, by tilts of 10^-7 to 1: what a wrong last row would lose to."""
    tilts = rng.standard_normal((count, *A.shape)) * 10 ** rng.uniform(-7, 0, (count, 1, 1))
    return list(np.linalg.qr((A + tilts).transpose(0, 2, 1)).Q.transpose(0, 2, 1))


def inputs_of(batches: list[torch.Tensor]) -> Statistics:
    """What the library collects at a linear layer that reads these rows."""
    layer = nn.Linear(batches[0].shape[1], 1, bias=False).to(batches[0].dtype)
    return lora.collect(layer, {"layer": layer}, batches)["layer"]


def tokens_of(x: Array, g: Array) -> Statistics:
    """What the library collects at a layer with inputs x (n, d) and each token's gradient g (n, k)
    at its output."""
    layer = nn.Linear(x.shape[1], g.shape[1], bias=False).double()
    pair = torch.from_numpy(x), torch.from_numpy(g)
    loss = lambda model, pair: (model(pair[0]) * pair[1]).sum() / len(pair[0])
    return lora.collect(layer, {"layer": layer}, [pair], "gradient", loss)["layer"]


def eva(stats: Statistics, rank: int, center: bool = True) -> Array:
    W = torch.zeros(rank, len(stats.mean), dtype=torch.float64)
    return SCHEMES["eva"](W, rank, stats=stats, center=center).A.numpy()


def captured_variance(width: int, rank: int, decay: float, seed: int) -> dict[str, float]:
    """EVA's rows from float32 and bfloat16 inputs in eight batches against a float64 SVD of all of
    them."""
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((16 * width, width)) * np.sqrt(spectrum(width, decay))) @ basis(
        width, rng
    )
    X = (X + rng.standard_normal(width) / np.sqrt(width)).astype(np.float32)
    exact = np.asarray(X, float) - X.mean(0, dtype=float)
    _, S, Vh = np.linalg.svd(exact, full_matrices=False)
    batches = list(torch.from_numpy(X).chunk(8))
    single = eva(inputs_of(batches), rank)
    half = eva(inputs_of([batch.bfloat16() for batch in batches]), rank)
    optimum = (S[:rank] ** 2).sum()
    return {
        "gap": float(1 - S[rank] ** 2 / S[rank - 1] ** 2),
        "deficit": abs(1 - float(np.linalg.norm(exact @ single.T) ** 2 / optimum)),
        "angle": risk.largest_angle(single, Vh[:rank]),
        "deficit of bfloat16": 1 - float(np.linalg.norm(exact @ half.T) ** 2 / optimum),
    }


def sampling(width: int, rank: int, decay: float, tokens: int, seed: int) -> dict[str, float]:
    """The error of EVA's subspace where its rule stops (every cosine to the last batch's rows above
    0.99), and at 4096 tokens beside what two halves predict.

    The population is Gaussian with axis-aligned variances j^-decay.
    """
    rng = np.random.default_rng(seed)
    lam = spectrum(width, decay)
    truth, gram, last, angle = np.eye(width)[:rank], np.zeros((width, width)), None, None
    for _ in range(400):
        X = rng.standard_normal((tokens, width)) * np.sqrt(lam)
        gram += X.T @ X
        rows = theory.top(gram, rank)
        if last is not None and (np.abs((rows * last).sum(1)) >= 0.99).all():
            angle = risk.largest_angle(rows, truth)
            break
        last = rows
    if angle is None:
        raise ValueError(f"the rows still turn after 400 batches of {tokens} tokens")
    X = rng.standard_normal((4096, width)) * np.sqrt(lam)
    stats = [inputs_of([torch.from_numpy(x)]) for x in (X[::2], X[1::2])]
    halves = [eva(half, rank, center=False) for half in stats]
    pooled = eva(lora.merged(*stats), rank, center=False)
    return {
        "angle": angle,
        "predicted": risk.split_half_error(*halves),
        "true": risk.mean_square_sine(pooled, truth),
    }


def token_signal(tokens: int, seed: int) -> dict[str, float]:
    """The signal of EVA's rows where g is independent of x.

    Returns: E|dL/dB|^2 of a sample over E|g|^2 Tr(A M A^T) of the population, with EVA's A of that
    sample; and the share of the largest Tr(A M A^T) of the population.
    """
    d, k, rank = 12, 5, 3
    rng = np.random.default_rng(seed)
    Q = basis(d, rng)
    M = (Q * 2.0 ** -np.arange(d)) @ Q.T
    sizes = np.array([1, 2, 0.5, 0.1, 1])
    x = (rng.standard_normal((tokens, d)) * 2.0 ** (-np.arange(d) / 2)) @ Q.T
    g = rng.standard_normal((tokens, k)) * sizes
    assert len(sizes) == k
    stats = tokens_of(x, g)
    A = eva(stats, rank, center=False)
    assert stats.weighted_second_moment is not None
    measured = theory.signal(A, stats.weighted_second_moment.numpy())
    return {
        "ratio": measured / (float((sizes**2).sum()) * theory.signal(A, M)),
        "share": theory.share(A, M),
    }


def censored(tokens: int, seed: int) -> dict[str, float]:
    """The counter-example with Cov(x, g) = 0: EVA's share at c = 2 and 1.75, and the c at which the
    sample's Q turns."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((tokens, 2)) * [2, 1]
    sign, far = rng.choice([-1.0, 1.0], tokens), np.abs(x[:, 1])

    def moment(c: float) -> Array:
        stats = tokens_of(x, (sign * (far > c))[:, None])
        assert stats.weighted_second_moment is not None
        return stats.weighted_second_moment.numpy()

    # Every entry of Q is a sum over the tokens beyond c: one pass in order of |x_2| gives it for
    # all c.
    order = np.argsort(-far)
    lead = np.cumsum(x[order, 1] ** 2 - x[order, 0] ** 2)
    turn = float(far[order][np.flatnonzero(lead > 0)[-1]])
    rows = eva(tokens_of(x, sign[:, None]), 1, center=False)
    return {**{f"share at {c}": theory.share(rows, moment(c)) for c in (2.0, 1.75)}, "turn": turn}


def batch_flip(batch: int, draws: int, seed: int) -> dict[str, float]:
    """E|dL/dB|^2 of a batch with EVA's row over that with the gradient's singular vector; the
    theory has the two change places at a batch of 7.67.

    S = diag(2, 1), K = diag(0.1, 1), noise 4; both rows are the library's, at rank 1.
    """
    S, D, noise = np.diag([2.0, 1.0]), np.diag(np.sqrt([0.1, 1.0])), 2.0
    Q, G = batch_theory.regression(S, D, noise)
    second, gradient, weighted = (torch.from_numpy(m) for m in (S, G, Q))
    stats = Statistics(1e9, torch.zeros(2).double(), second, gradient, weighted)
    W = torch.zeros(2, 2, dtype=torch.float64)
    first, other = (SCHEMES[name](W, 1, stats=stats).A[0].numpy() for name in ("eva", "lora_ga"))
    other = other / np.linalg.norm(other)
    rng = np.random.default_rng(seed)
    totals = np.zeros(2)
    for _ in range(draws // 50_000):
        x = rng.standard_normal((50_000, batch, 2)) * np.sqrt(np.diag(S))
        g = x @ D.T + np.sqrt(noise) * rng.standard_normal(x.shape)
        gradient = np.matmul(g.transpose(0, 2, 1), x) / batch
        totals += [float(((gradient @ a) ** 2).sum()) for a in (first, other)]
    return {"ratio": float(totals[0] / totals[1])}


def batch_moments(batch: int, draws: int, seed: int) -> dict[str, float]:
    """Relative error of M_n's closed form for a Gaussian regression against `draws` batches."""
    d, k, noise = 6, 4, 0.3
    rng = np.random.default_rng(seed)
    lam, D = 2.0 ** -np.arange(d), rng.standard_normal((k, d))
    found = np.zeros((d, d))
    for _ in range(draws // 10_000):
        x = rng.standard_normal((10_000, batch, d)) * np.sqrt(lam)
        g = x @ D.T + np.sqrt(noise) * rng.standard_normal((10_000, batch, k))
        gradient = np.matmul(g.transpose(0, 2, 1), x) / batch
        found += np.einsum("tkd,tke->de", gradient, gradient)
    expected = batch_theory.batch_moment(*batch_theory.regression(np.diag(lam), D, noise), batch)
    return {"error": float(np.linalg.norm(found / draws - expected) / np.linalg.norm(expected))}


def centring(cases: int, seed: int) -> dict[str, int]:
    """How many random C and means leave the bounds on the price of centring."""
    rng = np.random.default_rng(seed)
    outside = 0
    for _ in range(cases):
        d = int(rng.integers(2, 16))
        rank = int(rng.integers(1, d + 1))
        Z = rng.standard_normal((2 * d, d)) * spectrum(d, rng.uniform(0, 2)) ** 0.5
        Z = Z + rng.uniform(0, 3) * rng.normal(size=d)
        stats = Statistics(len(Z), torch.from_numpy(Z.mean(0)), torch.from_numpy(Z.T @ Z / len(Z)))
        M, A = stats.second_moment.numpy(), eva(stats, rank)
        gap = theory.ky_fan(M, rank) - theory.signal(A, M)
        low, _, high = theory.centring(stats.covariance.numpy(), Z.mean(0), rank)
        rounding = 1e-12 * float(np.trace(M))
        outside += not low - rounding <= gap <= high + rounding
    return {"outside": outside}


def kernel_and_risk(seed: int) -> dict[str, float]:
    """The tangent kernel against the truncated one; the risk of a frozen A against its closed form
    and rivals."""
    d, k, rank, draws = 12, 5, 3, 2000
    rng = np.random.default_rng(seed)
    Q = basis(d, rng)
    X = (rng.standard_normal((400, d)) * 2.0 ** (-np.arange(d) / 2)) @ Q.T
    stats = inputs_of([torch.from_numpy(X)])
    M, A = stats.second_moment.numpy(), eva(stats, rank, center=False)
    U, S, _ = np.linalg.svd(X, full_matrices=False)
    truncated = (U[:, :rank] * S[:rank] ** 2) @ U[:, :rank].T
    D = rng.standard_normal((draws, k, d))
    left = risk.residual(A, M)
    of_eva = np.einsum("nkd,de,nke->n", D, left, D).mean()
    least = risk.least_bayes_risk(M, rank, k)
    others = [*(orthonormal(rank, d, rng) for _ in range(500)), *tilted(A, 500, rng)]
    rivals = [risk.bayes_risk(other, M, k) for other in others]
    return {
        "kernel": float(np.linalg.norm(risk.kernel(A, X) - truncated) / np.linalg.norm(truncated)),
        "risk": float(of_eva / least),
        "rival": float(min(rivals) / least),
    }


def amplification(
    width: int, rank: int, decay: float, draws: int, seed: int
) -> dict[str, list[float]]:
    """E|Ax|^2 of each of some draws of the default initialization over the predicted one, which is
    EVA's divided by 3 (d/r) EVR_r."""
    rng = np.random.default_rng(seed)
    M = np.diag(spectrum(width, decay))
    predicted = theory.amplification(M, rank)
    W = torch.zeros(rank, width, dtype=torch.float64)
    rngs = [Generator().manual_seed(int(s)) for s in rng.integers(2**32, size=draws)]
    signals = [theory.signal(SCHEMES["init_a"](W, rank, draw).A.numpy(), M) for draw in rngs]
    stats = Statistics(1e9, torch.zeros(width).double(), torch.from_numpy(M))
    best = theory.signal(eva(stats, rank), M)
    return {"inverse": [signal * predicted / best for signal in signals]}


def allocation() -> dict[str, float]:
    """The signal with the library's ranks by explained variance over the optimum: exact numbers for
    two layers of one E|g|^2 and a budget of two ranks."""
    spectra = {"large": [10.0, 9.0, 0.1], "small": [1.0, 0.1, 0.01]}
    moments = {
        name: torch.diag(torch.tensor(values, dtype=torch.float64))
        for name, values in spectra.items()
    }
    stats = {n: Statistics(10, torch.zeros(3).double(), S, None, S) for n, S in moments.items()}
    optimum = theory.allocation([np.array(values) for values in spectra.values()], 2)[1]
    ranks = distribute({name: variance_scores(layer, 3) for name, layer in stats.items()}, 2)
    signal = sum(sum(spectra[name][:r]) for name, r in ranks.items())
    return {"explained variance": signal / optimum}
