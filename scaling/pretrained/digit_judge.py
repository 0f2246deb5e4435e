"""The classifier of scikit-learn's digits, as they are and inverted, whose features images of
digits are judged by."""

import json
from pathlib import Path

from proxies.instruments.digit_networks import judge


def make(folder: Path) -> None:
    folder.mkdir()
    (folder / "judge.json").write_text(json.dumps(judge(seed=0)))
