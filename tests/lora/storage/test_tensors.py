"""The bytes that we write are a safetensors file, and the tensors' own."""

import json

import numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from lora.storage.tensors import TYPES, from_file, raw, to_file

SHAPES = [(), (0, 3), (1,), (3, 5), (2, 1, 7)]
cases = st.dictionaries(
    st.text("aé.\"'0", min_size=1, max_size=4),
    st.tuples(st.sampled_from([*TYPES.values()]), st.sampled_from(SHAPES), st.integers(0, 2**32)),
    max_size=6,
)


def filled(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return (10 * values).to(dtype)


@given(cases)
def test_any_reader_of_safetensors_finds_the_tensors(described):
    tensors = {key: filled(*value) for key, value in described.items()}
    content = b"".join(to_file(tensors, {"format": "pt", "about": "é"}))
    read, (ours, metadata) = load(content), from_file(content)
    assert metadata == {"format": "pt", "about": "é"}
    assert read.keys() == ours.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert read[key].dtype == tensor.dtype
        assert read[key].shape == tensor.shape
        assert torch.equal(read[key], tensor)
        assert torch.equal(ours[key], tensor)


@given(cases)
def test_every_tensor_begins_at_a_multiple_of_its_width(described):
    tensors = {key: filled(*value) for key, value in described.items()}
    length, text, *_ = to_file(tensors, {})
    header, start = json.loads(bytes(text)), len(length) + len(text)
    for key, tensor in tensors.items():
        assert (start + header[key]["data_offsets"][0]) % tensor.itemsize == 0


def test_no_tensor_is_copied():
    tensor = torch.ones(3, 5, dtype=torch.bfloat16)
    content = to_file({"key": tensor}, {})
    addresses = [numpy.frombuffer(piece, numpy.uint8).ctypes.data for piece in content]
    assert tensor.data_ptr() in addresses
    assert len(raw(tensor)) == tensor.nbytes


@given(cases)
def test_the_bytes_do_not_depend_on_the_order(described):
    tensors = {key: filled(*value) for key, value in described.items()}
    one = b"".join(to_file(tensors, {"a": "1", "b": "2"}))
    assert one == b"".join(to_file(dict(reversed(tensors.items())), {"b": "2", "a": "1"}))
