"""The runs of a sweep in the schema of PEFT's method_comparison results, for the tools that read
those.

One file for each method and seed at the method's best learning rate. What is not known is null.
PEFT's own table turns memory, sizes, times and tokens into integers, so it takes a file only when
its outcome has them all (`EXTRA`, and memory, which a run without an accelerator does not have); it
leaves out runs that failed.
"""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loralab.numbers import listed
from scaling.comparison.forgetting import remembers
from scaling.comparison.summary import Outcome, Outcomes, Row, diverged
from scaling.core.outputs import write_json
from scaling.core.settings import FULL

# What an outcome may hold beside what a summary needs: seconds of the whole run, tokens trained on,
# bytes of the adapter's file, parameters of the model with its adapter, bytes reserved (mean, 99th
# percentile), and when it began.
EXTRA = (
    "total_seconds",
    "tokens",
    "file_size",
    "total_parameters",
    "memory_mean",
    "memory_99th",
    "created_at",
)
PACKAGES = ("transformers", "peft", "datasets", "diffusers", "bitsandbytes", "torch")
FEWER_BITS = {"nf4": "int4", "int8": "int8"}  # quantize, as their dtype has it
LONGEST = 80  # characters of a method in a file name


def export(
    folder: Path, rows: Sequence[Row], outcomes: Outcomes, settings: Mapping[str, Any]
) -> list[Path]:
    """Write a file <method>--<learning rate and seed>.json for each run at a method's best learning
    rate, and give their paths.

    Args:
        folder: where they go; it is made where it is not there.
        rows: the summary of each method.
        outcomes: by method, learning rate and seed.
        settings: those of `scaling.core.config.Config` that all runs share and, in "methods", those
            of each method by its label; there "peft_config" stands for an adapter of PEFT's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(row.method for row in rows)
    files = []
    for row in rows:
        if row.rate is None:
            continue
        own = {**settings, **settings.get("methods", {}).get(row.method, {}), "lr": row.rate}
        for seed, outcome in sorted(outcomes[row.method][row.rate].items()):
            name = f"lr_{row.rate:g}-seed_{seed}"
            files.append(folder / f"{names[row.method]}--{name}.json")
            written = record(f"{names[row.method]}/{name}", outcome, {**own, "seed": seed})
            write_json(files[-1], listed(written))
    return files


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """A name for each label that every file system takes; no two are equal even where case does not
    count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        stem = re.sub(r"[^A-Za-z0-9._+-]+", "_", label).strip("._-")[:LONGEST] or "method"
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        names[label] = name
        taken.add(name.casefold())
    return names


def record(name: str, outcome: Outcome, settings: Mapping[str, Any]) -> dict[str, Any]:
    """One run in their schema; `settings` are the fields of its own config."""
    extra = {key: outcome.get(key) for key in EXTRA}
    return {
        "run_info": {
            "created_at": extra["created_at"],
            "total_time": extra["total_seconds"],
            "experiment_name": name,
            "peft_branch": None,
            "train_config": _train_config(settings),
            "peft_config": _adapter_config(settings),
            "error_msg": outcome.get("diverged", ""),
        },
        "train_info": {
            "accelerator_memory_reserved_avg": extra["memory_mean"],
            "accelerator_memory_max": outcome.get("memory"),
            "accelerator_memory_reserved_99th": extra["memory_99th"],
            "train_time": outcome.get("seconds"),
            "file_size": extra["file_size"],
            "num_trainable_params": outcome.get("trained_parameters"),
            "num_total_params": extra["total_parameters"],
            "status": "failed" if diverged(outcome) else "success",
            "metrics": [] if diverged(outcome) else _metrics(outcome, settings.get("batch")),
        },
        "meta_info": {
            "model_info": {"sha": None, "created_at": None},
            "dataset_info": {
                settings.get("train") or settings.get("task") or "data": {
                    "sha": None,
                    "created_at": None,
                }
            },
            "package_info": _packages(),
            "system_info": _system(outcome.get("device")),
            "pytorch_info": _torch(),
        },
    }


def _train_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    get = settings.get
    return {
        "model_id": get("model"),
        "dtype": FEWER_BITS.get(str(get("quantize")), get("precision")),
        "max_seq_length": get("length"),
        "batch_size": get("batch"),
        "batch_size_eval": get("micro_batch"),
        "max_steps": get("steps"),
        "eval_steps": get("validate_every"),
        "compile": False,
        "use_gc": get("gradient_checkpointing"),
        "query_template": None,
        "seed": get("seed"),
        "grad_norm_clip": get("clip"),
        "optimizer_type": "AdamW" if get("optimizer") == "adamw" else get("optimizer"),
        "optimizer_kwargs": {"lr": get("lr"), "weight_decay": get("weight_decay")},
        "lr_scheduler": "linear",
        "use_amp": None if get("precision") is None else get("precision") == "float16",
        "autocast_adapter_dtype": True,
        "generation_kwargs": None,
        "attn_implementation": None,
    }


def _adapter_config(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The adapter under PEFT's names, and what is ours besides; null of full fine-tuning alone, as
    there."""
    get = settings.get
    if get("variant") == FULL:
        return None
    if get("peft_config") or get("peft"):
        return dict(get("peft_config") or {"peft_type": None})
    scheme, variant = get("scheme"), get("variant")
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": get("model"),
        "r": get("rank"),
        "lora_alpha": get("alpha"),
        "lora_dropout": get("dropout"),
        "use_rslora": get("rank_stabilized"),
        "use_dora": None if variant is None else variant == "dora",
        "target_modules": get("target_modules"),
        "exclude_modules": get("exclude_modules"),
        "modules_to_save": get("modules_to_save"),
        "rank_pattern": get("rank_pattern"),
        "alpha_pattern": get("alpha_pattern"),
        # PEFT's default, or a name that is ours
        "init_lora_weights": True if scheme == "init_a" else scheme,
        "loralab": {
            key: get(key)
            for key in ("scheme", "scheme_options", "variant", "variant_options", "ratio")
        },
    }


def _metrics(outcome: Outcome, batch: int | None) -> list[dict[str, Any]]:
    """A row for each validation, with the mean training loss since the one before, and a last one
    for the test."""
    rows, begun = [], 0
    for step, loss in outcome["validation"]:
        since = [value for t, value in outcome["losses"] if begun < t <= step]
        rows.append(
            {
                "step": step,
                "valid accuracy": None,
                "valid loss": loss,
                "train loss": sum(since) / len(since) if since else None,
                "train samples": batch and batch * step,
                "train time": None,
                "eval time": None,
                "tokens / sec": None,
                "mem allocated avg": None,
                "mem reserved avg": None,
                "elapsed time": None,
            }
        )
        begun = step
    step, loss = outcome["losses"][-1]
    test = {f"test {name}": value for name, value in outcome["metrics"].items()}
    last = {
        "step": step,
        "test accuracy": None,
        **test,
        "train loss": rows[-1]["train loss"] or loss,
    }
    return [
        *rows,
        {
            **last,
            "train samples": batch and batch * step,
            "train total tokens": outcome.get("tokens"),
            # as there, the growth of the loss in nats a token
            "forgetting": outcome["base_text"]["nats_a_token"] if remembers(outcome) else None,
        },
    ]


def _packages() -> dict[str, str | None]:
    """The versions of the process that exports."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[f"{package}-version"] = version(package)
        except PackageNotFoundError:
            found[f"{package}-version"] = None
        found[f"{package}-commit-hash"] = None
    return found


def _system(device: str | None) -> dict[str, str | None]:
    system = {
        name: getattr(platform, name)()
        for name in ("system", "release", "version", "machine", "processor")
    }
    return {**system, "accelerator": device}


def _torch() -> str:
    import torch  # takes seconds to load

    return torch.__config__.show()
