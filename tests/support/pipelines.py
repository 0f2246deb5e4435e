"""Random diffusers pipelines, and a CLIP to judge by, small enough that a run takes a second or
two."""

from pathlib import Path
from typing import Any

import torch

LETTERS = ("r", "g", "b")
UNET: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}
ATTENTION = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
CROSS = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
CROSS |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")}


def seeded(kind: Any, **given: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(**given).eval()


def unet(**more: Any) -> Any:
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    sizes: dict[str, Any] = {"sample_size": 8, "in_channels": 1, "out_channels": 1}
    return DDIMPipeline(seeded(UNet2DModel, **sizes, **UNET, **ATTENTION, **more), DDIMScheduler())


def vae() -> Any:
    from diffusers import AutoencoderKL

    blocks: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
    }
    return seeded(
        AutoencoderKL, block_out_channels=(8, 16), norm_num_groups=8, latent_channels=4, **blocks
    )


def dit(outputs: int = 8) -> Any:
    """On the latents of images of 16 x 16 pixels, by default with a variance beside the mean."""
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    sizes: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": outputs,
        "num_embeds_ada_norm": 1000,
    }
    net = seeded(
        DiTTransformer2DModel, **sizes, num_layers=2, num_attention_heads=2, attention_head_dim=8
    )
    return DiTPipeline(net, vae(), DDIMScheduler(), id2label={0: "r", 1: "g", 2: "b"})  # type: ignore[arg-type]


def stable_diffusion() -> Any:
    """From texts of LETTERS to images of 16 x 16 pixels; it predicts v."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = ("<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in LETTERS))
    tokenizer = CLIPTokenizer(
        {letter: i for i, letter in enumerate(letters)}, [], model_max_length=6
    )
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    special: dict[str, Any] = {
        "vocab_size": len(letters),
        "max_position_embeddings": 6,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=seeded(CLIPTextModel, config=CLIPTextConfig(**sizes, **special)),
        tokenizer=tokenizer,
        unet=seeded(UNet2DConditionModel, sample_size=8, cross_attention_dim=16, **UNET, **CROSS),
        scheduler=DDIMScheduler(prediction_type="v_prediction", clip_sample=False, steps_offset=1),  # type: ignore[arg-type]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )


def clip(folder: Path) -> Path:
    """A vision model that is sensitive to colour, with its processor."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = CLIPVisionConfig(
        **sizes, image_size=16, patch_size=4, projection_dim=16, initializer_range=0.3
    )
    seeded(CLIPVisionModelWithProjection, config=config).save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    ).save_pretrained(folder)
    return folder
