"""The defects D1 to D15 of PEFT 0.21.2, each as the situation in which it fails and what happens
here instead.

D12, an adapter on a tied weight that is merged into both ends, is the subject of test_tied.py.
"""

import itertools
import math
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn
from transformers.pytorch_utils import Conv1D

import lora
from lora import SCHEMES, Config, Statistics
from lora.layer import weight_of
from lora.ranks import with_ranks
from tests.support.models import IDS, TOKENS, data_for, llama, photograph, shake, small, twin

EPS32, EPS64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*directions asked for.*:UserWarning"),
]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=dtype)


def wrapped(**options: Any) -> Any:
    """A model that PEFT has given an adapter, in train mode."""
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | options
    return peft.get_peft_model(llama(), peft.LoraConfig(**settings)).train()


def never() -> Any:
    raise AssertionError("the data is not read")
    yield


@pytest.mark.parametrize("rho", [1.0, 2.0])
def test_d01_fewer_tokens_than_components_ends_and_says_so(rho):
    """PEFT's EVA loops for ever where a batch has fewer tokens than round(rho r) components."""
    model, config = (
        small(),
        Config(rank=6, scheme="eva", target_modules=("up",), scheme_options={"rho": rho}),
    )
    with pytest.warns(
        UserWarning,
        match=r"up: the inputs vary in only 2 of the 6 directions asked for \(3 tokens\)",
    ):
        lora.attach(model, config, [IDS[:1, :3]])
    A = lora.adapters(model)["up"].A
    # float32 rows, cast once
    assert (A @ A.mT - torch.eye(6)).abs().max() <= 10 * EPS32


def test_d02_an_endless_loader_whose_directions_keep_turning_ends_at_the_cap():
    """PEFT's EVA has no cap: it goes round the loader until no singular vector turns any more."""
    drawn = itertools.count()
    batches = (torch.randint(0, 64, (1, 3), generator=Generator().manual_seed(i)) for i in drawn)
    lora.initialize_peft(wrapped(target_modules=["q_proj"]), "eva", batches, rho=2.0)
    assert next(drawn) == 256, "the default of max_batches, and not one batch more"


@pytest.mark.parametrize("rank_stabilized", [False, True])
def test_d03_the_scale_stays_what_the_user_asked_for(rank_stabilized):
    """PEFT's EVA multiplies alpha by r_new / r under rsLoRA too, so that s grows with
    sqrt(r_new)."""
    config = Config(
        rank=4,
        alpha=8.0,
        rank_stabilized=rank_stabilized,
        rank_pattern={"up": 2},
        alpha_pattern={"up": 3},
    )
    new = {"a.up": 1, "a.down": 3, "b.up": 0, "b.down": 8}
    changed = with_ranks(config, new)
    for name, rank in new.items():
        assert changed.rank_of(name) == rank
        if rank:
            asked = config.scale_of(name, config.rank_of(name))
            assert abs(changed.scale_of(name, rank) / asked - 1) <= 8 * EPS64
    assert (changed.rank_of("c.up"), changed.alpha_of("c.up")) == (2, 3), (
        "of other layers all is as it was"
    )
    with pytest.raises(ValueError, match="every layer would get rank 0"):
        with_ranks(config, {"a.up": 0})


def failing_batches() -> Any:
    yield TOKENS
    raise KeyboardInterrupt


@pytest.mark.parametrize("scheme", ["eva", "gradient_signal"])
def test_d04_an_interrupted_pass_leaves_no_hook_and_no_mode_behind(scheme):
    """PEFT's EVA leaves its hooks and eval() on the model after an exception."""
    model = wrapped()
    before, config = photograph(model), model.peft_config["default"].to_dict()
    with pytest.raises(KeyboardInterrupt):
        lora.initialize_peft(
            model, scheme, failing_batches(), data_for(llama())["loss_fn"], rho=2.0
        )
    assert photograph(model) == before
    assert model.peft_config["default"].to_dict() == config


def test_d05_a_generator_will_do():
    """PEFT's EVA needs len(loader), so it refuses generators and iterable datasets."""
    one, two = wrapped(), wrapped()
    lora.initialize_peft(one, "eva", [TOKENS[:1], TOKENS[1:]])
    lora.initialize_peft(two, "eva", (row for row in TOKENS[:, None]))
    assert photograph(one)[2] == photograph(two)[2], "the same bits"


def of(X: Tensor) -> Statistics:
    return Statistics(len(X), X.mean(0), X.mT @ X / len(X))


def test_d06_centred_and_uncentred_differ_and_each_is_what_it_says():
    """PEFT's EVA is centred without saying so; the paper's theorem is about uncentred inputs.

    On data with a strong mean the uncentred first row is the mean's direction; the centred one
    avoids it.
    """
    X = normal(2000, 8, seed=3, dtype=torch.float64) * torch.linspace(1, 2, 8)
    mean = 30 * torch.nn.functional.one_hot(torch.tensor(0), 8).double()
    X = X - X.mean(0) + mean
    row = lambda center: SCHEMES["eva"](
        torch.zeros(8, 8).double(), 1, stats=of(X), center=center
    ).A[0]
    cosine = lambda a: (a @ mean / mean.norm()).abs().item()
    # the mean carries 900 against a variance below 5, whose correlation with it was taken out
    # exactly
    assert cosine(row(False)) > 0.999
    # the largest variance lies along the last axis: sampled axes tilt by about sqrt(var1 var2 / n)
    # / gap < 0.05
    assert cosine(row(True)) < 0.2
    assert torch.equal(
        row(True), SCHEMES["eva"](torch.zeros(8, 8).double(), 1, stats=of(X)).A[0]
    ), "the default"


def corda(batches: list[Tensor], mode: str) -> Tensor:
    """The start s B A that CorDA gives a linear layer on these inputs."""
    linear = nn.Linear(6, 5)
    linear.weight = nn.Parameter(normal(5, 6, seed=9))
    model = nn.Sequential(linear)
    lora.attach(
        model, Config(rank=2, alpha=2.0, scheme="corda", scheme_options={"mode": mode}), batches
    )
    layer = lora.adapters(model)["0"]
    assert layer.B0 is not None
    assert layer.A0 is not None
    return layer.B0 @ layer.A0


@pytest.mark.parametrize("mode", ["ipm", "kpm", "sqrt"])
def test_d07_corda_takes_batches_of_any_size_sign_and_unit(mode, monkeypatch):
    """PEFT's CorDA takes one sequence at a time, imports a package that it does not declare, and
    divides the inputs by |max x|, which may be near 0 where max |x| is not, and is 0 for inputs of
    zeros."""
    monkeypatch.setitem(sys.modules, "attr", None)  # an import of it would fail
    # batch, tokens, width: the largest entry is far smaller than the largest magnitude
    X = normal(4, 7, 6) - 2
    start = corda([X], mode)
    # float32 inputs, and factors that go through P and back: its condition number is at most in /
    # 0.01
    bar = 600 * 10 * EPS32 * start.abs().max()
    for same in ([X[:1], X[1:]], [-X], [1000 * X], [X.view(28, 6)]):
        assert (corda(same, mode) - start).abs().max() <= bar
    nothing = corda([torch.zeros(4, 6)], mode)
    best = SCHEMES["milora" if mode == "kpm" else "pissa"](normal(5, 6, seed=9), 2)
    assert (nothing - best.B @ best.A).abs().max() <= bar, "no inputs: the weight alone decides"


@pytest.mark.parametrize(
    ("loss_fn", "message"),
    [
        (lambda m, ids: m(ids).sum().detach(), "the loss does not depend on any of the layers"),
        (lambda m, ids: m(ids).sum() * 0, "up: lora_ga: stats.gradient is zero throughout"),
        (
            lambda m, ids: (m(ids), m.up(torch.ones(1, 12)).sum())[1],
            "down: no gradient reached the layer",
        ),
    ],
)
def test_d08_a_pass_without_gradients_is_refused(loss_fn, message):
    """PEFT's LoRA-GA accepts a train_step that makes no gradient, and silently gives the default
    start."""
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(
            model, Config(rank=1, scheme="lora_ga", target_modules=("up", "down")), [IDS], loss_fn
        )
    assert photograph(model) == before


def ga_in_peft(weight: Tensor, x: Tensor, loss_scale: float) -> Tensor:
    """B of PEFT's LoRA-GA, for the mean of the squared outputs as the loss."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.clone())
    model: Any = nn.Sequential(linear)
    config = peft.LoraConfig(
        r=3,
        target_modules=["0"],
        init_lora_weights="lora_ga",  # type: ignore[arg-type]
        lora_ga_config=peft.LoraGAConfig(),
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its hooks, and of a base weight that it changes
        peft.tuners.lora.preprocess_loraga(
            model, config, lambda: (loss_scale * model(x).square().mean()).backward()
        )
        torch.manual_seed(0)  # its svd_lowrank draws from the global generator
        adapted: Any = peft.get_peft_model(model, config)
    return adapted.base_model.model[0].lora_B["default"].weight.detach()


def ga_here(layer: nn.Module, x: Tensor, loss_scale: float = 1.0) -> tuple[Tensor, Tensor]:
    model = nn.Sequential(layer)
    lora.attach(
        model, Config(rank=3, scheme="lora_ga"), [x], lambda m, x: loss_scale * m(x).square().mean()
    )
    adapter = lora.adapters(model)["0"]
    return adapter.B.detach(), adapter.A.detach()


def linear(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.clone())
    return layer


@pytest.mark.parametrize("loss_scale", [10.0, 100.0])
def test_d09_lora_ga_does_not_grow_with_the_loss(loss_scale):
    """PEFT's "stable" scale keeps the singular values of the gradient in B, which so grows with the
    loss.

    The paper's start has |A| = |B| = c sqrt(r) at any scale, c = out^(1/4) / sqrt(16).
    """
    x, weight = normal(64, 16), normal(12, 16, seed=1)
    # float32 singular values: a few eps, 1e-4 is far above and far below the factor of 10
    assert (
        abs(
            ga_in_peft(weight, x, loss_scale).norm()
            / ga_in_peft(weight, x, 1.0).norm()
            / loss_scale
            - 1
        )
        <= 1e-4
    )
    for factor in ga_here(linear(weight), x, loss_scale):
        assert abs(factor.norm() - (12**0.5 / 16 * 3) ** 0.5) <= 1e-5


def test_d09_lora_ga_takes_other_singular_pairs_for_b_than_for_a():
    """PEFT's "random" direction takes the same pairs for both, so that the first step sees half as
    many."""
    weight, x = normal(12, 16, seed=1), normal(64, 16)
    B, A = ga_here(linear(weight), x)
    G = 2 * (x @ weight.mT).mT @ x / (64 * 12)
    # u_i^T G v_j = 0 for other pairs i and j; an eps of |G|, c^2 = 0.2 in front
    assert (B.mT @ G @ A.mT).norm() <= 100 * EPS32 * G.norm()
    assert (B.mT @ G).norm() > 0.1 * G.norm() * B.norm() / 12**0.5, "though B sees the gradient"


def test_d09_lora_ga_on_a_conv1d_is_that_of_the_linear_layer():
    """PEFT reads out_features as W.shape[0], which for a Conv1D is the number of inputs."""
    weight, x = normal(12, 16, seed=1), normal(64, 16)
    conv = Conv1D(12, 16)
    conv.weight, conv.bias = nn.Parameter(weight.mT.contiguous()), nn.Parameter(torch.zeros(12))
    for ours, expected in zip(ga_here(conv, x), ga_here(linear(weight), x), strict=True):
        # two float32 products of another order, and singular vectors: eps over a relative gap of
        # some percent
        assert (ours.abs() - expected.abs()).norm() <= 1e-3 * expected.norm()


@pytest.mark.parametrize("scheme", ["pissa", "milora", "olora", "corda"])
def test_d10_a_weight_of_zeros_is_no_dead_point(scheme):
    """PEFT's PiSSA on W = 0 starts at A = B = 0, where both gradients vanish for ever."""
    model = nn.Sequential(linear(torch.zeros(8, 6)))
    x, y = normal(20, 6), normal(20, 8, seed=1)
    lora.attach(model, Config(rank=3, alpha=3.0, scheme=scheme), [x])
    layer = lora.adapters(model)["0"]
    begin = [layer.B.detach().clone(), layer.A.detach().clone()]
    assert not model(x).any(), "the function at step 0 is that of W = 0"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # a factor that is zero holds back the other's gradient for one step
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    for factor, start in zip((layer.B, layer.A), begin, strict=True):
        moved = (factor - start).norm(dim=0 if factor is layer.B else 1)
        assert (moved > 0).all(), "every direction of both factors"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scheme", ["pissa", "olora", "corda", "lora_ga"])
def test_d11_a_start_in_half_precision_is_exactly_the_pretrained_function(scheme, dtype):
    """PEFT subtracts s B A from a weight of that precision: the outputs at step 0 are off by 5e-4
    to 5e-3."""
    model = llama().to(dtype)
    expected = model(TOKENS).logits
    lora.attach(model, Config(rank=4, scheme=scheme), **data_for(model))
    assert any(layer.B0 is not None for layer in lora.adapters(model).values())
    assert torch.equal(model(TOKENS).logits, expected)


UP = "base_model.model.model.layers.0.mlp.up_proj"
Tensors = dict[str, Tensor]


def poison(tensors: Tensors) -> None:
    tensors[f"{UP}.lora_A.weight"][0, 0] = torch.nan


def overflow(tensors: Tensors) -> None:
    tensors[f"{UP}.lora_B.weight"][0, 0] = torch.inf


def drop_half(tensors: Tensors) -> None:
    for key in [key for key in tensors if "layers.0" in key]:
        del tensors[key]


def rename(tensors: Tensors) -> None:
    tensors[f"{UP}s.lora_A.weight"] = tensors.pop(f"{UP}.lora_A.weight")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (poison, f"{UP}.lora_A.weight has 1 entries that are NaN or infinite"),
        (overflow, f"{UP}.lora_B.weight has 1 entries that are NaN or infinite"),
        (drop_half, r"lacks base_model.model.model.layers.0.* \(14 missing in all\)"),
        (rename, f"lacks {UP}.lora_A.weight"),
    ],
)
def test_d13_a_damaged_adapter_of_peft_s_is_refused(
    tmp_path, damage: Callable[[Tensors], None], message
):
    """PEFT loads an adapter with NaN silently, and one without half of its keys with a warning."""
    model: Any = shake(wrapped())
    model.save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    damage(tensors)
    save_file(tensors, file, {"format": "pt"})
    untouched = llama()
    before = photograph(untouched)
    with pytest.raises(ValueError, match=message):
        lora.load(untouched, tmp_path)
    assert photograph(untouched) == before


def saved(folder: Path) -> tuple[nn.Module, dict[str, bytes]]:
    model = small()
    lora.attach(model, Config(rank=3, scheme="pissa"))
    lora.save(shake(model), folder)
    return model, {file.name: file.read_bytes() for file in folder.iterdir()}


def test_d13_every_flipped_bit_is_noticed(tmp_path):
    """PEFT loads an adapter with a flipped byte silently. Bytes here are flipped all through our
    own file."""
    saved(tmp_path)
    file, model = tmp_path / "adapter_model.safetensors", small()
    content, before = file.read_bytes(), photograph(model)
    header = 8 + int.from_bytes(content[:8], "little")
    for position in range(header, len(content), 97):
        file.write_bytes(
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]
        )
        with pytest.raises(ValueError, match="damaged, its checksum does not match"):
            lora.load(model, tmp_path)
    assert photograph(model) == before


def test_d13_a_missing_file_is_called_missing(tmp_path):
    """PEFT takes the folder for the name of a repository and complains of that."""
    saved(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no adapter_model.safetensors in "):
        lora.load(small(), tmp_path)


def test_d14_a_writer_that_fails_half_way_leaves_the_earlier_adapter(tmp_path):
    """PEFT writes to the final path: a write that fails after some bytes leaves these in the good
    adapter's place.

    Here the system itself stops the write, by its limit on the size of a file.
    """
    model, good = saved(tmp_path)
    assert len(good["adapter_model.safetensors"]) > 3000 > len(good["adapter_config.json"])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            lora.save(shake(twin(model)), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == good, (
        "and no partial file is left"
    )
    again = small()
    lora.load(again, tmp_path)
    assert torch.equal(again(IDS), model(IDS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0}, "alpha must be a positive finite number, got 0"),
        ({"alpha": -8.0}, "alpha must be a positive finite number, got -8.0"),
        ({"alpha": math.inf}, "alpha must be a positive finite number, got inf"),
        ({"rank": 4.5}, "rank must be a positive integer, got 4.5"),
        (
            {"alpha_pattern": {"up": 0}},
            r"alpha_pattern\['up'\] must be a positive finite number, got 0",
        ),
    ],
)
def test_d15_impossible_settings_are_refused_at_construction(settings, message):
    """PEFT accepts alpha = 0 and below, and r = 4.5 fails deep inside torch."""
    with pytest.raises(ValueError, match=message):
        Config(**settings)


@pytest.mark.parametrize("alpha", [0, -8])
def test_d15_a_peft_adapter_of_no_scale_is_not_started(alpha):
    """PEFT makes an adapter of alpha = 0, which never learns; a start would hide that."""
    with pytest.raises(ValueError, match=f"alpha must be a positive finite number, got {alpha}"):
        lora.initialize_peft(wrapped(lora_alpha=alpha), "eva", never())


def test_d15_an_infinite_adapter_is_not_merged():
    """PEFT merges it silently unless asked for safe_merge, and the base weight is lost."""
    model = small()
    lora.attach(model, Config(rank=2))
    with torch.no_grad():
        lora.adapters(model)["down"].B[1, 0] = torch.inf
    before = photograph(model)
    with pytest.raises(
        ValueError, match="down: the merged weight would have 16 entries that are NaN or infinite"
    ):
        lora.merge(model)
    assert photograph(model) == before
    assert weight_of(lora.adapters(model)["down"].base_layer).isfinite().all()
