"""The exact laws of `theory.matfac`, each measured on the engine's own network: one draw a call.

Every law is a function of JSON-like arguments that gives a dictionary of numbers, and `draws` is
the trial that repeats one. The error of a vector is relative to the size of the vector that theory
gives, unless it is said to be absolute.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from proxies.families.matfac.trials.engine import train
from proxies.families.matfac.trials.methods import Direct, Overparam, Params, Sizes
from proxies.families.matfac.trials.optimizers import SGD, Adam
from proxies.families.matfac.trials.replay import params, replay
from proxies.families.matfac.trials.targets import target
from theory.matfac import generator_network as theory

ROWS, COLUMNS, RANK = 24, 16, 3


def problem(seed: int) -> Tensor:
    return target("gauss", ROWS, COLUMNS, RANK, seed)


def initial(method: Overparam | Direct, M: Tensor, seed: int) -> Params:
    return method.initialize(M, RANK, Generator().manual_seed(seed))


def relative(found: NDArray, wanted: NDArray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def identities(
    seed: int, activation: str, rate: float = 0.02, steps: int = 200
) -> dict[str, float]:
    """(1) and (2), largest absolute error over the steps; the rate is one at which ReLUs switch on
    the way."""
    M, method = problem(seed), Overparam("default", activation)  # type: ignore[arg-type]
    run = replay(method, M, RANK, initial(method, M, seed), rate, steps)
    first, change = run.states[0], np.diff(run.theta, axis=0)
    one = [
        theory.one_step(run.states[t].W2, run.h[t], run.h[t + 1], run.g[t], rate)
        for t in range(steps)
    ]
    far = [
        theory.telescoped(first.W2, first.b2, run.h[: t + 1], run.g[:t], rate)
        for t in range(steps + 1)
    ]
    return {
        "one step": float(np.abs(one - change).max()),
        "telescoped": float(np.abs(far - run.theta).max()),
        "switches": run.switches,
    }


def expansion(seed: int) -> dict[str, float]:
    """(3) and (4) after 20 steps, when W2 has grown: three rates, none of which switches a unit."""
    M, method, rates = problem(seed), Overparam("default"), np.array([4e-3, 2e-3, 1e-3])
    state = replay(method, M, RANK, initial(method, M, seed), 0.05, 20).states[-1]
    runs = [replay(method, M, RANK, params(state), rate, 1) for rate in rates]
    terms = theory.expansion(state, runs[0].g[0])
    rests = []
    for order in (1, 2, 3):
        partial = [sum(rate**n * term for n, term in enumerate(terms[:order], 1)) for rate in rates]
        rests.append(
            [
                np.linalg.norm(run.theta[1] - run.theta[0] - p)
                for run, p in zip(runs, partial, strict=True)
            ]
        )
    slope = lambda rest: float(np.polyfit(np.log(rates), np.log(rest), 1)[0])
    level = 1 + float(state.hidden()[0] @ state.hidden()[0])
    eigenvalues = np.linalg.eigvalsh(theory.preconditioner(state)) / level
    return {
        "residual": float(max(rests[2])),
        "first slope": slope(rests[0]),
        "second slope": slope(rests[1]),
        "least eigenvalue": float(eigenvalues[0] - 1),
        "larger eigenvalues": int((eigenvalues > 1 + 1e-9).sum()),
        "switches": sum(run.switches for run in runs),
    }


def conservation(seed: int, rate: float = 1e-2, time: float = 2.0) -> dict[str, float]:
    """(8): how much less the invariants drift at half the rate, and the absolute error of one
    step's exact drift."""
    M, method = problem(seed), Overparam("default")
    runs = [
        replay(method, M, RANK, initial(method, M, seed), r, round(time / r))
        for r in (rate, rate / 2)
    ]
    total, errors = [], []
    for run, r in zip(runs, (rate, rate / 2), strict=True):
        now = [np.append(*theory.invariants(state)) for state in run.states]
        exact = [
            np.append(*theory.drift(state, g, r))
            for state, g in zip(run.states, run.g, strict=False)
        ]
        errors.append(np.abs(np.diff(now, axis=0) - exact).max())
        total.append(np.abs(now[-1] - now[0]))
    return {
        "ratio": float(np.linalg.norm(total[0]) / np.linalg.norm(total[1])),
        "one step": float(max(errors)),
    }


def balanced(seed: int, rate: float = 1e-6) -> dict[str, float]:
    """(9): one step of theta = W2 h from a balanced point, against the two-layer end-to-end
    flow."""
    rng = np.random.default_rng(seed)
    theta, g, v = rng.normal(size=60), rng.normal(size=60), rng.normal(size=5)
    v, size = v / np.linalg.norm(v), np.linalg.norm(theta)
    W2, h = np.outer(theta, v) / np.sqrt(size), np.sqrt(size) * v
    after = (W2 - rate * np.outer(g, h)) @ (h - rate * W2.T @ g)
    return {"error": relative(after - theta, -rate * theory.end_to_end(theta, g, 2))}


def adam(seed: int, rate: float = 1e-3) -> dict[str, float]:
    """(5) on the entries of B, where the first gradient is (A's is zero since B = 0)."""
    M, method = problem(seed), Overparam("bias")
    begin = initial(method, M, seed)
    first = replay(method, M, RANK, begin, rate, 1)
    batch = {name: value[None] for name, value in begin.items()}
    final = train(M, batch, RANK, method, Adam, torch.tensor([rate], dtype=M.dtype), 1).final
    z, W1, b1, W2, b2 = (final[name][0].numpy() for name in ("z", "W1", "b1", "W2", "b2"))
    moved = theory.Generator(z, W1, b1, W2, b2).theta() - first.theta[0]
    h, g, touched = first.h[0], first.g[0], slice(RANK * COLUMNS, None)
    signs = -rate * theory.adam_multiplier(h) * np.sign(g)
    return {
        "error": relative(moved, theory.adam_first_step(h, g, rate)),
        "error of signs": relative(moved[touched], signs[touched]),
        "multiplier": theory.adam_multiplier(h),
    }


def hypergradient(seed: int, reach: float) -> dict[str, float]:
    """(6): two steps on a small target; `reach` is eta (1 + |h|^2) times the mean curvature |A|_F^2
    / r.

    While B = 0 the loss is quadratic in B with curvature A A^T, so reach < 1 keeps the two
    gradients aligned and reach > 1 overshoots. The target is scaled by 1e-3: the law needs eta^2
    |g|^2 |K| to be small.
    """
    M, method = 1e-3 * problem(seed), Overparam("bias")
    begin = initial(method, M, seed)
    h0 = replay(method, M, RANK, begin, 0.0, 0).h[0]
    rate = reach / ((1 + h0 @ h0) * float(begin["b2"].square().sum()) / RANK)
    run = replay(method, M, RANK, begin, rate, 2)
    change = theory.hidden_change(run.states[1], run.h[:1], run.g[:1], run.g[1], rate)
    agreement, growth = run.g[0] @ run.g[1], run.h[2] @ run.h[2] - run.h[1] @ run.h[1]
    return {
        "same sign": float(np.sign(growth) == np.sign(agreement)),
        "agreement": float(agreement / np.linalg.norm(run.g[0]) / np.linalg.norm(run.g[1])),
        "error": relative(run.h[2] - run.h[1], change),
    }


def scale(seed: int, columns: int = 1024) -> dict[str, float]:
    """(10): Var(A) of the default initialization over the prediction, from one draw."""
    method, M = Overparam("default"), torch.zeros(1, columns, dtype=torch.float64)
    first = method.initialize(M, 1, Generator().manual_seed(seed))
    theta = replay(method, M, 1, first, 0.0, 0).theta[0]
    predicted = theory.scale_ratio(
        columns, method.width, method.embedding
    ) ** 2 * theory.lora_variance(columns)
    return {"variance": float(theta[:columns].var() / predicted)}


def safety(seed: int, kind: str) -> dict[str, float]:
    """|B A| at initialization, and after 50 steps the error of the merged weight W + B A against
    the adapter, float32."""
    M, method = problem(seed), Overparam(kind)  # type: ignore[arg-type]
    rate = torch.tensor([0.1], dtype=M.dtype)
    begin = {name: value[None] for name, value in initial(method, M, seed).items()}
    before, after = (train(M, begin, RANK, method, SGD, rate, steps) for steps in (0, 50))
    factors = [method.factors(run.final, Sizes(ROWS, COLUMNS, RANK)) for run in (before, after)]
    rng = Generator().manual_seed(seed)
    W, x = torch.randn(ROWS, COLUMNS, generator=rng), torch.randn(COLUMNS, 64, generator=rng)
    B, A = (factor[0].float() for factor in factors[1][:2])
    merged, adapted = (W + B @ A) @ x, W @ x + B @ (A @ x)
    return {
        "product": float((factors[0][0] @ factors[0][1]).abs().max()),
        "merge": float((merged - adapted).abs().max() / adapted.abs().max()),
    }


def dead(seed: int, rate: float = 0.3, steps: int = 200) -> dict[str, float]:
    """(7): largest absolute difference between a generator network with every unit off and plain
    LoRA from the same initialization."""
    M, method, plain = problem(seed), Overparam("bias"), Direct()
    begin = initial(method, M, seed)
    begin["b1"] = begin["b1"] - 1 - (begin["W1"] @ begin["z"] + begin["b1"]).max().relu()
    run = replay(method, M, RANK, begin, rate, steps)
    batch = {name: value[None] for name, value in initial(plain, M, seed).items()}
    final = train(M, batch, RANK, plain, SGD, torch.tensor([rate], dtype=M.dtype), steps).final
    theta = torch.cat([final["A"].flatten(), final["B"].flatten()]).numpy()
    return {"difference": float(np.abs(run.theta[-1] - theta).max())}


LAWS = {
    law.__name__: law
    for law in (
        identities,
        expansion,
        conservation,
        balanced,
        adam,
        hypergradient,
        scale,
        safety,
        dead,
    )
}


def draws(law: str, count: int, arguments: dict[str, Any]) -> dict[str, list[float]]:
    """`count` draws of one law, seeded from 1000 on, as one list a quantity."""
    found = [LAWS[law](seed=1000 + i, **arguments) for i in range(count)]
    return {name: [draw[name] for draw in found] for name in found[0]}
