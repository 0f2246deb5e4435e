"""Pipelines of the library diffusers, read from a folder or the hub; one that cannot be trained is
refused."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scaling.core.config import Config
from scaling.core.task import Loaded
from scaling.models.diffusion_networks import is_flow, network, vae_of
from scaling.models.packaged import located
from scaling.models.precision import base_dtype

PREDICTS = ("epsilon", "sample", "v_prediction")


def need_diffusers() -> None:
    if importlib.util.find_spec("diffusers") is None:
        raise ValueError(
            "generating images needs the library diffusers: pip install 'loralab[diffusion]'"
        )


def read(config: Config, source: str) -> Loaded:
    """The network, frozen, with its pipeline as the processor. Raises ValueError for a pipeline
    that is not there, whose weights may not be read, or of a kind that is not known."""
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    folder = located(source)
    local = Path(folder).exists()
    common: dict[str, Any] = {
        "local_files_only": local,
        "trust_remote_code": config.data.trust_remote_code,
    }
    if not config.data.allow_pickle:
        common["use_safetensors"] = True
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        try:
            parts: Any = DiffusionPipeline.load_config(folder, local_files_only=local)
            absent = {name: None for name, part in parts.items() if part == [None, None]}
            pipe = DiffusionPipeline.from_pretrained(folder, **common, **absent)
        except Exception as error:  # of several libraries, each with errors of its own
            where = "" if local else " (no such folder, and not on the hub or it is unreachable)"
            raise ValueError(
                f"cannot load the pipeline {source}{where}: {' '.join(str(error).split())[:300]}"
            ) from error
    check(pipe, source)
    for part in pipe.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False).eval()
    return Loaded(network(pipe).to(base_dtype(config)), pipe, ())


def check(pipe: Any, source: str) -> None:
    """Raise ValueError for a pipeline that cannot be trained here, saying why."""
    from diffusers import DiTTransformer2DModel, UNet2DConditionModel, UNet2DModel

    def refuse(why: str) -> None:
        raise ValueError(
            f"the pipeline {source}, a {type(pipe).__name__}, cannot be trained: {why}"
        )

    net = network(pipe)
    if not isinstance(net, DiTTransformer2DModel | UNet2DConditionModel | UNet2DModel):
        refuse(
            f"its network is a {type(net).__name__}, not UNet2DModel, DiTTransformer2DModel or "
            "UNet2DConditionModel"
        )
    if isinstance(net, UNet2DConditionModel):
        if pipe.components.get("tokenizer") is None or pipe.components.get("text_encoder") is None:
            refuse("it has no tokenizer and text_encoder")
        if net.config["addition_embed_type"] or net.config["class_embed_type"]:
            refuse("its network takes more than one text's embedding")
    if isinstance(net, UNet2DModel) and net.config["class_embed_type"]:
        refuse(f"its class_embed_type is {net.config['class_embed_type']!r}, not classes by number")
    if not isinstance(net.config["sample_size"], int):
        refuse(f"its network's sample_size must be a whole number, got {net.config['sample_size']}")
    given = (
        net.config["in_channels"]
        if vae_of(pipe) is None
        else vae_of(pipe).config["latent_channels"]
    )
    if net.config["in_channels"] != given or "vqvae" in pipe.components:
        refuse("its network does not work on the latents of an AutoencoderKL alone")
    config = pipe.scheduler.config
    if is_flow(pipe.scheduler):
        if config["use_dynamic_shifting"]:
            refuse("its scheduler shifts time by the image's size (use_dynamic_shifting)")
    elif "beta_schedule" not in config or config["prediction_type"] not in PREDICTS:
        refuse(f"its scheduler must match flows or predict one of {', '.join(PREDICTS)}")
