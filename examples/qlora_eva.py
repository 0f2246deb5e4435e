"""QLoRA with EVA: a base model in four bits, and an adapter that begins where its inputs vary.

    python examples/qlora_eva.py [MODEL]        # needs the extra quant; a CPU is enough

PEFT's adapter lies on bitsandbytes' nf4 layers. loralab reads the inputs of the quantised model, as
it will be trained, and never writes to it.
"""

import inspect
import statistics
import sys

import peft
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

import lora
from scaling.models.packaged import located

folder = located(sys.argv[1] if sys.argv[1:] else "smollm2")
tokenizer = AutoTokenizer.from_pretrained(folder)
four_bits = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
)
model = AutoModelForCausalLM.from_pretrained(
    folder, quantization_config=four_bits, dtype=torch.float32
)
print(f"the base model takes {model.get_memory_footprint() / 2**20:.0f} MiB")
model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
model = peft.get_peft_model(
    model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
)

text = "\n\n".join(inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__)
tokens = tokenizer(text, return_tensors="pt")["input_ids"][0].to(model.device)
rows = tokens[: len(tokens) // 64 * 64].view(-1, 64)
batches = [{"input_ids": part, "labels": part} for part in rows.split(4)]

report = lora.initialize_peft(model, "eva", batches, rho=2.0)
print(f"ranks {min(x.rank for x in report.layers)} to {max(x.rank for x in report.layers)}")
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
losses = []
for step in range(10):
    loss = model(**batches[step % len(batches)]).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
print(f"training loss: {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")
model.save_pretrained("qlora-adapter")
