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
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Trainer, TrainingArguments

import lora
from lora import VARIANTS, Config
from lora.state import trained_state
from tests.support.models import TOKENS, llama, photograph, shake, small
from tests.support.processes import *  # noqa

readers = pytest.mark.parametrize("reader", [AutoModelForCausalLM, LlamaForCausalLM])


def adapted(base: nn.Module, **options: Any) -> Any:
    lora.attach(base, Config(**{"rank": 2, "scheme": "pissa"} | options))
    return shake(base)


def output(model: nn.Module) -> torch.Tensor:
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
    wanted = output(model)
    for folder in (tmp_path,):
        found = output(reader.from_pretrained(folder))
        assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max().clamp_min(1)
    assert (output(llama()) - wanted).abs().max() > 1e-3  # the update is larger than rounding


@readers
@pytest.mark.parametrize("config", [False, True])
@pytest.mark.parametrize("name", ["out", "checkpoint-7"])
def test_nothing_is_ever_filled_with_random_numbers(reader, config, name, tmp_path):
    """A base model without a name cannot be found again, whatever else lies in the folder."""
    model, folder = adapted(llama()), tmp_path / name
    model.save_pretrained(folder)
    for lying_there in (False, True):
        if lying_there:
            model.config.save_pretrained(folder)
        with pytest.raises((OSError, ValueError, TypeError, RuntimeError)):
            reader.from_pretrained(folder, **{"config": model.config} if config else {})
    assert (output(peft.PeftModel.from_pretrained(llama(), folder)) - output(model)).abs().max() < 1e-5


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
    twin = shake(through(model), seed=8)
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
