"""What is said of names that are not known."""

from dataclasses import fields

from loralab.names import NAMES_ELSEWHERE
from scaling.comparison.axes import Grid
from scaling.finetune import GROUPS


def test_every_name_of_another_tool_leads_to_a_setting_and_is_none_itself():
    settings = {f.name for group in GROUPS.values() for f in fields(group.kind)}
    settings |= {f.name for f in fields(Grid)}
    others = [name for names in NAMES_ELSEWHERE.values() for name in names]
    assert settings >= NAMES_ELSEWHERE.keys()
    assert not settings & {*others}
    assert len({*others}) == len(others)
