"""The file in which no label is lost."""

import csv
import errno
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from conftest import ROOT, fill
from hypothesis import given
from hypothesis import strategies as st

import labelfile


def test_a_file_is_named_after_its_user_and_utc_and_begins_with_the_header(tmp_path):
    file = labelfile.LabelFile(tmp_path, "rob")
    file.append(labelfile.row("284239958", "Good", metadata_stamp="first", seconds=2.5))
    file.close()
    assert re.fullmatch(r"rob--\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.csv", file.path.name)
    header, line = file.path.read_text().splitlines()
    assert header == "OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS"
    assert re.fullmatch(r"284239958,Good,,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,first,2.50", line)


def test_two_sessions_in_one_second_get_two_files(tmp_path):
    files = [labelfile.LabelFile(tmp_path, "rob") for _ in range(3)]
    assert len({file.path for file in files}) == 3
    assert all(labelfile.user_of(file.path.name) == "rob" for file in files)


@given(comment=st.text(max_size=300))
def test_whatever_is_commented_comes_back_as_one_line(tmp_path_factory, comment):
    file = labelfile.LabelFile(tmp_path_factory.mktemp("labels"), "rob")
    clean = labelfile.clean_comment(comment)
    file.append(labelfile.row("1", "Other", clean), labelfile.row("2", "Good"))
    file.close()
    rows, torn = labelfile.read(file.path)
    assert [row.objid for row in rows] == ["1", "2"] and not torn
    assert rows[0].comment == clean == labelfile.clean_comment(clean)
    assert labelfile.check(rows[0]) is None
    with file.path.open(newline="", encoding="utf-8") as table:  # and any CSV reader agrees
        assert [row["COMMENT"] for row in csv.DictReader(table)] == [clean, ""]


def test_a_comment_keeps_quotes_commas_and_emoji_and_loses_line_ends():
    assert labelfile.clean_comment(' a "b", c\n\td\x00 🌟 ') == 'a "b", c d 🌟'


def test_a_comment_that_is_too_long_is_refused_not_cut():
    with pytest.raises(
        labelfile.LabelError, match="at most 2000 characters and this one has 100000"
    ):
        labelfile.clean_comment("x" * 100_000)


def test_a_torn_last_line_is_set_aside(tmp_path):
    path = tmp_path / "rob--2026-11-22_13-08-00.csv"
    whole = "OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n1,Good,,t,s,1.00\n"
    path.write_text(whole + "2,Goo")
    rows, torn = labelfile.read(path)
    assert [row.objid for row in rows] == ["1"]
    assert torn == [b"2,Goo"]


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_a_file_cut_anywhere_gives_its_whole_rows(tmp_path, end):
    path = tmp_path / "rob--2026-11-22_13-08-00.csv"
    whole = b"OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n" + b'7,Other,"a, b",t,s,1.00\n' * 3
    path.write_bytes(whole[: len(whole) - end] + bytes(end % 2 * 40))
    rows, _ = labelfile.read(path)
    assert len(rows) == 3 - (end + 23) // 24
    assert all(row.comment == "a, b" for row in rows)


def test_settling_keeps_the_last_row_of_a_detection(tmp_path):
    (tmp_path / "waiting").mkdir()
    file = labelfile.LabelFile(tmp_path, "rob")
    for objid, action in (("1", "Good"), ("2", "Unsure"), ("1", "Marginal")):
        file.append(labelfile.row(objid, action))
    file.close()
    target, torn = labelfile.settle(file.path, tmp_path / "waiting")
    assert [(row.objid, row.action) for row in labelfile.read(target)[0]] == [
        ("2", "Unsure"),
        ("1", "Marginal"),
    ]
    assert not file.path.exists() and torn is None


def settle(tmp_path, data, name="rob--2026-11-22_13-08-00.csv"):
    """Settle a file of these bytes; return its rows, and what was kept as torn."""
    waiting = tmp_path / "waiting"
    waiting.mkdir(exist_ok=True)
    path = tmp_path / name
    path.write_bytes(data)
    target, torn = labelfile.settle(path, waiting)
    assert not path.exists()
    return labelfile.read(target).rows if target else [], torn.read_bytes() if torn else b""


HEADER = b"OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n"
LINES = (
    b"7,Good,,2026-11-22T13:08:00.123Z,s,1.00\n",
    b'8,Other,"a, b ""c"" \xf0\x9f\x8c\x9f",2026-11-22T13:08:01.123Z,s,2.25\n',
    b"9,Unsure,,2026-11-22T13:08:02.123Z,s,0.50\n",
)


def test_a_file_cut_at_any_byte_settles_to_its_whole_rows_and_keeps_the_rest(tmp_path):
    whole = HEADER + b"".join(LINES)
    ends = [len(HEADER) + sum(map(len, LINES[:count])) for count in range(4)]
    for end in range(len(whole) + 1):
        rows, torn = settle(tmp_path, whole[:end])
        if end < ends[0]:
            assert not rows
            continue
        count = sum(end >= line for line in ends[1:])
        kept = whole[ends[count] : end]
        assert [row.objid for row in rows[:count]] == ["7", "8", "9"][:count]
        if len(rows) > count:  # all that is said is there, but for decimals and the line's end
            assert len(rows) == count + 1 and LINES[count].startswith(kept) and not torn
            assert labelfile.check(rows[-1]) is None and len(LINES[count]) - len(kept) <= 4
        else:
            assert torn == kept
        for path in (tmp_path / "waiting").iterdir():
            path.unlink()


@pytest.mark.parametrize("columns", [5, 7])
def test_a_file_of_an_earlier_or_a_later_version_counts(tmp_path, columns):
    """Five columns used to end as nothing, and the file was deleted."""
    lines = [HEADER, *LINES]
    if columns == 5:
        data = b"".join(line.rpartition(b",")[0] + b"\n" for line in lines)
    else:
        ends = [b",FLAG\n", b",lens?\n", b",\n", b",\n"]
        data = b"".join(line[:-1] + end for line, end in zip(lines, ends))
    rows, torn = settle(tmp_path, data)
    assert [(row.objid, row.action) for row in rows] == [
        ("7", "Good"),
        ("8", "Other"),
        ("9", "Unsure"),
    ]
    assert rows[0].seconds == ("0" if columns == 5 else "1.00")
    assert all(labelfile.check(row) is None for row in rows)
    assert torn == (b"" if columns == 5 else data), "what a later version said is not lost"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b'"a, b', b'"a; b').replace(b",", b";").replace(b".00", b",00"),
        lambda data: data.replace(b",", b"\t").replace(b"a\t b", b"a, b"),
        lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"),
        lambda data: data.replace(b"\n", b",,\n"),
        lambda data: data[:-1],
        lambda data: data.replace(LINES[1], b"\n\n" + LINES[1]),
        lambda data: data[: len(HEADER + LINES[0])] + HEADER + data[len(HEADER + LINES[0]) :],
    ],
    ids=[
        "bom",
        "crlf",
        "semicolon",
        "tab",
        "utf-16",
        "empty-columns",
        "no-end",
        "empty-lines",
        "two-headers",
    ],
)
def test_a_file_that_a_spreadsheet_or_an_editor_saved_counts(tmp_path, spoil):
    rows, torn = settle(tmp_path, spoil(HEADER + b"".join(LINES)))
    assert [row.objid for row in rows] == ["7", "8", "9"] and not torn
    assert rows[1].comment.replace(";", ",") == 'a, b "c" 🌟'
    assert all(labelfile.check(row) is None for row in rows)


def test_columns_are_found_by_their_names(tmp_path):
    data = b"ACTION,SECONDS,OBJID,TIME\nGood,1.00,7,2026-11-22T13:08:00.123Z\n"
    (row,), torn = settle(tmp_path, data)
    assert (
        row == labelfile.Row("7", "Good", "", "2026-11-22T13:08:00.123Z", "", "1.00") and not torn
    )
    path = tmp_path / "rob--2026-11-22_13-08-00.csv"
    path.write_bytes(data)
    assert labelfile.latest([path], {"7"}) == {"7": row}


def test_a_file_that_is_being_written_is_its_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        file = labelfile.LabelFile(tmp_path, "rob")
    finally:
        os.umask(before)
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.close()


def test_what_cannot_be_read_is_kept_for_its_owner_alone(tmp_path):
    rows, torn = settle(tmp_path, HEADER + b"8,Go\n" + LINES[0] + bytes(40) + b"\n\xff,x\n")
    assert [row.objid for row in rows] == ["7"]
    assert torn == b"8,Go\n" + bytes(40) + b"\n\xff,x"
    (path,) = tmp_path.glob("waiting/*.torn")
    assert path.name == "rob--2026-11-22_13-08-00.torn"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_kept_is_not_replaced_by_what_comes_later(tmp_path):
    for data in (b"first", b"second", b"first"):
        assert settle(tmp_path, HEADER + data) == ([], data)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("waiting/*.torn")}
    assert kept == {
        "rob--2026-11-22_13-08-00.torn": b"first",
        "rob--2026-11-22_13-08-00-2.torn": b"second",
    }


def test_settling_twice_after_a_crash_in_between_gives_the_same(tmp_path):
    (tmp_path / "waiting").mkdir()
    file = labelfile.LabelFile(tmp_path, "rob")
    file.append(labelfile.row("1", "Good"))
    file.close()
    before = file.path.read_bytes()
    target, _ = labelfile.settle(file.path, tmp_path / "waiting")
    settled = target.read_bytes()
    file.path.write_bytes(before)  # as if the crash came before the old file went
    labelfile.settle(file.path, tmp_path / "waiting")
    assert target.read_bytes() == settled


def test_a_file_without_labels_leaves_nothing_to_send(tmp_path):
    (tmp_path / "waiting").mkdir()
    file = labelfile.LabelFile(tmp_path, "rob")
    file.close()
    assert labelfile.settle(file.path, tmp_path / "waiting") == (None, None)
    assert not file.path.exists() and not list((tmp_path / "waiting").iterdir())


def test_a_label_that_does_not_fit_on_the_disk_leaves_the_earlier_ones_unharmed(small_disk):
    file = labelfile.LabelFile(small_disk, "rob")
    file.append(labelfile.row("1", "Good"))
    filler = fill(small_disk)
    with pytest.raises(labelfile.LabelError, match="not saved, the earlier ones are"):
        for number in range(2, 200):
            file.append(labelfile.row(str(number), "Other", "x" * 500))
    kept, torn = labelfile.read(file.path)
    assert kept[0].objid == "1" and not torn
    filler.unlink()
    file.append(labelfile.row("999", "Good"))
    rows, torn = labelfile.read(file.path)
    assert [row.objid for row in rows] == [*(row.objid for row in kept), "999"] and not torn


def test_the_latest_answer_is_found_over_several_files_whatever_their_place(tmp_path):
    line = "{},{},,2026-11-22T13:08:00.123Z,s,1.00\n"
    for user, hour, rows in (
        ("b", 10, [("1", "Good")]),
        ("a", 12, [("1", "Unsure"), ("22", "Good")]),
    ):
        path = tmp_path / f"{user}--2026-11-22_{hour}-00-00.csv"
        path.write_text(HEADER.decode() + "".join(line.format(*row) for row in rows))
    answers = labelfile.latest(tmp_path.glob("*.csv"), {"1", "3"})
    assert {objid: row.action for objid, row in answers.items()} == {"1": "Unsure"}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"objid": "12a"}, "OBJID"),
        ({"objid": "١٢"}, "OBJID"),
        ({"objid": "1" * 33}, "OBJID"),
        ({"action": "Perfect"}, "ACTION"),
        ({"comment": "a\x1bb"}, "COMMENT"),
        ({"time": "yesterday"}, "TIME"),
        ({"seconds": "-1"}, "SECONDS"),
        ({"seconds": "nan"}, "SECONDS"),
    ],
)
def test_a_row_that_cannot_be_a_label_is_told_why(change, reason):
    good = labelfile.row("12345678901234567890", "Good", "fine", "first", 1.5)
    assert labelfile.check(good) is None
    assert labelfile.check(good._replace(**change)).startswith(reason)


@pytest.mark.parametrize(
    "name", ["", "a--b", "..", ".a", "-a", "../x", "a/b", "x" * 33, "ü", "a b", "a\n"]
)
def test_a_user_name_that_would_not_do_in_a_file_name_is_none(name):
    assert not labelfile.is_user(name)
    assert labelfile.user_of(f"{name}--2026-11-22_13-08-00.csv") is None


def test_a_row_that_could_not_be_taken_back_is_parted_from_the_next(small_disk, monkeypatch):
    """The next label was glued to the torn row, and both were lost."""
    file = labelfile.LabelFile(small_disk, "ann")
    file.append(labelfile.row("1", "Good"))
    filler = fill(small_disk)
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(labelfile.LabelError, match="not saved"):
        file.append(*[labelfile.row("2", "Other", "x" * 2000)] * 4)
    filler.unlink()
    for objid in "34":
        file.append(labelfile.row(objid, "Good"))
    rows, torn = labelfile.read(file.path)
    assert [row.objid for row in rows][-2:] == ["3", "4"] and len(torn) == 1


def refuse(*_):
    raise OSError(errno.EIO, "Input/output error")


def test_a_row_is_on_the_disk_before_append_returns(tmp_path):
    """Another process, killed right after append, leaves the row."""
    script = (
        "import sys, os, labelfile; file = labelfile.LabelFile(sys.argv[1], 'rob');"
        "file.append(labelfile.row('7', 'Good')); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, check=False)
    (path,) = tmp_path.iterdir()
    assert [row.objid for row in labelfile.read(path)[0]] == ["7"]


def test_a_row_is_synced(tmp_path, monkeypatch):
    """Whether a sync survives a power cut no test can show; that it is asked for, one can."""
    file = labelfile.LabelFile(tmp_path, "rob")
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), real(fd)))
    file.append(labelfile.row("7", "Good"))
    assert synced == [file.path.stat().st_ino]


def places(tmp_path):
    folders = [tmp_path / place for place in ("open", "waiting", "sent")]
    for folder in folders:
        folder.mkdir()
    return folders


def spoilt(path, how, elsewhere):
    """Take a file away while it is written, in some way; return its rows that are left."""
    if how == "deleted":
        path.unlink()
    elif how == "folder deleted":
        shutil.rmtree(path.parent)
    elif how == "settled by another window":
        labelfile.settle(path, elsewhere)
    else:  # a syncing folder brings an earlier copy back
        lines = path.read_bytes().splitlines(keepends=True)
        path.unlink()
        path.write_bytes(b"".join(lines[:2]))


@pytest.mark.parametrize(
    "how", ["deleted", "folder deleted", "settled by another window", "an earlier copy"]
)
def test_no_label_is_accepted_into_a_file_that_is_gone(tmp_path, how):
    """After rm -rf data/labels/open four more were accepted, and all six were gone."""
    folder, *others = places(tmp_path)
    file = labelfile.LabelFile(folder, "rob", others)
    file.append(labelfile.row("1", "Good"))
    file.append(labelfile.row("2", "Good"))
    spoilt(file.path, how, others[0])
    for objid in ("3", "4"):
        file.append(labelfile.row(objid, "Marginal"))
    found = [row for path in sorted(tmp_path.rglob("*.csv")) for row in labelfile.read(path).rows]
    assert sorted(row.objid for row in found) == ["1", "2", "3", "4"], "each is there, once"


def test_a_label_that_can_be_kept_nowhere_is_refused_and_the_earlier_ones_come_back(tmp_path):
    folder, *others = places(tmp_path)
    file = labelfile.LabelFile(folder, "rob", others)
    file.append(labelfile.row("1", "Good"))
    shutil.rmtree(folder)
    folder.write_text("a file is in the way")
    for _ in range(2):
        with pytest.raises(labelfile.LabelError, match="not saved"):
            file.append(labelfile.row("2", "Good"))
    folder.unlink()
    file.append(labelfile.row("3", "Good"))
    assert [row.objid for row in labelfile.read(file.path).rows] == ["1", "3"]


@pytest.mark.parametrize("place", ["waiting", "sent"])
def test_a_new_file_has_a_name_that_is_free_in_all_folders(tmp_path, place):
    """Two sittings in one second, and the second replaced what the first had to send."""
    folder, *others = places(tmp_path)
    first = labelfile.LabelFile(folder, "rob", others)
    first.append(labelfile.row("1", "Good"))
    labelfile.settle(first.path, tmp_path / place)
    assert labelfile.LabelFile(folder, "rob", others).path.name != first.path.name


def test_settling_replaces_no_file_of_other_content(tmp_path):
    folder, waiting, _ = places(tmp_path)
    targets = set()
    for objid in ("1", "2", "1"):
        path = folder / "rob--2026-11-22_13-08-00.csv"
        path.write_bytes(HEADER + LINES[0].replace(b"7", objid.encode(), 1))
        targets.add(labelfile.settle(path, waiting).target)
    assert sorted(labelfile.read(path).rows[0].objid for path in targets) == ["1", "2"]
    assert len(targets) == 2 and all(labelfile.user_of(path.name) == "rob" for path in targets)


@pytest.mark.parametrize(
    "name",
    [
        "rob--2026-11-22_13-08-00 (rob's conflicted copy 2026-11-23).csv",
        "rob--2026-11-22_13-08-00 (1).csv",
        "rob--2026-11-22_13-08-00.sync-conflict-20261123-101010-ABC.csv",
        "rob--2026-11-22_13-08-00-0123abcd.csv",
    ],
)
def test_a_copy_that_a_syncing_folder_made_is_known_by_its_name(name):
    assert labelfile.true_name(name) == "rob--2026-11-22_13-08-00.csv"


@pytest.mark.parametrize("name", ["notes.csv", "a b--2026-11-22_13-08-00 (1).csv", "rob--x.csv"])
def test_what_is_no_label_file_is_no_copy_of_one(name):
    assert labelfile.true_name(name) is None


def ahead(**of_now):
    """Return a TIME that is so far ahead of the clock."""
    at = datetime.now(timezone.utc) + timedelta(**of_now)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_correction_is_later_than_what_it_corrects_even_if_the_clock_was_put_back():
    first = ahead(hours=2)
    second = labelfile.row("1", "Marginal", after=first)
    assert second.time > first and labelfile.check(second) is None
    third = labelfile.row("1", "Good", after=second.time)
    assert third.time > second.time < ahead(hours=3)
    assert labelfile.row("1", "Good", after="2020-01-01T00:00:00.000Z").time > "2026"


@pytest.mark.parametrize(
    "after", ["9999-12-31T23:59:59.999Z", "2026-13-40T00:00:00.000Z", "22/11/2026", ""]
)
def test_a_time_that_cannot_be_keeps_no_label_from_being_given(after):
    """Labels of a year ahead are refused by the hub, and so were their corrections, for ever."""
    assert ahead(minutes=-1) < labelfile.row("1", "Good", after=after).time < ahead(minutes=1)


def test_a_rewrite_that_fails_is_begun_anew_with_all_labels(tmp_path, monkeypatch):
    """One failure, and the next press found a file with a header, which it took for the whole."""
    folder, *others = places(tmp_path)
    file = labelfile.LabelFile(folder, "rob", others)
    for objid in "123":
        file.append(labelfile.row(objid, "Good"))
    file.path.unlink()
    real, failures = os.write, [OSError(28, "No space left on device")]

    def fails_once(descriptor, data):
        if failures and b"Good" in bytes(data):
            raise failures.pop()
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", fails_once)
    with pytest.raises(labelfile.LabelError, match="No space left"):
        file.append(labelfile.row("4", "Good"))
    file.append(labelfile.row("5", "Good"))
    assert sorted(row.objid for row in labelfile.read(file.path).rows) == ["1", "2", "3", "5"]


def test_what_was_corrected_is_not_written_again_after_its_correction(tmp_path):
    folder, *others = places(tmp_path)
    file = labelfile.LabelFile(folder, "rob", others)
    for objid, action in (("1", "Good"), ("2", "Good"), ("1", "Marginal")):
        file.append(labelfile.row(objid, action))
    labelfile.settle(file.path, others[0])
    file.append(labelfile.row("3", "Good"))
    found = labelfile.latest(tmp_path.rglob("*.csv"), {"1", "2", "3"})
    assert {objid: row.action for objid, row in found.items()} == {
        "1": "Marginal",
        "2": "Good",
        "3": "Good",
    }


def test_a_file_that_a_spreadsheet_saved_while_it_was_written_loses_nothing(tmp_path):
    file = labelfile.LabelFile(tmp_path, "rob")
    for objid in "789":
        file.append(labelfile.row(objid, "Good"))
    head, first, *rest = file.path.read_bytes().splitlines(keepends=True)
    saved = (head + first).replace(b",", b";")
    rows, torn = settle(tmp_path, saved + b"".join(rest))
    assert [row.objid for row in rows] == ["7", "8", "9"] and not torn


@pytest.mark.parametrize("comment", ["a;OBJID;ACTION;b", "OBJID\tACTION", "OBJID,ACTION"])
def test_a_comment_that_looks_like_a_header_is_a_comment(tmp_path, comment):
    file = labelfile.LabelFile(tmp_path, "rob")
    file.append(labelfile.row("1", "Other", labelfile.clean_comment(comment)))
    file.append(labelfile.row("2", "Good"))
    assert [row.objid for row in labelfile.read(file.path).rows] == ["1", "2"]
    assert not labelfile.read(file.path).torn


def test_the_latest_answer_goes_by_time_and_not_by_the_name_of_the_file(tmp_path):
    """The clock was put back: the corrected label stood in the file with the later name."""
    for hour, action, minute in ((13, "Marginal", 2), (14, "Good", 1)):
        path = tmp_path / f"rob--2026-11-22_{hour}-00-00.csv"
        row = labelfile.Row("1", action, "", f"2026-11-22T14:0{minute}:00.000Z", "s", "1.00")
        path.write_bytes(HEADER + (",".join(row) + "\n").encode())
    assert labelfile.latest(tmp_path.iterdir(), {"1"})["1"].action == "Marginal"


def test_a_file_that_is_read_is_looked_through_for_answers_too(tmp_path):
    path = tmp_path / "rob--2026-11-22_13-08-00.csv"
    whole = (HEADER + b"".join(LINES)).decode()
    for data in (
        whole.encode("utf-16"),
        whole.replace(",", ";").replace('"a; b', '"a, b').encode(),
        whole.replace("SECONDS\n", "SECONDS,FLAG\n").replace("0\n", "0,\n").encode(),
    ):
        path.write_bytes(data)
        assert labelfile.latest([path], {"9"})["9"].action == "Unsure"


def test_what_is_kept_under_a_second_name_is_not_replaced_either(tmp_path):
    path = tmp_path / "rob--2026-11-22_13-08-00.csv"
    assert labelfile.keep(path, b"one") == path
    second = labelfile.keep(path, b"two")
    second.write_bytes(b"edited")
    third = labelfile.keep(path, b"two")
    assert len({path, second, third}) == 3
    contents = [place.read_bytes() for place in (path, second, third)]
    assert contents == [b"one", b"edited", b"two"]
    assert all(labelfile.user_of(place.name) == "rob" for place in (second, third))
    assert labelfile.second_name(second.name, "f" * 64) == f"{path.stem}-ffffffff.csv"
