"""What every initialization scheme must fulfil, whatever it claims: see
`lora.testing.check_scheme`."""

import inspect
import warnings
from dataclasses import replace

import torch
from torch import Generator

from lora.statistics import merged
from lora.testing.trial import TOLERANCE, Trial, close, same, statistics_of, tensors

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def contract(trial: Trial) -> None:
    _called(trial)
    out, in_ = trial.W.shape
    for dtype in DTYPES:
        try:
            B, A = trial.factors(trial.W.to(dtype))
        except (RuntimeError, ValueError) as error:
            raise AssertionError(
                trial.sentence(f"fails on a weight in {dtype}: {error}")
            ) from error
        for factor, F, size in (("B", B, (out, trial.rank)), ("A", A, (trial.rank, in_))):
            trial.law(F.shape == size, f"{factor} must have shape {size}, got {tuple(F.shape)}")
            trial.law(F.dtype == dtype, f"{factor} must have W's type {dtype}, got {F.dtype}")
            trial.law(F.isfinite().all(), f"{factor} is not finite in {dtype}")
        trial.law(
            (B.norm(dim=0) + A.norm(dim=1) > 0).all(),
            f"a direction is dead, B_i = A_i = 0, in {dtype}",
        )
    _ranks(trial)
    _pure(trial)
    _repeatable(trial)
    if trial.scheme.needs == "nothing":
        trial.law(
            same(trial.factors(), trial.factors(trial.W + 1)),
            "depends on W, but is declared to need nothing",
        )
    B, A = trial.factors()
    if trial.scheme.zero_product:
        trial.law((B @ A).norm() <= TOLERANCE * B.norm() * A.norm(), "B A is not zero")
    if trial.scheme.needs == "inputs":
        try:
            trial.factors(stats=replace(trial.stats, gradient=None, weighted_second_moment=None))
        except (AttributeError, TypeError, ValueError) as error:
            trial.law(False, f"is declared to need inputs alone, and fails on them: {error}")
    _gathered(trial)
    _degenerate(trial)
    _refusals(trial)
    trial.law(
        trial.scheme.zero_product or (B.any() and A.any()),
        "one factor is zero, so B A = 0, and zero_product=True must say so, as models of PEFT are "
        "refused a scheme without it",
    )


def _called(trial: Trial) -> None:
    taken = inspect.signature(trial.scheme.rule)
    stats = taken.parameters.get("stats")
    trial.law(
        trial.scheme.needs_data or stats is None or stats.default is not stats.empty,
        f'takes stats, and must be declared to need "inputs" or "gradient", not '
        f'"{trial.scheme.needs}"',
    )
    wanted = trial.scheme.needs_data or stats is not None
    named = {name: x for name, x in trial.options.items() if name not in trial.scheme.sharing}
    named |= {"stats": trial.stats} if wanted else {}
    try:
        taken.bind(trial.W, trial.rank, Generator(), 1.0, **named)
    except TypeError as error:
        given = "".join(f", {name}" for name in named)
        trial.law(False, f"must be a function of W, rank, rng, scale{given}: {error}")


def _ranks(trial: Trial) -> None:
    for rank in range(1, trial.rank):
        try:
            replace(trial, rank=rank).factors()
        except (RuntimeError, ValueError) as error:
            raise AssertionError(trial.sentence(f"fails at rank {rank}: {error}")) from error


def _pure(trial: Trial) -> None:
    seen = [trial.W, *tensors(trial.stats).values()]
    before = [tensor.clone() for tensor in seen]
    factors = trial.factors()
    trial.law(same(seen, before), "changes the weight or the statistics that it is given")
    shared = {tensor.untyped_storage().data_ptr() for tensor in seen}
    trial.law(
        not shared & {factor.untyped_storage().data_ptr() for factor in factors},
        "a factor shares memory with the weight or the statistics, so training it would change "
        "them",
    )


def _repeatable(trial: Trial) -> None:
    found = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            found.append(trial.factors())
            trial.law(torch.equal(before, torch.get_rng_state()), "draws from the global generator")
    trial.law(same(found[0], found[1]), "two calls with equal arguments differ")
    trial.law(same(found[0], found[2]), "depends on the global generator")


def _gathered(trial: Trial) -> None:
    """The spans and sizes of B and A are the same for the tokens in any order and for shards of
    them, merged in any order: only the rounding of the sums differs."""
    B, A = trial.factors()
    order = torch.randperm(len(trial.x), generator=Generator().manual_seed(5))
    x, g = trial.x[order], trial.g[order]
    cuts = [len(x) // 4, len(x) - len(x) // 4 - 1, 1]
    shards = [statistics_of(*part) for part in zip(x.split(cuts), g.split(cuts), strict=True)]
    for what, stats in (
        ("tokens in another order", statistics_of(x, g)),
        ("shards of the tokens", merged(*shards)),
        ("shards merged in another order", merged(*reversed(shards))),
    ):
        B2, A2 = trial.factors(stats=stats)
        alike = close(B2 @ B2.mT, B @ B.mT) and close(A2.mT @ A2, A.mT @ A)
        trial.law(alike, f"{what} give another initialization")


def _degenerate(trial: Trial) -> None:
    """Weights and statistics that vanish or have rank 1: refused by a ValueError, or given factors
    that can train."""
    W, parts = trial.W, tensors(trial.stats)
    thin = lambda F: torch.outer(F[:, 0], F[0]) if F.ndim == 2 else F
    for what, change in (("zero", torch.zeros_like), ("of rank 1", thin)):
        poor = replace(trial.stats, **{key: change(value) for key, value in parts.items()})
        for where, weight, stats in (("weight", change(W), trial.stats), ("statistics", W, poor)):
            with warnings.catch_warnings():
                # to say what is lacking is as it should be
                warnings.simplefilter("ignore", UserWarning)
                try:
                    B, A = trial.factors(weight, stats)
                except ValueError:
                    continue
            alive = (B.norm(dim=0) + A.norm(dim=1) > 0) & (B.isfinite().all() & A.isfinite().all())
            trial.law(
                alive.all(), f"{where} {what}: a direction is dead (B_i = A_i = 0) or not finite"
            )


def _refusals(trial: Trial) -> None:
    W, scheme, stats, options = trial.W, trial.scheme, trial.stats, trial.options
    for rank in (0, min(W.shape) + 1, True):
        trial.refuses(f"a rank of {rank}", lambda r=rank: scheme(W, r, stats=stats, **options))
    for scale in (0.0, -1.0, float("nan")):
        trial.refuses(f"scale {scale}", lambda s=scale: trial.factors(scale=s))
    trial.refuses("a vector for W", lambda: trial.factors(W[0]))
    if scheme.needs != "nothing":
        trial.refuses("a weight that is NaN", lambda: trial.factors(W * torch.nan))
    if scheme.needs_data:
        trial.refuses("missing statistics", lambda: scheme(W, trial.rank, **options))
        parts = {name: value * torch.nan for name, value in tensors(stats).items()}
        trial.refuses(
            "statistics that are NaN", lambda: trial.factors(stats=replace(stats, **parts))
        )
