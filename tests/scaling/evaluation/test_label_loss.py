"""The loss with logits only where labels are: that of the model to rounding, gradients included."""

from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

pytest.importorskip("transformers")

import transformers

import lora
from scaling.core.task import IGNORED
from scaling.evaluation import cross_entropy as chunks
from scaling.evaluation.cross_entropy import cross_entropy
from scaling.evaluation.label_loss import mean_loss, text_losses
from scaling.evaluation.token_loss import token_losses
from tests.support.models import gpt2, llama
from tests.support.processes import together

EPS = torch.finfo(torch.float32).eps
SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}


def of(kind: str, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**(SIZES | settings))
        return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


MODELS = {
    "untied": llama,
    "tied": lambda: of("Llama", tie_word_embeddings=True),
    "biased": lambda: of("Phi"),
    "gpt2": gpt2,
    "softcap": lambda: of("Gemma2", final_logit_softcapping=0.5),
    "divided": lambda: of("Granite", logits_scaling=3.0),
    "multiplied": lambda: of("Cohere", logit_scale=0.3),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Five rows of 64 logits: every batch here takes several chunks, of which the last is short."""
    monkeypatch.setitem(chunks.CHUNK, "cpu", 5 * 64 * 4)


def batch(rows: int = 3, length: int = 12) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 64, (rows, length), generator=rng)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=rng) < 0.4, IGNORED)
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


def gradients(model: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def same(model: nn.Module, given, eps: float = EPS) -> None:
    """Losses and gradients of a float32 model differ by the order of sums of at most 64 terms."""
    own, ours = model(**given)["loss"], mean_loss(model, **given)["loss"]
    assert abs((own - ours).item()) <= 16 * eps * (1 + own.item())
    wanted, found = gradients(model, own), gradients(model, ours)
    assert wanted.keys() == found.keys()
    for name, gradient in wanted.items():
        size = float(gradient.abs().max())
        assert torch.allclose(found[name], gradient, rtol=0, atol=64 * eps * size), name


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("head", ["trained", "frozen"])
@pytest.mark.parametrize("items", [None, 50])
def test_loss_and_gradients_are_those_of_the_model(name, head, items):
    model = MODELS[name]()
    if head == "frozen":
        model.get_output_embeddings().requires_grad_(False)
    given = batch() | ({} if items is None else {"num_items_in_batch": torch.tensor(items)})
    same(model, given)
    assert max(rows_of_calls(model, given)) <= 5


def test_a_head_with_an_adapter():
    model = llama()
    lora.attach(model, lora.Config(rank=2, target_modules=("lm_head", "q_proj"), scheme="gaussian"))
    for layer in lora.adapters(model).values():
        nn.init.normal_(layer.B, generator=torch.Generator().manual_seed(2))
    same(model, batch())
    assert max(rows_of_calls(model, batch())) <= 5


def test_no_second_derivative_is_taken_of_it():
    """It would be another one, as the losses are linear in what the forward pass keeps."""
    model = llama()
    ids = torch.arange(6)[None]
    loss = mean_loss(model, input_ids=ids, labels=ids)["loss"]
    with pytest.raises(RuntimeError, match="has gradients of the first order"):
        torch.autograd.grad(loss, [*model.parameters()], create_graph=True)


def test_with_gradient_checkpointing():
    model = llama().train()
    block: Any
    for block in model.model.layers:
        block.gradient_checkpointing = True
        block._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    same(model, batch())


@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_in_bfloat16(how):
    """The logits are those of the model, so the loss is too, to sums in float32; its gradients
    differ by where bfloat16 rounds sums: by up to 64 terms of 2^-9."""
    model = MODELS["tied"]()
    if how == "weights":
        model = model.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        own, ours = model(**batch())["loss"], mean_loss(model, **batch())["loss"]
    assert abs((own - ours).item()) <= 16 * EPS * (1 + own.item())
    wanted, found = gradients(model, own), gradients(model, ours)
    for name, gradient in wanted.items():
        error = (found[name] - gradient).float().norm() / gradient.float().norm()
        assert error <= 2**-6, name


def test_small_gradients_survive_float16():
    """3 * 2^18 equally likely words have gradients of 1.3e-6, of which float16 holds five bits, and
    2^10 times that with all of its eleven."""
    n = 3 * 2**18
    rows, weight = torch.ones(1, 1).half().requires_grad_(), torch.zeros(n, 1).half()
    weight.requires_grad_()
    head = lambda x: x @ weight.mT
    total, _ = cross_entropy(rows, torch.tensor([0]), head, [weight], 1)
    (gradient,) = torch.autograd.grad(total * 2.0**10, weight)
    assert abs(float(gradient[1]) * n / 2**10 - 1) <= 2**-10


def test_losses_of_texts():
    model, given = llama(), batch()
    logits = model(given["input_ids"]).logits
    wanted = token_losses(logits[:, :-1], given["labels"][:, 1:])
    for row, own in zip(text_losses(model, **given), wanted, strict=True):
        assert row["tokens"] == own["tokens"]
        assert abs(row["loss"] - own["loss"]) <= 16 * EPS * own["loss"]


def test_losses_of_texts_of_which_one_has_no_label():
    given = batch()
    given["labels"][1] = IGNORED
    given["labels"][2, 1:] = IGNORED  # the first token is predicted from nothing
    rows = text_losses(llama(), **given)
    assert rows[1] == rows[2] == {"loss": 0.0, "tokens": 0}
    assert rows[0]["tokens"] > 0


def test_a_batch_without_labels_gives_every_gradient_and_all_are_zero():
    model, given = llama(), batch() | {"num_items_in_batch": torch.tensor(7)}
    mean_loss(model, **given)
    loss = mean_loss(model, **(given | {"labels": torch.full((3, 12), IGNORED)}))["loss"]
    found = gradients(model, loss)
    assert found.keys() == {name for name, _ in model.named_parameters()}
    assert not any(gradient.any() for gradient in found.values())
    assert loss == 0


class Odd(transformers.LlamaForCausalLM):
    """Logits that no table knows."""

    def forward(self, *given, labels=None, num_items_in_batch=None, **named):
        output = super().forward(*given, **named)
        output["logits"] = output["logits"].sin()
        if labels is not None:
            output["loss"] = self.loss_function(output["logits"], labels, 64, num_items_in_batch)
        return output


class Forgetful(transformers.LlamaForCausalLM):
    """The mean, whatever number it is given."""

    def forward(self, *given, num_items_in_batch=None, **named):
        return super().forward(*given, **named)


class Penalised(transformers.LlamaForCausalLM):
    """A second term in training alone."""

    def forward(self, *given, **named):
        output = super().forward(*given, **named)
        if self.training and output["loss"] is not None:
            output["loss"] = output["loss"] + self.lm_head.weight.square().sum()
        return output


class Shared(nn.Module):
    """A head that scales by a parameter of others."""

    def __init__(self, head: nn.Module, scale: nn.Parameter) -> None:
        super().__init__()
        self.head, self.scale = head, [scale]

    def forward(self, x):
        return self.head(x) * self.scale[0].mean()


def odd():
    return Odd(llama().config)


def forgetful():
    return Forgetful(llama().config)


def second_term():
    experts = {"num_local_experts": 4, "output_router_logits": True, "router_aux_loss_coef": 0.1}
    return of("Mixtral", **experts)


def shared():
    model: Any = llama()
    model.lm_head = Shared(model.lm_head, model.model.norm.weight)
    return model


@pytest.mark.parametrize("make", [odd, forgetful, second_term, shared])
def test_a_model_of_another_loss_keeps_its_own(make):
    model = make().eval()
    given = batch() | {"num_items_in_batch": torch.tensor(50)}
    same(model, given)
    assert max(rows_of_calls(model, given)) == 36
    assert text_losses(model, **batch()) == [
        pytest.approx(row, rel=16 * EPS)
        for row in token_losses(
            model(batch()["input_ids"]).logits[:, :-1], batch()["labels"][:, 1:]
        )
    ]


def test_a_loss_that_is_another_one_in_training_is_found_out_there():
    model = Penalised(llama().config).eval()
    same(model, batch())
    same(model.train(), batch())
    assert max(rows_of_calls(model, batch())) == 36
    assert max(rows_of_calls(model.eval(), batch())) <= 5


def test_finding_out_draws_no_random_number():
    model = gpt2().train()  # it has dropout
    torch.manual_seed(3)
    first = mean_loss(model, **batch())["loss"]
    torch.manual_seed(3)
    assert mean_loss(model, **batch())["loss"] == first


def test_an_error_leaves_no_hook():
    model = llama()
    mean_loss(model, **batch())
    with pytest.raises(AttributeError):
        mean_loss(model, **(batch() | {"attention_mask": "none"}))
    assert not model._forward_hooks
    assert not model.lm_head._forward_pre_hooks
    assert model(**batch()).logits.shape == (3, 12, 64)


def replicated(model):
    return DistributedDataParallel(model)


def sharded(model):
    mesh = init_device_mesh("cpu", (2,))
    for block in model.model.layers:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


@pytest.mark.parametrize("wrap", [replicated, sharded])
def test_in_two_processes_the_gradients_are_means(tmp_path, wrap):
    """All weights are trained, the head too; one process has a text without labels more."""
    given = batch(4)
    given["labels"][3] = IGNORED
    parts = [{name: value[rank::2] for name, value in given.items()} for rank in (0, 1)]

    def act(rank: int):
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
        model = wrap(MODELS["tied"]())
        for _ in range(2):  # the second time after what the first has left
            loss = mean_loss(model, **parts[rank], num_items_in_batch=torch.tensor(20))["loss"]
            found = gradients(model, loss)
        # numpy: a tensor would be handed over by a socket of this process, which ends
        return {
            name.removeprefix("module."): getattr(g, "full_tensor", lambda g=g: g)().numpy()
            for name, g in found.items()
        }

    model = MODELS["tied"]()
    losses = [model(**part, num_items_in_batch=torch.tensor(40))["loss"] for part in parts]
    wanted = gradients(model, losses[0] + losses[1])
    for found in together(2, tmp_path, act):
        assert found.keys() == wanted.keys()
        for name, gradient in wanted.items():
            error = (torch.from_numpy(found[name]) - gradient).abs().max()
            assert error <= 64 * EPS * gradient.abs().max(), name


def rows_of_calls(model: Any, given) -> list[int]:
    """Of how many hidden states the head makes logits in each call of a second pass."""
    mean_loss(model, **given)
    calls: list[int] = []
    head = model.get_output_embeddings()
    handle = head.register_forward_hook(
        lambda _, given, logits: calls.append(logits.shape[:-1].numel())
    )
    mean_loss(model, **given)
    handle.remove()
    return calls
