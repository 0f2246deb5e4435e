"""How an image generator is trained and how it draws, by the scheduler of its pipeline.

With x an image (or its latents), n standard normal and a step t uniform over those of the
scheduler, the network f is trained on the squared error, by one of two schedules:

    x_t = sqrt(a_t) x + sqrt(1 - a_t) n,   f(x_t, t) ~ n, or x, or v                             (1)
    x_t = (1 - s_t) x + s_t n,             f(x_t, t) ~ n - x                                     (2)

where v = sqrt(a_t) n - sqrt(1 - a_t) x.

(1) is of DDPM (arXiv:2006.11239; v of arXiv:2202.00512) and of every sampler for it, (2) is flow
matching (arXiv:2210.02747). A network that predicts a variance too is trained on its mean alone.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from scaling.models.diffusion_networks import (
    Batch,
    condition,
    decode,
    encode,
    is_flow,
    network,
    unasked,
)


def loss(pipe: Any) -> Callable[[nn.Module, Batch], Tensor]:
    """The function from a network and a batch (pixel_values, and what was asked for) to the mean
    squared error. Noise and steps come from the global random generator."""
    corrupt = schedule(pipe.scheduler)

    def of(net: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            x, asked = encode(pipe, batch["pixel_values"]), condition(pipe, batch)
            x_t, t, wanted = corrupt(x, torch.randn_like(x))
        return F.mse_loss(_mean(net(x_t, t, **asked).sample, x).float(), wanted.float())

    return of


def schedule(scheduler: Any) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """The function from x and n to x_t, t and what the network shall give, by (1) or (2)."""
    if is_flow(scheduler):
        # `set_timesteps` cuts a scheduler's own tables
        whole = type(scheduler).from_config(scheduler.config)

        def flow(x: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            index = torch.randint(len(whole.sigmas), (len(x),), device=x.device)
            s = whole.sigmas.to(x)[index].view(-1, 1, 1, 1)
            return (1 - s) * x + s * n, whole.timesteps.to(x)[index], n - x

        return flow

    from diffusers import DDPMScheduler

    ddpm: Any = DDPMScheduler.from_config(scheduler.config)

    def markov(x: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        t = torch.randint(ddpm.config["num_train_timesteps"], (len(x),), device=x.device)
        wanted = {
            "epsilon": lambda: n,
            "sample": lambda: x,
            "v_prediction": lambda: ddpm.get_velocity(x, n, t),
        }
        return ddpm.add_noise(x, n, t), t, wanted[ddpm.config["prediction_type"]]()

    return markov


def _mean(output: Tensor, x: Tensor) -> Tensor:
    return output[:, : x.shape[1]]


@torch.no_grad()
def draw(
    pipe: Any, batch: Batch, rngs: Sequence[Generator], steps: int, guidance: float = 1.0
) -> Tensor:
    """One image for each random generator (on the CPU), in pixels (n, channels, side, side) in
    [-1, 1], in so many steps of the pipeline's own scheduler. `guidance` above 1 leads away from
    what is drawn unasked (arXiv:2207.12598)."""
    net, device = network(pipe), network(pipe).device
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(steps, device=device)
    shape = (1, net.config["in_channels"], net.config["sample_size"], net.config["sample_size"])
    x = torch.cat([torch.randn(shape, generator=rng) for rng in rngs]).to(device)
    x = x if is_flow(scheduler) else x * scheduler.init_noise_sigma
    random = (
        {"generator": list(rngs)}
        if "generator" in inspect.signature(scheduler.step).parameters
        else {}
    )
    asked = condition(pipe, batch)
    away = condition(pipe, unasked(pipe, batch)) if guidance != 1 else {}
    for t in scheduler.timesteps:
        x_t = x if is_flow(scheduler) else scheduler.scale_model_input(x, t)
        f = lambda told, x_t=x_t, t=t: _mean(net(x_t, t.expand(len(x_t)), **told).sample, x_t)
        output = f(asked) if guidance == 1 else torch.lerp(f(away), f(asked), guidance)
        x = scheduler.step(output.to(x), t, x, **random).prev_sample
    return decode(pipe, x)
