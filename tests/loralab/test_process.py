"""How a process ends."""

import pytest

from loralab.process import Stopped, finish

KEPT = "what had finished is kept and will not be run again."


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        (Stopped("stopped at step 3."), "interrupted: stopped at step 3.\n"),
        (
            KeyboardInterrupt(),
            f"interrupted: {KEPT}\n",
        ),
    ],
)
def test_an_interrupt_says_what_is_known_of_what_is_kept(capsys, stop, said):
    def main():
        raise stop

    with pytest.raises(SystemExit) as ended:
        finish(main)
    assert ended.value.code == 130
    assert capsys.readouterr().err == said
