"""Drawing is what the stock pipelines of diffusers do, and training aims at what their schedulers
step by."""

from typing import Any

import pytest
import torch
from torch import Generator

pytest.importorskip("diffusers")

from scaling.models import diffusion, diffusion_networks
from tests.support import pipelines

STEPS = 4


def rngs(count: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in range(count)]


def same(drawn: torch.Tensor, stock: torch.Tensor) -> None:
    """Up to the order of roundings: some hundreds of float32, each of eps times numbers of order
    10."""
    assert (drawn - stock).abs().max() <= 1000 * torch.finfo(torch.float32).eps * 10
    assert stock.std() > 0.1


def pixels(stock) -> torch.Tensor:
    return torch.as_tensor(stock).movedim(-1, 1) * 2 - 1


def test_unconditional_images_are_those_of_the_stock_pipeline():
    pipe = pipelines.unet()
    pipe.set_progress_bar_config(disable=True)
    stock = pipe(
        batch_size=3, generator=rngs(3), num_inference_steps=STEPS, output_type="np"
    ).images
    same(diffusion.draw(pipe, {}, rngs(3), STEPS), pixels(stock))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_images_of_a_class_are_those_of_the_stock_pipeline(guidance):
    pipe = pipelines.dit()
    pipe.set_progress_bar_config(disable=True)
    ids = [0, 2]
    stock = pipe(ids, guidance, rngs(2), STEPS, output_type="np").images
    same(
        diffusion.draw(pipe, {"class_labels": torch.tensor(ids)}, rngs(2), STEPS, guidance),
        pixels(stock),
    )


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_images_of_a_text_are_those_of_the_stock_pipeline(guidance):
    pipe = pipelines.stable_diffusion()
    pipe.set_progress_bar_config(disable=True)
    texts, asked = ["r", "g b"], {"guidance_scale": guidance, "num_inference_steps": STEPS}
    stock = pipe(texts, generator=rngs(2), output_type="np", **asked).images
    batch = {"input_ids": torch.tensor(diffusion_networks.tokens(pipe, texts))}
    same(diffusion.draw(pipe, batch, rngs(2), STEPS, guidance), pixels(stock))


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
def test_a_step_by_what_is_wanted_sees_the_image(predicts):
    from diffusers import DDIMScheduler

    sampler: Any = DDIMScheduler(prediction_type=predicts, clip_sample=False)
    sampler.set_timesteps(1000)
    x, x_t, t, wanted = corrupted(sampler)
    for one in zip(x_t, t, wanted, x, strict=True):
        seen = sampler.step(one[2], int(one[1]), one[0]).pred_original_sample
        # x_t is divided by sqrt(a_t), 0.0064 at the least: 160 times the roundings of numbers of
        # order 4.
        assert (seen - one[3]).abs().max() <= 160 * 4 * 8 * torch.finfo(torch.float32).eps


def test_a_flow_by_what_is_wanted_ends_at_the_image():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler: Any = FlowMatchEulerDiscreteScheduler(shift=3.0)
    told = scheduler.timesteps
    scheduler.set_timesteps(4)  # as drawing does, between steps of training
    x, x_t, t, wanted = corrupted(scheduler)
    assert torch.isin(t, told).all()
    assert (x_t - (t / 1000).view(-1, 1, 1, 1) * wanted - x).abs().max() <= 4 * 8 * torch.finfo(
        torch.float32
    ).eps


def corrupted(scheduler) -> tuple[torch.Tensor, ...]:
    x, n = torch.randn(2, 64, 1, 8, 8, generator=Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = diffusion.schedule(scheduler)(x, n)
    assert len(found[1].unique()) > 50  # each example has a step of its own
    return x, *found


def test_a_network_is_trained_on_its_mean_alone_and_on_latents():
    pipe, seen = pipelines.dit(), []
    batch = {"pixel_values": torch.zeros(2, 3, 16, 16), "class_labels": torch.tensor([0, 2])}

    class Net(torch.nn.Module):
        def forward(self, x_t, t, class_labels):
            seen.append((x_t, class_labels))
            variance = torch.full_like(x_t, torch.nan)
            return type("Output", (), {"sample": torch.cat([x_t, variance], 1)})

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert diffusion.loss(pipe)(Net(), batch).isfinite()
    assert seen[0][0].shape == (2, 4, 8, 8)
    assert seen[0][1].tolist() == [0, 2]


def test_labels_are_numbered_by_name_then_by_value_then_by_order():
    pipe = pipelines.dit()
    assert diffusion_networks.numbers(pipe, ["g", "b"]) == {"g": 1, "b": 2}
    assert diffusion_networks.numbers(pipe, [7, 9]) == {7: 7, 9: 9}
    assert diffusion_networks.numbers(pipe, ["cat", "dog"]) == {"cat": 0, "dog": 1}
    with pytest.raises(
        ValueError, match="label 1000 would be class 1000, and the network has 1000"
    ):
        diffusion_networks.numbers(pipe, [1000])
