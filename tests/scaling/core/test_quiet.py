"""Libraries that a trial does not let speak, and what they leave behind."""

import json
import logging
import subprocess
import sys
import threading

import pytest

pytest.importorskip("transformers")

from loralab.code import ROOT
from scaling.core.config import Config
from scaling.core.quiet import LOUD, mute
from tests.support.finetuning import arguments, tiny_bert


def test_a_trial_says_nothing(capfd, monkeypatch):
    """Nor do loggers that hold standard error from before."""
    from tqdm import tqdm

    loud = [logging.getLogger(name) for name in (*LOUD, "transformers")]
    for logger in loud:
        logger.setLevel(logging.WARNING)
        monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(sys.stderr)])
    with mute():
        print("a line")
        for _ in tqdm(range(2)):
            for logger in loud:
                logger.getChild("within").warning("this machine lacks something")
    assert capfd.readouterr() == ("", "")


def test_a_killed_worker_leaves_no_lock_of_its_bars_behind():
    from tqdm import tqdm

    with mute():
        assert isinstance(tqdm.get_lock(), type(threading.RLock()))


def test_a_worker_is_silent_from_its_first_import_on(tmp_path):
    """In a process of its own, which has imported nothing yet."""
    given = arguments(tiny_bert(tmp_path), tmp_path, steps=2)
    named = dict(zip(given[::2], given[1::2], strict=True))
    own = {name: named[f"--{name}"] for name in ("model", "train", "test")}
    settings = Config.of(**own, steps=2, batch=8, validate_every=1).as_json()
    code = (
        "import json, sys; from scaling.comparison import own, trials; "
        "run = own.Carried(trials.fine_tuned, []); "
        "assert 'losses' in run(settings=json.loads(sys.argv[1]), peft=None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings)],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "LORALAB_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
