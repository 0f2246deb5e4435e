"""What a causal language model writes after prompts."""

from collections.abc import Iterator, Sequence

from scaling.core.batches import device_of
from scaling.core.task import Loaded


def written(
    loaded: Loaded, prompts: Sequence[list[int]], new_tokens: int, batch_size: int
) -> Iterator[str]:
    """What the model writes greedily after each prompt. One that leaves no room in the context
    loses its beginning."""
    processor, model = loaded.processor, loaded.model
    limit, declared = context(loaded), model.generation_config.eos_token_id  # type: ignore[union-attr]
    ends = {processor.eos_token_id, *(declared if isinstance(declared, list) else [declared])} - {
        None
    }
    new_tokens = new_tokens if limit is None else min(new_tokens, limit // 2)
    for start in range(0, len(prompts), batch_size):
        some = [
            ids if limit is None else ids[-(limit - new_tokens) :]
            for ids in prompts[start : start + batch_size]
        ]
        batch = processor.pad({"input_ids": some}, padding_side="left", return_tensors="pt").to(
            device_of(loaded)
        )
        ids = model.generate(  # type: ignore[operator]
            **batch,
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=sorted(ends) or None,
            pad_token_id=processor.pad_token_id,
        )
        yield from processor.batch_decode(
            ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )


def context(loaded: Loaded) -> int | None:
    """The most tokens that the model can read; None where it does not say."""
    return getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)  # type: ignore[union-attr]
