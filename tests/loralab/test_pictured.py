"""What figures and tables are made of is in a clone, and is that of the recorded run."""

from dataclasses import replace

import pytest

from loralab import pictured, recorded
from loralab.families import proxies
from loralab.store import Run

RECORDED = [proxy for proxy in proxies() if recorded.read(proxy.stem)]


def run(result) -> Run:
    return Run("key", "some", "claims", {"block": 1}, "code", {"commit": "c"}, "now", 1.5, result)


def test_data_and_tables_alone_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pictured, "FOLDER", tmp_path / "data")
    assert pictured.read("some") is None
    whole = run({"measured": {"X": {}}, "data": {"x": [1.25, None]}, "tables": {"t": [{"a": 1}]}})
    pictured.write(whole)
    [file] = (tmp_path / "data").iterdir()
    first = file.read_bytes()
    found = pictured.read("some")
    assert found is not None
    assert found.result == {"data": {"x": [1.25, None]}, "tables": {"t": [{"a": 1}]}}
    assert (found.key, found.config, found.seconds) == ("key", {"block": 1}, 1.5)
    pictured.write(whole)
    assert file.read_bytes() == first


def test_a_run_of_more_methods_shows_more_than_the_one_that_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pictured, "FOLDER", tmp_path / "data")

    def of(finished, *methods):
        result = {"data": dict.fromkeys(methods, 1), "tables": {}}
        return replace(run(result), finished=finished)

    assert not pictured.shows_more(of("2026-12-02", "LoRA", "EVA")), "nothing is kept"
    pictured.write(of("2026-12-01", "LoRA", "EVA"))
    assert pictured.shows_more(of("2026-12-02", "EVA", "PiSSA", "LoRA"))
    assert pictured.shows_more(of("2026-12-01", "LoRA", "EVA")), "the same"
    assert not pictured.shows_more(of("2026-12-02", "LoRA", "PiSSA", "DoRA"))
    assert not pictured.shows_more(of("2026-11-30", "LoRA", "EVA", "PiSSA")), "an earlier one"


@pytest.mark.parametrize("proxy", RECORDED, ids=lambda proxy: proxy.stem)
def test_it_is_of_a_run_of_the_record(proxy):
    found, record = pictured.read(proxy.stem), recorded.read(proxy.stem)
    assert found is not None
    assert record is not None
    assert found.key[:12] in record["runs"]
    assert record["runs"][found.key[:12]]["config"] == found.config
