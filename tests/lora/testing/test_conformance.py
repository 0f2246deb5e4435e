"""The battery over the whole table, and its power: every planted fault is caught by the law that it
breaks."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Generator
from transformers.pytorch_utils import Conv1D

import lora
import lora.storage.saving
import lora.testing.round_trip
from lora import SCHEMES, Factors, Scheme
from lora.parts import Parts
from lora.peft_config import to_peft
from lora.testing import LAWS, Laws, check_round_trip, check_scheme, sample
from lora.testing.laws import error, error_by_inputs, signal_missed, variance_missed

OUTWARDS = replace(
    LAWS["nystrom"], weight=(1, 0), scale=(-1, 0), rotations="left", in_weight="B", sketch="B"
)
every_scheme = pytest.mark.parametrize("name", SCHEMES)
declared = pytest.mark.parametrize("name", [name for name in SCHEMES if name in LAWS])


def test_a_rule_of_other_arguments_is_told_which_it_is_given():
    def three(W, rank, rng):
        return Factors(W[:, :rank].clone(), W[:rank].clone())

    with pytest.raises(AssertionError, match="a function of W, rank, rng, scale: too many"):
        check_scheme(Scheme(three, "weight", "derived"))
    with pytest.raises(AssertionError, match="a function of W, rank, rng, scale, stats: "):
        check_scheme(Scheme(three, "inputs", "derived"))


def test_a_need_that_there_is_not_is_refused():
    """In a process without the type checks of this suite."""
    code = "import lora; lora.Scheme(print, 'none', 'derived')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith(
        "needs must be one of nothing, weight, inputs, gradient, got 'none'\n"
    )


@every_scheme
@pytest.mark.parametrize(
    ("shape", "rank"), [((24, 16), 4), ((7, 7), 3), ((5, 40), 1), ((2, 2), 1), ((64, 6), 3)]
)
def test_every_scheme_keeps_the_contract_and_its_laws(name, shape, rank):
    check_scheme(name, shape=shape, rank=rank)


@declared
def test_laws_hold_at_the_largest_rank(name):
    check_scheme(name, shape=(12, 9), rank=4 if name == "lora_ga" else 9)


@pytest.mark.parametrize(
    ("name", "options", "laws"),
    [
        ("pissa", {"exact": True}, LAWS["pissa"]),
        ("nystrom", {"side": "out"}, OUTWARDS),
        (
            "nystrom_grad",
            {"side": "out", "xi": 0.1},
            replace(LAWS["nystrom_grad"], rotations="left", in_gradient="B"),
        ),
        ("lora_ga", {"gamma": 64.0}, LAWS["lora_ga"]),
        ("tsd_init", {"mode": "abs"}, LAWS["tsd_init"]),
    ],
)
def test_laws_hold_under_other_options(name, options, laws):
    check_scheme(name, laws=laws, **options)


@every_scheme
@pytest.mark.parametrize("rank", [1, 5])
def test_every_scheme_survives_the_round_trip_to_peft(name, rank):
    check_round_trip(name, rank=rank)


def without_the_frozen_start(parts, frozen, ids=None):
    return parts.B, parts.A


def without_the_last_layer(*arguments):
    description = to_peft(*arguments)
    return description | {"target_modules": description["target_modules"][:-1]}


def load_twice_as_large(model, folder):
    lora.load(model, folder)
    with torch.no_grad():
        for layer in lora.adapters(model).values():
            layer.B.mul_(2)


@pytest.mark.parametrize(
    ("where", "fault", "message"),
    [
        (
            Parts,
            ("update", without_the_frozen_start),
            "the function at step 0 is another in torch.float64",
        ),
        (
            lora.storage.saving,
            ("to_peft", without_the_last_layer),
            "stock PEFT computes another function from what is saved",
        ),
        (
            lora.testing.round_trip,
            ("load", load_twice_as_large),
            "saved and loaded, it computes another function",
        ),
    ],
)
def test_a_fault_on_the_way_to_peft_is_caught(monkeypatch, where, fault, message):
    monkeypatch.setattr(where, *fault)
    with pytest.raises(AssertionError, match=f"pissa, rank 4: {message}"):
        check_round_trip("pissa")


def test_a_foreign_scheme_takes_the_round_trip_too():
    check_round_trip(Scheme(columns, "weight", "derived", zero_product=True))
    check_round_trip(Scheme(nearly_the_best, "inputs", "derived", zero_product=True), rank=2)


@every_scheme
def test_conv1d_starts_as_the_equivalent_linear(name):
    """P15: one matrix in two layouts, whose inputs and gradients differ by the order of float32
    sums alone."""
    x = torch.randn(64, 12, generator=Generator().manual_seed(1))
    W = sample((18, 12))[0].float()
    conv, linear = Conv1D(18, 12), torch.nn.Linear(12, 18, bias=False)
    conv.weight, linear.weight = torch.nn.Parameter(W.mT.clone()), torch.nn.Parameter(W.clone())
    starts = []
    for layer in (conv, linear):
        model = torch.nn.Sequential(layer)
        lora.attach(
            model, lora.Config(rank=3, scheme=name), [x], lambda model, x: (model(x) ** 3).mean()
        )
        starts.append(lora.adapters(model)["0"].factors())
    for ours, theirs in zip(*starts, strict=True):
        # evenly spread singular values: rounding turns a factor by some 12 eps over gaps of 1/12
        # and more
        assert (ours - theirs).norm() <= 1000 * torch.finfo(torch.float32).eps * theirs.norm()


def test_laws_belong_to_schemes():
    assert LAWS.keys() <= SCHEMES.keys()


def start(W, rank, rng, scale, **options):
    """A sound rule: orthonormal rows of A at random, B = 0."""
    A = torch.linalg.qr(torch.randn(W.shape[1], rank, generator=rng, dtype=W.dtype)).Q.mT
    return Factors(W.new_zeros(W.shape[0], rank), A)


def reads_the_global_generator(W, rank, rng, scale):
    state = torch.get_rng_state()
    A = torch.randn(rank, W.shape[1], dtype=W.dtype)
    torch.set_rng_state(state)
    return Factors(W.new_zeros(W.shape[0], rank), A)


def moves_the_global_generator(W, rank, rng, scale):
    torch.rand(1)
    return start(W, rank, rng, scale)


def is_not_deterministic(W, rank, rng, scale):
    return start(W, rank, Generator().manual_seed(Generator().seed() >> 1), scale)


def changes_the_weight(W, rank, rng, scale):
    W[0, 0] += 1
    return start(W, rank, rng, scale)


def changes_the_statistics(W, rank, rng, scale, stats):
    stats.mean.mul_(2)
    return start(W, rank, rng, scale)


def gives_a_view_of_the_weight(W, rank, rng, scale):
    return Factors(W[:, :rank], W.new_zeros(rank, W.shape[1]))


def has_the_wrong_shape(W, rank, rng, scale):
    return start(W, min(rank + 1, *W.shape), rng, scale)


def has_transposed_factors(W, rank, rng, scale):
    B, A = start(W, rank, rng, scale)
    return Factors(A.mT.contiguous(), B.mT.contiguous())


def has_transposed_factors_alone(W, rank, rng, scale):
    B, A = start(W, rank, rng, scale)
    return Factors(B, A.mT)


def has_four_rows(W, rank, rng, scale):
    return start(W, 4, rng, scale)


def gives_nothing(W, rank, rng, scale):
    start(W, rank, rng, scale)


def needs_float64(W, rank, rng, scale):
    return start(W @ torch.eye(W.shape[1], dtype=torch.float64), rank, rng, scale)


def overflows_in_half_precision(W, rank, rng, scale):
    B, A = start(W, rank, rng, scale)
    return Factors(B, 1e6 * A)


def depends_on_the_weight(W, rank, rng, scale):
    B, A = start(W, rank, rng, scale)
    return Factors(B, A * W.norm())


def depends_on_the_order_of_the_data(W, rank, rng, scale, stats):
    seed = int(stats.second_moment.view(torch.int64).sum()) & 0xFFFF  # of the last bits
    return start(W, rank, Generator().manual_seed(seed), scale)


def trusts_the_statistics(W, rank, rng, scale, stats):
    B, A = start(W, rank, rng, scale)
    return Factors(B, A + stats.mean.norm().to(W.dtype))


@pytest.mark.parametrize(
    ("rule", "needs", "message"),
    [
        (reads_the_global_generator, "weight", "depends on the global generator"),
        (moves_the_global_generator, "weight", "draws from the global generator"),
        (is_not_deterministic, "weight", "two calls with equal arguments differ"),
        (changes_the_weight, "weight", "changes the weight or the statistics"),
        (changes_the_statistics, "inputs", "changes the weight or the statistics"),
        (gives_a_view_of_the_weight, "weight", "shares memory with the weight"),
        (has_the_wrong_shape, "weight", r"B must have shape \(24, 4\), got \(24, 5\)"),
        (has_transposed_factors, "weight", r"B must have shape \(24, 4\), got \(16, 4\)"),
        (has_transposed_factors_alone, "weight", r"A must have shape \(4, 16\), got \(16, 4\)"),
        (
            has_four_rows,
            "weight",
            r"fails at rank 1: .* B must have shape \(24, 1\), got \(24, 4\)",
        ),
        (gives_nothing, "weight", r"must give Factors\(B, A\), got None"),
        (trusts_the_statistics, "nothing", 'must be declared to need "inputs" or "gradient"'),
        (overflows_in_half_precision, "weight", "A is not finite in torch.float16"),
        (depends_on_the_weight, "nothing", "depends on W, but is declared to need nothing"),
        (
            depends_on_the_order_of_the_data,
            "inputs",
            "tokens in another order give another initialization",
        ),
        (trusts_the_statistics, "inputs", "must refuse statistics that are NaN"),
    ],
)
def test_a_planted_fault_is_caught(rule, needs, message):
    # the rule without the fault passes
    check_scheme(Scheme(start, "weight", "derived", zero_product=True))
    with pytest.raises(AssertionError, match=f"^{rule.__name__} at W .* rank 4: .*{message}"):
        check_scheme(Scheme(rule, needs, "derived"))


def test_a_scheme_that_reads_more_than_it_declares_is_caught():
    with pytest.raises(AssertionError, match=r"needs stats\.gradient, which was not collected"):
        check_scheme(Scheme(SCHEMES["lora_one"].rule, "inputs", "derived"))


def test_a_scheme_of_inputs_that_reads_the_gradient_is_caught():
    def rule(W, rank, rng, scale, stats):
        return Factors(W.new_zeros(len(W), rank), stats.gradient.mT.mean(1).expand(rank, -1))

    with pytest.raises(AssertionError, match="declared to need inputs alone, and fails on them"):
        check_scheme(Scheme(rule, "inputs", "derived"))


def test_a_name_stands_for_its_row_of_laws(monkeypatch):
    """And for none where other laws or other options are asked for."""
    monkeypatch.setitem(LAWS, "gaussian", Laws(weight=(0, 1)))
    monkeypatch.setitem(LAWS, "nystrom", Laws(weight=(0, 0)))
    for name in ("gaussian", "nystrom"):
        with pytest.raises(AssertionError, match="does not take A to c"):
            check_scheme(name)
    check_scheme("gaussian", laws=Laws())
    check_scheme("nystrom", xi=2.0)


def test_a_scheme_that_works_in_one_type_alone_is_caught():
    with pytest.raises(
        AssertionError,
        match=r"needs_float64 at .* fails on a weight in torch.float32: .*same dtype",
    ):
        check_scheme(Scheme(needs_float64, "weight", "derived"))


class Unguarded(Scheme):
    """A foreign scheme that does not go through the checks of `Scheme`."""

    def __call__(self, W, rank, rng=None, stats=None, scale=1.0, **options):
        return self.rule(W, rank, rng or Generator().manual_seed(0), scale, stats)


def in_float64(W, rank, rng, scale, stats=None):
    return Factors(*(factor.double() for factor in start(W.double(), rank, rng, scale)))


def is_dead_where_the_weight_is_zero(W, rank, rng, scale, stats=None):
    U, S, Vh = torch.linalg.svd(W.double(), full_matrices=False)
    root = (S[:rank] / scale).sqrt()
    return Factors((U[:, :rank] * root).to(W.dtype), (root[:, None] * Vh[:rank]).to(W.dtype))


def is_dead_in_float16(W, rank, rng, scale, stats=None):
    B, A = in_float64(W, rank, rng, scale)
    alive = torch.arange(rank) >= (W.dtype == torch.float16)
    return Factors((B * alive).to(W.dtype), (A * alive[:, None]).to(W.dtype))


def takes_any_rank(W, rank, rng, scale, stats=None):
    B, A = start(W.double(), rank, rng, scale)
    return Factors(B.to(W.dtype), A.to(W.dtype))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (in_float64, "B must have W's type torch.float32, got torch.float64"),
        (is_dead_where_the_weight_is_zero, "weight zero: a direction is dead"),
        (is_dead_in_float16, "a direction is dead, B_i = A_i = 0, in torch.float16"),
        (takes_any_rank, "must refuse a rank of 0 with a ValueError"),
    ],
)
def test_a_fault_that_scheme_itself_prevents_is_caught_too(rule, message):
    with pytest.raises(AssertionError, match=message):
        check_scheme(Unguarded(rule, "weight", "derived"))


@declared
@pytest.mark.parametrize("law", ["weight", "gradient", "scale"])
def test_a_wrong_exponent_is_caught(name, law):
    with pytest.raises(AssertionError, match=r"does not take [AB] to c\^"):
        check_scheme(name, laws=replace(LAWS[name], **{law: (0.3, 0.7)}))


@pytest.mark.parametrize(
    ("name", "claim", "message"),
    [
        ("olora", Laws(balanced=True), r"B\^T B and A A\^T differ"),
        ("milora", Laws(least=error), "has error .* where a rival has"),
        ("nystrom", Laws(orthonormal="A"), "A is not orthonormal"),
        ("nystrom", Laws(orthonormal="B"), "B is not orthonormal"),  # it is zero
        ("pissa", Laws(orthonormal="AB"), "B is not orthonormal"),
        ("olora", Laws(rotations="both"), "does not follow a rotation on the right"),
        ("init_b", Laws(rotations="left"), "B does not follow a rotation on the left"),
        ("init_a", Laws(rotations="both"), "A does not follow a rotation on the right"),
        (
            "pissa",
            Laws(rotations="left"),
            "follows a rotation on the right too, where only the other is declared",
        ),
        ("mica", Laws(rotations="right"), "follows a rotation on the left too"),
        ("pissa", Laws(least=error_by_inputs), "has error_by_inputs .* where a rival has"),
        ("corda", Laws(least=error), "has error .* where a rival has"),
        (
            "gradient_signal",
            Laws(least=variance_missed),
            "has variance_missed .* where a rival has",
        ),
        ("eva", Laws(least=signal_missed), "has signal_missed .* where a rival has"),
        ("orthogonal", Laws(in_weight="A"), "A leaves the row space of W"),
        ("mica", Laws(in_weight="B"), "B leaves the range of W"),
        ("pissa", Laws(in_gradient="B"), "B leaves the range of G"),
        ("eva", Laws(in_gradient="A"), "A leaves the row space of G"),
        ("pissa", Laws(sketch="A"), "A is not N W"),
        ("init_b", Laws(sketch="B"), "B is not W N"),
    ],
)
def test_a_false_claim_is_caught(name, claim, message):
    with pytest.raises(AssertionError, match=message):
        check_scheme(name, laws=claim)


def test_a_false_claim_of_a_zero_product_is_caught():
    with pytest.raises(AssertionError, match="B A is not zero"):
        check_scheme(replace(SCHEMES["pissa"], zero_product=True))
    with pytest.raises(AssertionError, match="B A = 0, and zero_product=True must say so"):
        check_scheme(replace(SCHEMES["nystrom"], zero_product=False))


@every_scheme
def test_a_row_says_whether_the_product_is_zero(name):
    W, stats = sample((16, 8))
    assert SCHEMES[name].zero_product == (SCHEMES[name](W, 2, stats=stats).frozen() is None)


def nearly_the_best(W, rank, rng, scale, stats):
    A = SCHEMES["eva"](W, rank, rng, stats).A.double()
    K = torch.randn(len(A.mT), len(A.mT), generator=rng, dtype=torch.float64)
    return Factors(
        W.new_zeros(W.shape[0], rank), (A @ torch.matrix_exp(1e-3 * (K - K.mT))).to(W.dtype)
    )


def test_a_tilt_by_a_thousandth_is_not_the_best():
    scheme = Scheme(nearly_the_best, "inputs", "derived", zero_product=True)
    check_scheme(scheme, laws=Laws(orthonormal="A"))
    with pytest.raises(
        AssertionError, match=r"nearly_the_best at W .* has variance_missed .* where a rival has"
    ):
        check_scheme(scheme, laws=Laws(least=variance_missed))


def half_of_the_rank(W, rank, rng, scale):
    B, A = start(W, rank, rng, scale)
    A = A.clone()
    A[-1] = A[0]
    return Factors(B, A)


def test_a_generator_that_is_not_used_is_caught():
    def alone(W, rank, rng, scale):
        return start(W, rank, Generator().manual_seed(0), scale)

    scheme = Scheme(alone, "nothing", "derived", zero_product=True)
    check_scheme(scheme)
    with pytest.raises(AssertionError, match="is the same with every seed of the random generator"):
        check_scheme(scheme, laws=Laws(random=True))


def test_a_law_that_holds_for_one_draw_in_two_is_caught():
    def at_times(W, rank, rng, scale):
        B, A = start(W, rank, rng, scale)
        lucky = torch.rand(1, generator=Generator().manual_seed(rng.initial_seed())) < 0.56
        return Factors(B, A if lucky else A * torch.arange(1, rank + 1)[:, None].to(W.dtype))

    scheme = Scheme(at_times, "nothing", "derived", zero_product=True)
    check_scheme(scheme)
    with pytest.raises(AssertionError, match="A is not orthonormal"):
        check_scheme(scheme, laws=Laws(orthonormal="A"))


def test_a_name_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="unknown scheme 'pisa'; did you mean 'pissa'"):
        check_scheme("pisa")
    with pytest.raises(ValueError, match="unknown scheme 'pisa'; did you mean 'pissa'"):
        check_round_trip("pisa")


def test_a_lack_of_rank_is_caught():
    scheme = Scheme(half_of_the_rank, "weight", "derived", zero_product=True)
    check_scheme(scheme)
    with pytest.raises(AssertionError, match="A must have full rank, got 3"):
        check_scheme(scheme, laws=Laws())


def columns(W, rank, rng, scale):
    return Factors(W[:, :rank].clone(), W.new_zeros(rank, W.shape[1]))


def test_a_scheme_from_elsewhere_can_declare_its_laws():
    check_scheme(
        Scheme(columns, "weight", "derived", zero_product=True),
        laws=Laws(weight=(1, 0), rotations="left"),
    )
    with pytest.raises(AssertionError, match="columns at W"):
        check_scheme(
            Scheme(columns, "weight", "derived", zero_product=True), laws=Laws(rotations="both")
        )


@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (4, 9)])
def test_sample_statistics_are_consistent(shape):
    _, stats = sample(shape)
    G, M, Q = stats.gradient, stats.second_moment, stats.weighted_second_moment
    assert G is not None
    assert Q is not None
    # Jensen: tr Q = E[|g|^2 |x|^2] is at least |E[g x^T]|_F^2, and Q, M and the covariance are
    # positive semidefinite
    assert Q.trace() >= G.square().sum()
    for moment in (Q, M, stats.covariance):
        assert (
            torch.equal(moment, moment.mT)
            or (moment - moment.mT).abs().max() <= 1e-14 * moment.abs().max()
        )
        assert torch.linalg.eigvalsh(moment).min() > 0


def test_the_round_trip_names_the_extra_that_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"check_round_trip needs peft: .*loralab\[llm\]"):
        check_round_trip("init_a")


def test_the_battery_needs_no_test_runner():
    others = {"pytest", "hypothesis", "numpy.testing"}
    code = f"import sys, lora.testing; print({others} & sys.modules.keys())"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
