"""An initialization for TRL's SFTTrainer: pip install trl

    python examples/trl_sft.py [MODEL]

SFTTrainer takes a model that PEFT has wrapped already, with no peft_config of its own. The
initialization is the line before `trainer.train()`, which makes the optimizer.
"""

import inspect
import statistics
import sys

import datasets
import peft
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

import lora
from scaling.models.packaged import located

folder = located(sys.argv[1] if sys.argv[1:] else "smollm2")
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model = peft.get_peft_model(
    model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
)

texts = [inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__]
arguments = SFTConfig(
    output_dir="sft",
    max_steps=20,
    per_device_train_batch_size=4,
    max_length=64,
    learning_rate=1e-3,
    logging_steps=10,
    report_to="none",
    bf16=False,
    use_cpu=not torch.cuda.is_available(),
)
trainer = SFTTrainer(
    model,
    arguments,
    train_dataset=datasets.Dataset.from_dict({"text": texts}),
    processing_class=tokenizer,
)
report = lora.initialize_peft(trainer.model, "eva", trainer.get_train_dataloader(), rho=2.0)
print(f"ranks {min(x.rank for x in report.layers)} to {max(x.rank for x in report.layers)}")
print(f"training loss: {trainer.train().training_loss:.3f}")
trainer.save_model("sft/adapter")
