"""The data folder: label files by place, and what was done today."""

import pytest
from conftest import fill, put, triplets

import labelfile
from session import supply
from session.folder import Folder, Record


def test_a_row_that_a_spreadsheet_spoilt_does_not_stop_the_session(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True)
    (sent / "ann--2026-11-22_13-08-00.csv").write_text("9,Good,,22/11/2026 13:08,x,1.0\n")
    subject = desk()
    subject.session.supply.state = supply.State.PAUSING  # no hub is asked here
    subject.open()
    subject.pump(lambda: subject.session._begun)
    subject.session._reading.do(int).result()  # today's labels have been counted
    subject.pump(lambda: True)
    assert subject.label("Good") == "1" and subject.session.today == 1
    assert not subject.said


def test_what_a_crashed_session_left_is_settled_and_what_cannot_be_read_is_kept(desk, tmp_path):
    """A file with five columns used to end as nothing, and was deleted."""
    left = tmp_path / "data" / "labels" / "open" / "ann--2026-11-22_13-08-00.csv"
    left.parent.mkdir(parents=True)
    row = ",".join(labelfile.row("7", "Good"))
    left.write_text(f"{','.join(labelfile.COLUMNS)}\n{row}\n8,Other,half a comm")
    subject = desk()
    subject.session.start()
    (waiting,) = left.parent.parent.glob("waiting/*.csv")
    assert [entry.objid for entry in labelfile.read(waiting).rows] == ["7"] and not left.exists()
    (torn,) = left.parent.parent.glob("waiting/*.torn")
    assert torn.read_text() == "8,Other,half a comm"
    assert [said for said in subject.said if str(torn) in said and left.name in said]


def test_only_what_the_hub_took_in_whole_is_acknowledged(tmp_path):
    here = Folder(tmp_path, "ann")
    for objid in ("1", "2"):
        file = labelfile.LabelFile(here.place("sent"), "ann")
        file.append(labelfile.row(objid, "Good"))
        file.close()
    assert here.all_acknowledged({"1", "2"}, "x") and not here.all_acknowledged({"1", "3"}, "x")
    file.path.with_suffix(".rejected").touch()
    assert here.all_acknowledged({"1"}, "x") and not here.all_acknowledged({"1", "2"}, "x")


def test_what_was_skipped_in_another_drop_is_no_answer_to_what_came_anew(tmp_path):
    here = Folder(tmp_path, "ann")
    file = labelfile.LabelFile(here.place("sent"), "ann")
    file.append(
        labelfile.row("1", "Skipped", "damaged", "old"), labelfile.row("2", "Good", "", "old")
    )
    file.close()
    assert [*here.latest({"1", "2"}, "old")] == ["1", "2"] and [
        *here.latest({"1", "2"}, "new")
    ] == ["2"]
    assert here.all_acknowledged({"1", "2"}, "old") and not here.all_acknowledged({"1"}, "new")


def test_what_is_owed_is_written_with_the_next_row_and_once(small_disk):
    here = Folder(small_disk, "ann")
    record = Record(here)
    assert record.path is None
    record.append(labelfile.row("1", "Good"))
    filler = fill(small_disk)
    record.owe(labelfile.row("2", "Skipped", "x" * 1900))
    for _ in range(3):
        with pytest.raises(labelfile.LabelError, match="not saved"):
            record.append(
                labelfile.row("3", "Other", "x" * 2000), labelfile.row("4", "Good", "y" * 2000)
            )
    filler.unlink()
    record.append(labelfile.row("5", "Good"))
    record.append(labelfile.row("6", "Good"))
    assert [row.objid for row in labelfile.read(record.path).rows] == ["1", "2", "5", "6"]
    record.settle()
    assert record.path.parent.name == "waiting" and here.has_waiting()


def test_copies_that_a_syncing_folder_made_are_settled_under_a_name_that_the_hub_takes(tmp_path):
    """They were refused for ever, and every close said that labels are kept for later."""
    here = Folder(tmp_path, "ann")
    here.make()
    (own, copy, same) = (
        here.place("waiting") / f"ann--2026-11-22_13-08-00{suffix}.csv"
        for suffix in ("", " (ann's conflicted copy)", " (1)")
    )
    header = ",".join(labelfile.COLUMNS)
    for path, objids in ((own, "1"), (copy, "12"), (same, "1")):
        rows = [",".join(labelfile.row(objid, "Good", after="2026")) for objid in objids]
        path.write_text("\n".join([header, *rows, ""]))
    same.write_bytes(own.read_bytes())
    assert here.settle_crashed() == []
    paths = sorted(here.place("waiting").iterdir())
    assert len(paths) == 2 and all(labelfile.user_of(path.name) == "ann" for path in paths)
    assert sorted(len(labelfile.read(path).rows) for path in paths) == [1, 2]
