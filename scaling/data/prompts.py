"""What a language model reads, a prompt and its answer or running text, as tokens."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

from scaling.data.messages import up_to_end

Token = TypeVar("Token")  # a number, or one with its label


def tokens(processor: Any, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """Of the prompt, and of the answer with its end.

    A chat template makes the prompt a user's message and the answer the assistant's, with all the
    special tokens that there shall be; without one the prompt is a line of its own, and the
    tokenizer sets its own tokens at its beginning.
    """
    if processor.chat_template:
        opened, said = _turns(processor, prompt, answer)
        before, learnt = (
            processor(text, add_special_tokens=False)["input_ids"] for text in (opened, said)
        )
        if processor.eos_token_id not in learnt:
            return before, [*learnt, *_end(processor)]
        return before, up_to_end(processor, learnt)
    before = text_tokens(processor, prompt + "\n")
    return before, [*processor(answer, add_special_tokens=False)["input_ids"], *_end(processor)]


def _turns(processor: Any, prompt: str, answer: str) -> tuple[str, str]:
    turn = [{"role": "user", "content": prompt}]
    opened = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    turn.append({"role": "assistant", "content": answer})
    whole = processor.apply_chat_template(turn, tokenize=False)
    # Some templates open the assistant's turn in another way than they write it down, with a place
    # to think, say.
    return opened, whole.removeprefix(opened) if whole.startswith(opened) else answer


def text_tokens(processor: Any, text: str) -> list[int]:
    """With the tokenizer's special tokens at the beginning alone: what follows is still the same
    text."""
    ids = processor(text, verbose=False)["input_ids"]
    return ids[:-1] if ids[-1:] == _end(processor) else ids


def _end(processor: Any) -> list[int]:
    return [] if processor.eos_token_id is None else [processor.eos_token_id]


def fitted(
    prompt: Sequence[Token], answer: Sequence[Token], length: int
) -> tuple[Sequence[Token], Sequence[Token]]:
    """Both within this many tokens: the prompt loses its beginning, down to half of them, the
    answer then its end."""
    room = max(length - len(answer), length // 2)
    kept = prompt[max(0, len(prompt) - room) :]
    return kept, answer[: length - len(kept)]


def cut_short(sizes: Sequence[int], length: int, limit: int | None) -> str:
    """What there is to say of examples of these many tokens that are cut to `length`, and of the
    length that cuts none, where the model reads as many; nothing where none is longer."""
    longer, most = sum(size > length for size in sizes), max(sizes, default=0)
    if not longer:
        return ""
    hint = f"--length {most} cuts none"
    if limit is not None and most > limit:
        hint = f"the longest has {most}, and the model reads {limit} at most"
    return (
        f"{longer} of {len(sizes)} examples are longer than {length} tokens (length) and are cut; "
        f"{hint}"
    )


def blocks(processor: Any, texts: Sequence[str], length: int) -> list[list[int]]:
    """The texts one after the other, each with its end, in pieces of this many tokens; the last may
    be shorter."""
    ids = list(
        chain.from_iterable([*text_tokens(processor, text), *_end(processor)] for text in texts)
    )
    pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
    # a token alone has none before it to be predicted from
    return [piece for piece in pieces if len(piece) > 1]


def more_blocks(
    processor: Any, text: str, rest: Sequence[int], length: int
) -> tuple[list[list[int]], list[int]]:
    """The whole pieces that one more text gives after the tokens left over from those before it,
    and what is then left over."""
    ids = [*rest, *text_tokens(processor, text), *_end(processor)]
    whole = len(ids) - len(ids) % length
    return [ids[start : start + length] for start in range(0, whole, length)], ids[whole:]
