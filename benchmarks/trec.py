"""MiniLM fine-tuned on TREC's question types by `loralab finetune`, beside the accuracies that
PEFT's LoRA reached.

    python -m benchmarks.trec FOLDER [--seeds 0 1 2]

FOLDER holds TREC.train.all and TREC.test.all, lines of a class and a question in latin-1
(harvardnlp/sent-conv-torch). Rank 8 on all linear layers, alpha 16, AdamW with a linearly falling
rate, 200 steps of 32, as in the reference, which is one seed of PEFT 0.21 each; PEFT itself is
trained here too, with the same seeds. Every adapter saved is loaded by stock PEFT on a fresh base,
which must predict the same classes. Exits 1 where a mean over seeds is more than 2 points below the
reference and below PEFT's own mean, or where PEFT predicts otherwise. Without FOLDER it measures
nothing. On two cores a run takes about a minute and a half, on a GPU a few seconds.
"""

import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from scaling.core.config import Config as Run
from scaling.finetune import run
from scaling.models.packaged import located
from scaling.tasks.text_classification import TASK as task

REFERENCE = {
    ("init_a", 3e-4): 0.846,
    ("init_a", 1e-3): 0.912,
    ("init_a", 3e-3): 0.940,
    ("pissa", 3e-4): 0.908,
    ("pissa", 1e-3): 0.934,
    ("pissa", 3e-3): 0.904,
    ("eva", 3e-4): 0.906,
}
POINTS = 0.02
# its names; its EVA takes a pass of its own
PEFT: dict[str, Any] = {"init_a": True, "pissa": "pissa"}


@dataclass(frozen=True)
class Config:
    folder: Annotated[Path | None, tyro.conf.Positional] = None
    """of TREC.train.all and TREC.test.all"""
    seeds: tuple[int, ...] = (0, 1, 2)
    """one run of each"""
    out: Path | None = None
    """keeps the runs, to go on from when cut off; by default they are thrown away"""


def records(file: Path) -> list[dict[str, str]]:
    lines = file.read_text(encoding="latin-1").splitlines()
    return [{"text": line[2:].strip(), "label": line[0]} for line in lines if line.strip()]


def accuracy(folder: Path, scheme: str, lr: float, seed: int) -> float:
    out = folder / f"{scheme}-{lr:g}-{seed}"
    given = {
        "train": folder / "train.jsonl",
        "test": folder / "test.jsonl",
        "out": out,
        "store": folder / "runs.sqlite",
    }
    given |= {
        "scheme": scheme,
        "lr": lr,
        "seed": seed,
        "steps": 200,
        "batch": 32,
        "rank": 8,
        "alpha": 16,
    }
    resume = ["--resume"] if out.exists() else []
    if code := run(
        [*(part for name, value in given.items() for part in (f"--{name}", str(value))), *resume]
    ):
        sys.exit(code)
    return json.loads((out / "metrics.json").read_text())["metrics"]["accuracy"]


def accuracy_of_peft(folder: Path, scheme: str, lr: float, seed: int) -> float:
    """Of stock PEFT's LoRA, trained by the bare Trainer on the same examples."""
    import peft
    import torch
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_utils import set_seed

    config = Run.of(
        train=str(folder / "train.jsonl"), test=str(folder / "test.jsonl"), lr=lr, seed=seed
    )
    data = task.data(config)
    model, _, _ = loaded = task.load(config, data)
    inputs, held = (task.examples(config, loaded, data, part) for part in (data.train, data.test))
    set_seed(seed)
    settings = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "SEQ_CLS"}
    adapted: Any = peft.get_peft_model(
        model, peft.LoraConfig(init_lora_weights=PEFT[scheme], **settings)
    )
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch,
            max_steps=200,
            per_device_train_batch_size=32,
            learning_rate=lr,
            weight_decay=0.0,
            lr_scheduler_type="linear",
            save_strategy="no",
            report_to="none",
            seed=seed,
            use_cpu=not torch.cuda.is_available(),
        )
        Trainer(adapted, arguments, task.collate(loaded), train_dataset=inputs).train()  # type: ignore[arg-type]
    with torch.no_grad():
        rows = task.predict(
            config, loaded._replace(model=adapted.eval()), data, data.test, held, 100
        )
    return task.metrics(rows, data)["accuracy"]


def differs(folder: Path) -> int:
    """On how many test examples stock PEFT predicts another class than the run did."""
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    texts = [
        record["text"]
        for record in map(json.loads, (folder.parent / "test.jsonl").read_text().splitlines())
    ]
    classes = sorted({row["label"] for row in rows})
    base = AutoModelForSequenceClassification.from_pretrained(
        located("minilm"), num_labels=len(classes)
    )
    model = peft.PeftModel.from_pretrained(base, str(folder / "adapter")).eval()
    tokenizer, found = AutoTokenizer.from_pretrained(located("minilm")), []
    for start in range(0, len(texts), 100):
        batch = tokenizer(
            texts[start : start + 100],
            padding=True,
            truncation=True,
            max_length=64,
            return_tensors="pt",
        )
        with torch.no_grad():
            found += [classes[i] for i in model(**batch).logits.argmax(1).tolist()]
    return sum(guess != row["prediction"] for guess, row in zip(found, rows, strict=True))


def main(config: Config) -> int:
    if config.folder is None:
        print("skipped: name the folder of TREC.train.all and TREC.test.all")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = config.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("train", "test"):
            rows = records(config.folder / f"TREC.{part}.all")
            (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        table, missed = (
            Table("scheme", "lr", "reference", "PEFT", "loralab", "by seed", "differ"),
            False,
        )
        for (scheme, lr), reference in REFERENCE.items():
            found = [accuracy(folder, scheme, lr, seed) for seed in config.seeds]
            others = sum(differs(folder / f"{scheme}-{lr:g}-{seed}") for seed in config.seeds)
            theirs = [
                accuracy_of_peft(folder, scheme, lr, seed)
                for seed in config.seeds
                if scheme in PEFT
            ]
            bar = (min(reference, statistics.mean(theirs)) if theirs else reference) - POINTS
            missed |= round(statistics.mean(found), 6) < bar or others > 0
            means = [
                shown([statistics.mean(values)] if values else []) for values in (theirs, found)
            ]
            by_seed = f"{shown(found)} (PEFT {shown(theirs)})"
            table.add_row(scheme, f"{lr:g}", f"{reference:.3f}", *means, by_seed, f"{others}")
    Console().print(table)
    return 1 if missed else 0


def shown(values: list[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values) or "-"


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config)))
