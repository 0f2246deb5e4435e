"""LoRA on SmolLM2, trained by a loop of your own and saved for PEFT.

    python examples/lora_smollm2.py [MODEL]     # a name of `loralab models`, a folder, a hub name

It trains twenty steps on the documentation of Python's statistics module, and shows that PEFT
computes the same from the folder "adapter".
"""

import inspect
import statistics
import sys

import peft
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import lora
from scaling.models.packaged import located

folder = located(sys.argv[1] if sys.argv[1:] else "smollm2")
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

# rows of 64 tokens, four a batch
text = "\n\n".join(inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__)
tokens = tokenizer(text, return_tensors="pt")["input_ids"][0]
batches = tokens[: len(tokens) // 64 * 64].view(-1, 64).split(4)

report = lora.attach(model, lora.Config(rank=8, alpha=16))
print(f"{len(report.layers)} layers, {report.trainable:,} of {report.total:,} numbers are trained")
# LoRA+: B learns four times faster than A
optimizer = torch.optim.AdamW(lora.param_groups(model, lr=1e-3, ratio=4.0))
losses = []
for step in range(20):
    rows = batches[step % len(batches)]
    loss = model(input_ids=rows, labels=rows).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
print(f"training loss: {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")

lora.save(model, "adapter")
base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
theirs = peft.PeftModel.from_pretrained(base, "adapter")
with torch.no_grad():
    ours, same = model.eval()(batches[0]).logits, theirs.eval()(batches[0]).logits
print(f"PEFT's logits differ by at most {(ours - same).abs().max():.1e}")
