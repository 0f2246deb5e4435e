"""An initialization for a script with PEFT and transformers' Trainer: one line more.

    python examples/peft_trainer.py [MODEL]

It is the line before `trainer.train()`, which makes the optimizer.
"""

import inspect
import statistics
import sys

import datasets
import peft
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

import lora
from scaling.models.packaged import located

folder = located(sys.argv[1] if sys.argv[1:] else "smollm2")
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model = peft.get_peft_model(
    model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
)

text = "\n\n".join(inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__)
tokens = tokenizer(text, return_tensors="pt")["input_ids"][0]
rows = tokens[: len(tokens) // 64 * 64].view(-1, 64)

arguments = TrainingArguments(
    output_dir="trainer",
    max_steps=20,
    per_device_train_batch_size=4,
    learning_rate=1e-3,
    logging_steps=10,
    report_to="none",
    use_cpu=not torch.cuda.is_available(),
)
data = datasets.Dataset.from_dict({"input_ids": rows.tolist(), "labels": rows.tolist()})
trainer = Trainer(model, arguments, train_dataset=data)  # type: ignore[arg-type]
report = lora.initialize_peft(model, "eva", trainer.get_train_dataloader(), rho=2.0)
print(f"ranks {min(x.rank for x in report.layers)} to {max(x.rank for x in report.layers)}")
print(f"training loss: {trainer.train().training_loss:.3f}")
model.save_pretrained("trainer/adapter")
