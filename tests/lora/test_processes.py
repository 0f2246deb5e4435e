"""`lora` where torch.distributed runs: sharded bases, and adapters that are saved whole or not at
all."""

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import lora
import lora.model
from lora.processes import copy_first, of_first, several
from lora.storage import WEIGHTS
from tests.support.models import TOKENS, gpt2, llama, shake
from tests.support.processes import together


def act_in_a_group(act):
    def run(rank: int):
        dist.init_process_group("gloo")
        try:
            return act(rank)
        finally:
            dist.destroy_process_group()

    return run


def sharded(model):
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for block in model.get_submodule("model.layers").children():
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


@pytest.mark.parametrize("variant", ["plain", "dora"])
def test_an_adapter_on_a_sharded_base_computes_saves_and_loads_what_one_on_a_whole_base_does(
    tmp_path, variant
):
    config = lora.Config(rank=4, scheme="pissa", variant=variant)

    def act(rank: int):
        model = sharded(llama().requires_grad_(False))
        lora.attach(model, config)
        shake(model)
        with torch.no_grad():
            logits = model(TOKENS).logits
        if rank == 0:  # the adapters are whole: one process can save them alone
            lora.save(model, tmp_path / "adapter")
        dist.barrier()
        again = sharded(llama().requires_grad_(False))
        lora.load(again, tmp_path / "adapter")
        with torch.no_grad():
            return logits, again(TOKENS).logits

    whole = llama()
    lora.attach(whole, config)
    with torch.no_grad():
        expected = shake(whole)(TOKENS).logits
    for found, loaded in together(2, tmp_path, act_in_a_group(act)):
        assert torch.equal(found, expected)
        torch.testing.assert_close(loaded, expected)
    copy_ = llama()
    lora.load(copy_, tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(copy_(TOKENS).logits, expected)


def test_a_sharded_weight_is_not_merged(tmp_path):
    def act(rank: int):
        model = sharded(llama().requires_grad_(False))
        lora.attach(model, lora.Config(rank=4))
        with pytest.raises(
            ValueError, match=r"q_proj: a weight that is sharded between processes cannot hold"
        ):
            lora.merge(model)

    together(2, tmp_path, act_in_a_group(act))


def test_a_sharded_embedding_is_refused_by_name(tmp_path):
    def act(rank: int):
        model = sharded(llama().requires_grad_(False))
        with pytest.raises(
            ValueError, match=r"model.embed_tokens cannot be adapted: its weight is sharded"
        ):
            lora.attach(model, lora.Config(rank=4, target_modules=("embed_tokens",)))

    together(2, tmp_path, act_in_a_group(act))


def test_sharded_adapters_are_saved_whole(tmp_path):
    """As of a user who shards the model with its adapters on it."""
    expected = llama()
    lora.attach(expected, lora.Config(rank=4))
    lora.save(shake(expected), tmp_path / "expected")

    def act(rank: int):
        model = llama()
        lora.attach(model, lora.Config(rank=4))
        lora.save(sharded(shake(model)), tmp_path / f"adapter-{rank}")

    together(2, tmp_path, act_in_a_group(act))
    for rank in range(2):
        found, whole = (
            load_file(tmp_path / name / WEIGHTS) for name in (f"adapter-{rank}", "expected")
        )
        assert found.keys() == whole.keys()
        assert all(torch.equal(found[key], value) for key, value in whole.items())


def test_factors_that_are_elsewhere_are_never_saved_empty(tmp_path):
    """ZeRO-3 and the first FSDP leave an empty or flat tensor in a parameter's place."""
    model = gpt2()
    lora.attach(model, lora.Config(rank=4))
    lora.save(model, tmp_path)
    before = (tmp_path / WEIGHTS).read_bytes()
    layer = next(iter(lora.adapters(model).values()))
    layer.B.data = torch.zeros(0)
    with pytest.raises(
        ValueError,
        match=r"c_attn: a factor has shape \(0,\), so this process holds only a part of it",
    ):
        lora.save(model, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == before


def test_all_take_the_value_of_the_first_and_one_alone_keeps_its_own(tmp_path):
    def act(rank: int):
        # one of them a view that is not contiguous
        tensors = [torch.full((3, 2), float(rank)), torch.arange(6.0).view(3, 2).mT + rank]
        copy_first(*tensors)
        return several(), of_first({"rank": rank}), [tensor.tolist() for tensor in tensors]

    first, second = together(2, tmp_path, act_in_a_group(act))
    alone = act(0)
    assert first == second == (True, *alone[1:])
    assert alone[:2] == (False, {"rank": 0})
    assert act(5)[1:] == ({"rank": 5}, [[[5.0] * 2] * 3, [[5.0, 7.0, 9.0], [6.0, 8.0, 10.0]]])


def test_all_start_from_the_factors_and_ranks_of_the_first(tmp_path):
    """Even where a process computes others, as another kind of machine may."""
    initial_factors = lora.model.initial_factors

    def act(rank: int):
        def other(*given):
            B, A = initial_factors(*given)
            return lora.Factors(B + rank, A * (1 + rank))

        lora.model.initial_factors = other
        model = llama()
        lora.attach(
            model, lora.Config(rank=4, scheme="eva"), [{"input_ids": TOKENS[rank : rank + 1]}]
        )
        return {
            name: (layer.B.tolist(), layer.A.tolist())
            for name, layer in lora.adapters(model).items()
        }

    first, second = together(2, tmp_path, act_in_a_group(act))
    assert first == second
