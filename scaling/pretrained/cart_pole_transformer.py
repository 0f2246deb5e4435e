"""A Decision Transformer that imitates the scripted policy of CartPole-v1 with its own physics."""

from pathlib import Path

from scaling.pretrained import decision_transformer


def make(folder: Path) -> None:
    decision_transformer.make(folder, "CartPole-v1")
