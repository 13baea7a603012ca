"""Comments that can be had again."""

import pytest
from conftest import put, triplets

import labelfile
from session import comments
from session.comments import Comments, understand


def test_a_comment_for_which_the_disk_has_no_room_can_be_had_again(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()

    def full(*_):
        raise labelfile.LabelError("full")

    monkeypatch.setattr(labelfile.LabelFile, "append", full)
    with pytest.raises(labelfile.LabelError, match="full"):
        subject.session.label("1", "Other", "a long comment")
    assert subject.session.comments.offered == ("a long comment",)


def test_comments_given_before_can_be_had_again_by_their_number(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 5)))
    subject = desk().open()
    for comment in ("one", "two", "one", ""):
        subject.label("Other" if comment else "Good", comment)
    offered = subject.session.comments.offered
    assert offered == ("one", "two")  # each once, in their order
    assert understand("2\n", offered) == "two"
    assert understand("2 of them", offered) == "2 of them"
    rows, _ = labelfile.read(subject.session._record.path)
    assert [row.comment for row in rows] == ["one", "two", "one", ""]


@pytest.mark.parametrize("text", ["3", "0", "02", "12", " 7 ", "9" * 1999])
def test_a_number_that_is_not_offered_is_no_comment(text):
    with pytest.raises(labelfile.LabelError, match="There is no comment [0-9]{1,9}: nothing was"):
        understand(text, ("one", "two"))


def test_the_sites_own_stand_first_then_the_earlier_ones_then_the_new():
    offered = Comments(["trail", "ring", "Ring"])
    offered.add("mine")  # said before the earlier ones were found
    offered.remember(["often", "RING", "mine", "once"])
    offered.add("new")
    assert offered.offered == ("trail", "ring", "mine", "often", "once", "new")


def test_a_number_that_was_used_keeps_its_comment_and_a_new_one_gets_a_number_all_the_same():
    offered = Comments(f"site {i}" for i in range(1, 12))
    assert offered.offered == tuple(f"site {i}" for i in range(1, 10))  # one digit is enough
    offered.add("Site 9")  # by its number, or as somebody spells it
    offered.add("new")
    assert offered.offered[6:] == ("site 7", "new", "site 9")
    for number in range(20):
        offered.add(f"number {number}")
    assert offered.offered[7:] == ("new", "site 9")
    assert offered.offered[:7] == tuple(f"number {number}" for number in reversed(range(7)))


def label_file(folder, time, *given):
    path = folder / f"ann--2026-11-{time}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f'{objid},{action},"{comment}",2026-11-22T13:08:00.123Z,s,2.0\n'
        for objid, (action, comment) in enumerate(given, 1)
    ]
    path.write_text("OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n" + "".join(rows))
    return path


def test_what_was_said_most_often_in_earlier_sittings_comes_first_and_of_equals_the_latest(
    tmp_path,
):
    old = label_file(
        tmp_path, "20_10-00-00", ("Other", "once, long ago"), ("Other", "twice"), ("Good", "no")
    )
    new = label_file(
        tmp_path, "21_10-00-00", ("Skipped", "broken: Other"), ("Other", "Twice"), ("Other", "now")
    )
    assert comments.earlier([new, old]) == ["Twice", "now", "once, long ago"]
    many = label_file(tmp_path, "22_10-00-00", *(("Other", f"c{i}") for i in range(30)))
    assert comments.earlier([many]) == [f"c{i}" for i in range(29, 20, -1)]


def test_no_more_label_files_are_read_than_there_is_time_for(tmp_path, monkeypatch):
    old = label_file(tmp_path, "20_10-00-00", *[("Other", "old")] * 9)
    new = label_file(tmp_path, "21_10-00-00", *[("Other", "new")] * 9)
    monkeypatch.setattr(comments, "READ", old.stat().st_size + new.stat().st_size - 1)
    assert comments.earlier([old, new]) == ["new"]


def test_a_label_file_that_is_hostile_offers_nothing_that_is_no_comment(tmp_path):
    path = label_file(tmp_path, "20_10-00-00", ("Other", "fine"), ("Other", "\x1b[2J"))
    with path.open("ab") as file:
        file.write(b"\xff\xfe\x00Other,,\n7,Other," + b"x" * 3000 + b",t,s,1\n7,Other,half a li")
    assert comments.earlier([path]) == ["fine"]


def test_a_session_offers_what_this_person_said_in_earlier_ones(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    label_file(tmp_path / "data" / "labels" / "sent", "20_10-00-00", ("Other", "two stars"))
    other = label_file(tmp_path / "data" / "labels" / "sent", "20_10-00-01", ("Other", "not mine"))
    other.rename(other.with_name(other.name.replace("ann", "bob")))
    subject = desk().open()
    subject.pump(lambda: subject.session.comments.offered)
    assert subject.session.comments.offered == ("two stars",)
