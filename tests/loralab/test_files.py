"""Files appear whole or not at all."""

import pytest

from loralab.files import whole, write_text


def test_a_file_appears_when_it_is_whole(tmp_path):
    file = tmp_path / "a.json"
    with whole(file) as partial:
        partial.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    file = tmp_path / "a.json"
    write_text(file, "before")

    def fail() -> None:
        with whole(file) as partial:
            partial.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_two_writers_of_one_file_do_not_share_their_halves(tmp_path):
    file = tmp_path / "a.json"
    with whole(file) as one, whole(file) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one", "whoever ends last"


def test_others_may_read_it_as_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "whole", "")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
