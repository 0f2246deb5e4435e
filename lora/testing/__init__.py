"""A battery for initialization schemes, ours or yours: `check_scheme(name_or_scheme)`.

    from lora import Factors, Scheme
    from lora.testing import Laws, check_scheme

    def columns(W, rank, rng, scale):
        return Factors(W[:, :rank].clone(), W.new_zeros(rank, W.shape[1]))

    scheme = Scheme(columns, "weight", "derived", zero_product=True)
    check_scheme(scheme, laws=Laws(weight=(1, 0)))

Every scheme is checked against the contract: a deterministic function of its arguments and its own
generator, which changes none of them, does not depend on the order of the data, gives finite
factors of the right shape and type with no dead direction, and refuses bad input. What a scheme
claims beyond that is a row of `LAWS`, or handed over. A broken law is an AssertionError of one
sentence.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor

from lora.patterns import suggestion
from lora.schemes import SCHEMES, Scheme
from lora.statistics import Statistics
from lora.testing import round_trip
from lora.testing.contract import contract
from lora.testing.judge import declared
from lora.testing.laws import LAWS, Laws
from lora.testing.trial import Trial, same, statistics_of, tokens

__all__ = ["LAWS", "Laws", "check_round_trip", "check_scheme", "sample"]
DRAWS = 3  # of a scheme that draws, on each of which its laws must hold


def check_scheme(
    scheme: str | Scheme,
    *,
    laws: Laws | None = None,
    shape: tuple[int, int] = (24, 16),
    rank: int = 4,
    **options: Any,
) -> None:
    """Check a row of `SCHEMES`, or any other scheme, against the contract and its laws.

    Args:
        scheme: a name, or a `Scheme` of your own.
        laws: by default the scheme's row of `LAWS` where it is named and has its default options,
            and none otherwise.
        shape: (out, in) of the weight; its transpose is checked too.
        rank: r of the factors; that lower ranks are kept is checked too.
        options: those of the scheme.

    Raises: AssertionError naming the law that fails; ValueError for an unknown name. Whether an
        adapter of it is saved, loaded and merged as it should is `check_round_trip`'s question.
    """
    if isinstance(scheme, str) and laws is None and not options:
        laws = LAWS.get(scheme)
    name, row = _row(scheme)
    for each in dict.fromkeys((shape, (shape[1], shape[0]))):
        W, x, g = tokens(each)
        trial = Trial(name, row, rank, options, W, x, g, statistics_of(x, g))
        contract(trial)
        if laws:
            _hold(laws, trial)


def _hold(laws: Laws, trial: Trial) -> None:
    first = trial.factors()
    declared(trial, laws)
    for k in range(1, DRAWS):
        other = replace(trial, seed=trial.seed + k)
        if same(first, other.factors()):
            return  # which draws nothing
        declared(other, laws)


def check_round_trip(scheme: str | Scheme, *, rank: int = 4, **options: Any) -> None:
    """Check a scheme on a whole model, here of two linear layers of at most 16.

    The function at step 0 is the base model's bit for bit in float64, float32, bfloat16 and
    float16; an adapter that was moved, saved and loaded has the same factors and outputs bit for
    bit; and stock PEFT computes the same function from the folder, up to rounding.

    Args:
        scheme: a name, or a `Scheme` of your own.
        rank: r of the factors.
        options: those of the scheme.

    Raises: AssertionError naming what fails, ValueError for an unknown name, and ImportError where
        PEFT is missing.
    """
    round_trip.check(*_row(scheme), rank, options)


def _row(scheme: str | Scheme) -> tuple[str, Scheme]:
    if not isinstance(scheme, str):
        return scheme.rule.__name__, scheme
    if scheme not in SCHEMES:
        known = tuple(SCHEMES)
        hint = suggestion(scheme, known) or f"; known: {', '.join(known)}"
        raise ValueError(f"unknown scheme {scheme!r}{hint}")
    return scheme, SCHEMES[scheme]


def sample(shape: tuple[int, int], seed: int = 0) -> tuple[Tensor, Statistics]:
    """A weight (out, in) and consistent statistics in float64, W and G with evenly spread singular
    values."""
    W, x, g = tokens(shape, seed)
    return W, statistics_of(x, g)
