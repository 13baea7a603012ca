"""Comments that can be had again."""

import pytest
from conftest import put, triplets

import labelfile


def test_a_comment_for_which_the_disk_has_no_room_can_be_had_again(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()

    def full(*_):
        raise labelfile.LabelError("full")

    monkeypatch.setattr(labelfile.LabelFile, "append", full)
    with pytest.raises(labelfile.LabelError, match="full"):
        subject.session.label("1", "Other", "a long comment")
    assert subject.session.comments.understand("1") == "a long comment"


def test_comments_given_before_can_be_had_again_by_their_number(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 15)))
    subject = desk().open()
    comments = subject.session.comments
    with pytest.raises(labelfile.LabelError, match="There is no comment 7: nothing was labelled"):
        comments.understand(" 7 ")  # nothing is offered yet, and a number alone says nothing
    for comment in ("one", "two", "one", ""):
        subject.label("Other" if comment else "Good", comment)
    assert comments.given == ["one", "two"]  # each once, in their order
    assert comments.understand("2\n") == "two"
    assert comments.understand("2 of them") == "2 of them"
    for text in ("3", "0", "02", "12", "9" * 1999):
        with pytest.raises(
            labelfile.LabelError, match="There is no comment [0-9]{1,9}: nothing was"
        ):
            comments.understand(text)
    for number in range(10):
        subject.label("Other", f"number {number}")
    assert comments.understand("1") == "number 1"  # and no more than nine are offered
    rows, _ = labelfile.read(subject.session._record.path)
    assert [row.comment for row in rows[:4]] == ["one", "two", "one", ""]
