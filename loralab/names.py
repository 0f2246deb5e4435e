"""What is said of a name that is not known: what is meant, most likely."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

# Names that users of transformers' Trainer, of PEFT and of TRL type, and what they are here.
NAMES_ELSEWHERE = {
    ours: names.split()
    for ours, names in {
        "alpha": "lora_alpha",
        "batch": "batch_size train_batch_size per_device_train_batch_size bs",
        "clip": "max_grad_norm gradient_clipping",
        "dropout": "lora_dropout",
        "force": "overwrite_output_dir",
        "length": "max_seq_length max_seq_len max_length cutoff_len block_size",
        "lr": "learning_rate",
        "micro_batch": "gradient_accumulation_steps micro_batch_size",
        "model": "model_name_or_path model_name base_model model_id",
        "optimizer": "optim",
        "out": "output_dir output",
        "patience": "early_stopping_patience",
        "precision": "dtype torch_dtype bf16 fp16",
        "quantize": "load_in_4bit load_in_8bit quantization",
        "rank": "lora_r lora_rank r",
        "rank_stabilized": "use_rslora",
        "rates": "lrs learning_rates",
        "resume": "resume_from_checkpoint",
        "save_every": "save_steps",
        "scheme": "init_lora_weights init",
        "steps": "max_steps num_steps epochs num_epochs num_train_epochs",
        "target_modules": "lora_target lora_target_modules",
        "test": "eval_file validation_file test_file eval_dataset",
        "train": "dataset dataset_name train_file train_dataset data",
        "validate_every": "eval_steps",
        "variant": "use_dora",
        "warmup": "warmup_steps",
    }.items()
}


def here(name: str, known: Collection[str]) -> str | None:
    """What a flag or a setting of another tool is called here, where it is among the known ones."""
    dashes, bare = "--" * name.startswith("-"), name.lstrip("-").replace("-", "_")
    for ours, names in NAMES_ELSEWHERE.items():
        found = f"{dashes}{ours.replace('_', '-') if dashes else ours}"
        if bare in names and found in known:
            return found
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: what it is called here, where another tool has it,
    or a question, where a known one is like it."""
    if ours := here(name, known := [*known]):
        return f"; here it is {ours}"
    like = alike(name, known)
    return f"; did you mean {like}?" if like else ""


def alike(name: str, known: Sequence[str]) -> str | None:
    """The known name that is most like this one, where one is: capitals make no difference."""
    close = [same for same in known if same.lower() == name.lower()]
    close = close or get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def check_known(what: str, name: str, known: Sequence[str], more: str = "") -> None:
    """Raise ValueError for a name that is not among the known ones; `more` is what else there is to
    say where none is like it."""
    if name not in known:
        like, several = alike(name, known), name.replace(",", " ").split()
        hint = f"did you mean {like!r}?" if like else f"known: {', '.join(known)}{more}"
        if len(several) > 1 and {*several} <= {*known}:
            hint = f"names are separated by spaces: {' '.join(several)}"
        raise ValueError(f"unknown {what} {name!r}; {hint}")
