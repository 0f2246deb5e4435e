"""A sample of each fuzz battery; `make fuzz` runs the whole."""

import pytest

pytest.importorskip("peft")

from tests.fuzz import command_line, config_and_attach, kill, load
from tests.fuzz.battery import Battery, Result, run

pytestmark = pytest.mark.filterwarnings("ignore")


def good(battery: Battery, cases: int) -> None:
    result: Result = run(battery, cases)
    told = [f"{i}: {one.outcome.value}: {one.case}: {one.detail}" for i, one in result.bad.items()]
    assert not told, f"{battery.promise}\n" + "\n".join(told)
    assert result.complete


def test_no_damaged_adapter_is_loaded_in_silence():
    good(load.BATTERY, 300)


def test_no_odd_request_is_met_by_a_raw_error_or_a_wrong_model():
    good(config_and_attach.BATTERY, 200)


def test_a_wrong_command_line_is_one_sentence_and_costs_the_user_no_file():
    good(command_line.BATTERY, 20)


def test_a_killed_save_leaves_one_adapter_or_the_other():
    good(kill.BATTERY, 4)
