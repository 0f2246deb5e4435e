"""Packed batches: the losses and gradients of the examples one by one."""

import pytest
import torch

pytest.importorskip("transformers")

from scaling.core.batches import stream
from scaling.core.task import Loaded
from scaling.data import packing
from scaling.data.packing import packed, prepare_model, rows_of
from tests.support.models import gpt2, llama

EPS = torch.finfo(torch.float32).eps


def examples() -> list[dict]:
    rng = torch.Generator().manual_seed(3)
    found = []
    for size in (9, 3, 7, 2, 5):
        ids = torch.randint(3, 64, (size,), generator=rng).tolist()
        # of a conversation that has lost its beginning the first token may have a label
        first = ids[0] if size < 9 else -100
        found.append({"input_ids": ids, "labels": [first, *ids[1:]]})
    return found


def model_of(name: str, attention: str):
    model = {"llama": llama, "gpt2": gpt2}[name]()
    model.set_attn_implementation(attention)
    return model


def of(model, batch: dict) -> tuple[float, torch.Tensor]:
    """The sum of the losses of all labels, and its gradient."""
    model.zero_grad()
    labels = batch.pop("labels")
    count = (labels[:, 1:] != -100).sum()
    loss = model(**batch, labels=labels, num_items_in_batch=count).loss * count
    loss.backward()
    grads = torch.cat([p.grad.flatten() for p in model.parameters()])
    return loss.item(), grads


@pytest.mark.parametrize("capacity", [9, 12, 1024])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_losses_and_gradients_are_those_of_the_examples_alone(name, attention, capacity):
    model = model_of(name, attention)
    prepare_model(Loaded(model, None, ()))
    loss, grads = of(model, packed(examples(), 0, capacity))
    alone = [of(model, {n: torch.tensor([v]) for n, v in one.items()}) for one in examples()]
    # sums of 21 losses in another order, each through some 200 roundings
    assert loss == pytest.approx(sum(one for one, _ in alone), rel=200 * EPS)
    expected = torch.stack([grads for _, grads in alone]).sum(0)
    assert (grads - expected).norm() <= 200 * EPS * expected.norm()


def test_a_row_holds_no_more_than_it_may_and_no_example_is_lost():
    sizes = [9, 3, 7, 2, 5]
    rows = rows_of(sizes, 12)
    assert rows == [[0, 1], [2, 4], [3]]
    assert rows_of([5, 20, 3], 8) == [[1], [0, 2]]
    batch = packed(examples(), 0, 12)
    assert {name: tuple(value.shape) for name, value in batch.items()} == dict.fromkeys(
        ("input_ids", "labels", "position_ids"), (3, 12)
    )
    assert batch["position_ids"][0].tolist() == [*range(9), 0, 1, 2]
    assert batch["position_ids"][2].tolist() == [0, 1, *range(10)], "what fills up is an example"
    assert (batch["labels"] != -100).sum() == sum(size - 1 for size in sizes)


class Leaks(torch.nn.Module):
    """A model whose tokens see all before them, whatever their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = llama()
        self.config = self.inner.config

    def forward(self, input_ids, position_ids=None):
        return self.inner(input_ids, use_cache=False)


def test_a_model_that_lets_examples_see_each_other_is_refused():
    with pytest.raises(ValueError, match=r"^Leaks with attention 'sdpa' lets packed examples see"):
        prepare_model(Loaded(Leaks(), None, ()))


def test_a_model_without_positions_is_refused():
    class Without(Leaks):
        def forward(self, input_ids):
            return self.inner(input_ids)

    with pytest.raises(
        ValueError, match=r"^packing needs a model that takes position_ids, and With"
    ):
        prepare_model(Loaded(Without(), None, ()))


def test_an_initialization_sees_the_examples_apart():
    some = [one | {"position_ids": list(range(len(one["input_ids"])))} for one in examples()]
    seen = []

    def collate(batch):
        seen.extend(batch)
        return {"input_ids": torch.tensor([0])}

    assert len([*stream(Loaded(llama(), None, ()), some, 5, collate, 0)]) == 1
    assert len(seen) == 5
    assert all("position_ids" not in one for one in seen)
    assert "position_ids" in some[0]
    assert packing.ROW >= 1024
