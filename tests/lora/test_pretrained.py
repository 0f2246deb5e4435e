"""What `save_pretrained` and `load_state_dict` do on a model with adapters."""

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import accelerate
import peft
import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Trainer, TrainingArguments

import lora
from lora import VARIANTS, Config
from lora.state import trained_state
from tests.support.models import TOKENS, llama, photograph, shake, small
from tests.support.processes import together

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
readers = pytest.mark.parametrize("reader", [AutoModelForCausalLM, LlamaForCausalLM])


def adapted(base: Any, **options: Any) -> Any:
    lora.attach(base, Config(**{"rank": 2, "scheme": "pissa"} | options))
    return shake(base)


def output(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(TOKENS).logits


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """A folder with a base model."""
    folder = tmp_path_factory.mktemp("base")
    llama().save_pretrained(folder)
    return folder


def pretrained(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


def trainers(model: Any, folder: Path) -> None:
    Trainer(model, TrainingArguments(str(folder), report_to=[], use_cpu=True)).save_model()


@readers
@pytest.mark.parametrize("save", [pretrained, trainers])
@pytest.mark.parametrize("variant", ["plain", "dora", "overparam"])
def test_what_is_read_back_is_the_adapted_function(reader, save, variant, stored, tmp_path):
    model = adapted(LlamaForCausalLM.from_pretrained(stored), variant=variant, scheme="init_a")
    save(model, tmp_path)
    found, wanted = output(reader.from_pretrained(tmp_path)), output(model)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max().clamp_min(1)
    assert (output(llama()) - wanted).abs().max() > 1e-3  # the update is larger than rounding


@readers
@pytest.mark.parametrize("config", [False, True])
@pytest.mark.parametrize("name", ["out", "checkpoint-7"])
@pytest.mark.filterwarnings("ignore")  # of the network, where the base model is looked for
def test_nothing_is_ever_filled_with_random_numbers(reader, config, name, tmp_path):
    """A base model without a name cannot be found again, whatever else lies in the folder."""
    model, folder = adapted(llama()), tmp_path / name
    model.save_pretrained(folder)
    for lying_there in (False, True):
        if lying_there:
            model.config.save_pretrained(folder)
        with pytest.raises((OSError, ValueError, TypeError, RuntimeError)):
            reader.from_pretrained(folder, **{"config": model.config} if config else {})
    assert (
        output(peft.PeftModel.from_pretrained(llama(), folder)) - output(model)
    ).abs().max() < 1e-5


def test_a_merged_model_is_not_saved_as_an_adapter_and_detached_it_is_a_plain_model(tmp_path):
    model = adapted(llama())
    lora.merge(model)
    with pytest.raises(ValueError, match=r"q_proj is merged: call lora\.detach\(model\) first"):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    wanted = output(model)
    lora.detach(model)
    model.save_pretrained(tmp_path)
    assert torch.equal(output(LlamaForCausalLM.from_pretrained(tmp_path)), wanted)


def test_while_the_adapters_are_disabled_nothing_is_saved(tmp_path):
    model = adapted(llama())
    with (
        lora.disabled(model),
        pytest.raises(ValueError, match="the adapters are disabled"),
    ):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("build", [llama, small])
def test_detach_gives_the_methods_back(build):
    model = build()
    before = photograph(model)
    lora.attach(model, Config(rank=2))
    assert hasattr(model, "save_pretrained") == (build is llama)
    lora.detach(model)
    assert photograph(model) == before


def through_pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def through_torch(model: Any) -> Any:
    torch.save(model, file := io.BytesIO())
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


def through_accelerate(model: Any) -> Any:
    here = accelerate.Accelerator(cpu=True)
    return here.unwrap_model(here.prepare(copy.deepcopy(model)))


@pytest.mark.parametrize(
    "through", [copy.deepcopy, through_pickle, through_torch, through_accelerate]
)
def test_a_copy_saves_itself(through, tmp_path):
    model = adapted(llama())
    twin: Any = shake(through(model), seed=8)
    wanted, own = output(twin), output(model)
    assert not torch.equal(wanted, own)
    for saved, function in ((twin, wanted), (model, own)):
        saved.save_pretrained(tmp_path)
        read = llama()
        lora.load(read, tmp_path)
        assert torch.equal(output(read), function)
    lora.detach(twin)
    assert "save_pretrained" not in vars(twin)
    assert "save_pretrained" in vars(model)


def test_data_parallel_training_saves_the_model_inside(tmp_path):
    def act(rank: int) -> bool:
        torch.distributed.init_process_group("gloo")
        model = DistributedDataParallel(adapted(llama()))
        model(TOKENS, labels=TOKENS).loss.backward()
        model.module.save_pretrained(tmp_path / "out", is_main_process=rank == 0)
        torch.distributed.barrier()
        read = llama()
        lora.load(read, tmp_path / "out")
        return torch.equal(output(read), output(model.module))

    assert together(2, tmp_path, act) == [True, True]


def test_a_sharded_adapter_is_refused_by_the_one_process_that_would_save(tmp_path):
    def act(_: int) -> str:
        from torch.distributed.fsdp import fully_shard

        torch.distributed.init_process_group("gloo")
        model = adapted(llama())
        fully_shard(model)
        try:
            model.save_pretrained(tmp_path / "out")
        except ValueError as error:
            return str(error)
        return "saved"

    assert "is sharded between processes" in together(1, tmp_path, act)[0]
    assert not (tmp_path / "out").exists()


def test_what_is_given_to_save_must_be_what_the_model_has(tmp_path):
    model = adapted(llama())
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path / "same", state_dict=state, max_shard_size="1GB")
    state["model.layers.1.mlp.up_proj.A"].add_(1)
    with pytest.raises(ValueError, match=r"another model\.layers\.1\.mlp\.up_proj\.A than the"):
        model.save_pretrained(tmp_path / "other", state_dict=state)
    with pytest.raises(ValueError, match="upload the folder"):
        model.save_pretrained(tmp_path / "other", push_to_hub=True)
    model.save_pretrained(tmp_path / "other", is_main_process=False)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_states_are_loaded_as_ever(variant):
    scheme = "tsd_init" if variant == "tsd" else "init_a"
    options = {"directions": 2} if variant in ("dash", "tsd") else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lora.SCHEMES, "tsd_init", lora.SCHEMES["milora"])
        model, other = (
            adapted(small(), variant=variant, scheme=scheme, seed=seed, variant_options=options)
            for seed in (0, 1)
        )
    shake(other, seed=5)
    state = other.state_dict()
    assert model.load_state_dict(state).missing_keys == []
    for name, value in trained_state(model).items():
        assert torch.equal(value, state[name])
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(trained_state(other))
    base = small().state_dict()
    found = model.load_state_dict(base, strict=False)
    assert found.unexpected_keys
    assert found.missing_keys
