"""EVA on SmolLM2: A along the directions in which a layer's inputs vary, and ranks to match.

    python examples/eva_smollm2.py [MODEL]

EVA (arXiv:2410.07170) reads one pass over a few batches. With rho = 2 a layer gets up to twice the
rank, and the sum of the ranks stays. `loralab sweep` says whether it pays on your data.
"""

import inspect
import statistics
import sys
from collections import defaultdict

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import lora
from scaling.models.packaged import located

folder = located(sys.argv[1] if sys.argv[1:] else "smollm2")
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

text = "\n\n".join(inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__)
tokens = tokenizer(text, return_tensors="pt")["input_ids"][0]
rows = tokens[: len(tokens) // 64 * 64].view(-1, 64)
batches = [{"input_ids": part, "labels": part} for part in rows.split(4)]

config = lora.Config(rank=8, alpha=16, scheme="eva", scheme_options={"rho": 2.0})
with torch.no_grad():
    before = model(**batches[0]).logits
report = lora.attach(model, config, batches)
with torch.no_grad():
    assert torch.equal(model(**batches[0]).logits, before), "the function at step 0 is the model's"

ranks = defaultdict(list)
for layer in report.layers:
    ranks[layer.name.split(".")[-1]].append(layer.rank)
for kind, found in ranks.items():
    print(f"{kind:10} rank {min(found)} to {max(found)}, {sum(found) / len(found):.1f} on average")

optimizer = torch.optim.AdamW(lora.param_groups(model, lr=1e-3))
losses = []
for step in range(20):
    loss = model(**batches[step % len(batches)]).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
print(f"training loss: {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")
lora.save(model, "eva-adapter")
