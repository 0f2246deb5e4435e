"""Two initializations, each at its own best learning rate, with a picture.

    python examples/sweep.py [MODEL]        # 12 short runs; a killed sweep goes on where it stopped

The learning rate is chosen on validation data, and the difference of the test scores has an
interval over seeds and examples. The folder "comparison" holds report.md and the pictures.
"""

import inspect
import statistics
import sys

import loralab
from scaling.models.packaged import located

if __name__ == "__main__":  # the runs are processes of their own, which read this file again
    texts = [inspect.getdoc(getattr(statistics, name)) or "" for name in statistics.__all__]
    paragraphs = [{"text": part} for text in texts for part in text.split("\n\n")]
    found = loralab.sweep(
        task="causal_lm",
        model=located(sys.argv[1] if sys.argv[1:] else "smollm2"),
        train=paragraphs[::2],
        test=paragraphs[1::2],
        steps=20,
        batch=4,
        rank=8,
        schemes=["init_a", "eva"],
        rates=[3e-4, 1e-3, 3e-3],
        seeds=[0, 1],
        widen=0,
        out="comparison",
    )
    print(found)
    for picture in sorted(found.folder.glob("*.png")):
        print(f"picture: {picture}")
