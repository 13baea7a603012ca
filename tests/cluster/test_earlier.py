"""Tables and batches of earlier versions become labels and chunks of a hub."""

import contextlib
import csv
import hashlib
import io
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import KINDS, ROOT, tarball, tiny_gif

import labelfile
import labels
import stamps
from cluster import handout, verified
from cluster.add import run as add
from cluster.check import run as check
from cluster.earlier import run as take_over
from cluster.export import run as export
from cluster.hub import Hub, HubError, parsed, read
from cluster.init import run as init
from cluster.receive import run as receive

OWNER = pwd.getpwuid(os.getuid()).pw_name
ZONE = "America/Chicago"
STAMP = "2019-09-10_09-00-00"
HEADER = ",OBJID,ACTION,COMMENT,TIME,METADATA_STAMP\n"


@pytest.fixture
def hub(tmp_path, capsys):
    folder = tmp_path / "hub"
    init(folder)
    text = (folder / "hub.ini").read_text()
    (folder / "hub.ini").write_text(text.replace("gold_share = 0.1", "gold_share = 0"))
    capsys.readouterr()
    return folder


def batch(folder, objids, number=1, stamp=STAMP, kinds=KINDS):
    name = f"batch--{number:05d}--{stamp}"
    members = [f"{name}/{kind}{objid}.gif" for objid in objids for kind in kinds]
    path = folder / f"{name}.tar.gz"
    return str(tarball(path, {member: tiny_gif(member) for member in members}))


def table(folder, lines, user="alice", at="2019-09-11_13-24-05"):
    """Write a table: a line may be an Object ID, for a usual one."""
    path = folder / f"{user}--{at}.csv"
    usual = "{},{},Good,,09/11/19 13:24:05," + STAMP
    lines = [usual.format(i, line) if str(line).isdigit() else line for i, line in enumerate(lines)]
    path.write_bytes((HEADER + "".join(f"{line}\n" for line in lines)).encode())
    return str(path)


def quietly(function, *words):
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert function(*words) == 0
    return told.getvalue()


def rows_of(folder):
    return [row for path in sorted(folder.iterdir()) for row in list(parsed(read(path)))[1:]]


def tree(folder):
    return {path: path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


def given(hub, user):
    """Return the name of the chunk that `next` gives, or None."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = handout.run(hub, [], as_user=user)
    return None if status == 3 else told.getvalue().split()[-3]


# ---- batches ----


def test_a_batch_becomes_a_chunk_of_its_drop_in_its_own_order(hub, tmp_path, capsys):
    sources = [batch(tmp_path, [3, 1, 2], 7), batch(tmp_path, ["9" * 19, 5], 8)]
    assert take_over(hub, sources, ZONE) == 0
    assert capsys.readouterr().out == (
        "2 batches became 2 chunks with 5 detections; 0 incomplete, 0 there already.\n"
    )
    opened = Hub(hub)
    names = [f"chunk--0000{number}--{STAMP}" for number in (1, 2)]
    assert [chunk.name for chunk in opened.chunks()] == names
    assert [opened.objids(name) for name in names] == [["3", "1", "2"], ["9" * 19, "5"]]
    found = stamps.Chunk(hub / "chunks" / f"{names[0]}.tar.gz")
    assert (found.objids, found.damage, found.metadata_stamp) == (["3", "1", "2"], None, STAMP)
    assert given(hub, "alice") == names[0]


def test_a_detection_comes_in_once_however_often_it_is_given(hub, tmp_path, capsys):
    add(hub, [batch(tmp_path, [1, 2])], stamp="new")
    sources = [batch(tmp_path, [2, 3, 4]), batch(tmp_path, [4, 5], 2)]
    part = batch(tmp_path, [6], 3, kinds=("srch", "diff"))
    capsys.readouterr()
    take_over(hub, [*sources, part], ZONE)
    told = capsys.readouterr().out
    assert "3 batches became 2 chunks with 3 detections; 1 incomplete, 1 there already." in told
    assert "  6: temp missing" in told
    opened = Hub(hub)
    objids = [opened.objids(chunk.name) for chunk in opened.chunks()]
    assert sorted(objids[0]) == ["1", "2"] and objids[1:] == [["3", "4"], ["5"]]
    before = tree(hub)
    take_over(hub, sources, ZONE)
    assert "became 0 chunks with 0 detections; 0 incomplete, 4 there already" in (
        capsys.readouterr().out
    )
    assert tree(hub) == before


# ---- metadata ----


def metadata(folder, rows, name=STAMP, columns="OBJID,SNID,MJD"):
    path = folder / f"{name}.csv"
    path.write_text("".join(f"{line}\n" for line in (columns, *rows)))
    return str(path)


def described(hub):
    """Return what the hub's metadata tables say, by Object ID."""
    opened, found = Hub(hub), {}
    for chunk in opened.chunks():
        columns, rows = opened.metadata(chunk.name)
        found.update({row[0]: dict(zip(columns[1:], row[1:])) for row in rows})
    return found


def test_batches_come_with_their_metadata(hub, tmp_path, capsys):
    sources = [batch(tmp_path, [1, 2], 1), batch(tmp_path, [3], 2, "19-10-01_00-00-00")]
    sources += [metadata(tmp_path, ["1,70,58000", "2,71.0,58001", "9,72,1"])]
    sources += [metadata(tmp_path, ["3,5,-9"], "19-10-01_00-00-00", "OBJID,PSF,SKYSIG")]
    take_over(hub, sources, ZONE)
    told = capsys.readouterr().out
    assert "2 metadata tables: 0 there already got what they lacked, 0 new have no row; " in told
    assert "1 row has no stamps." in told
    assert described(hub) == {
        "1": {"SNID": "70", "MJD": "58000", "PSF": "", "SKYSIG": ""},
        "2": {"SNID": "71.0", "MJD": "58001", "PSF": "", "SKYSIG": ""},
        "3": {"SNID": "", "MJD": "", "PSF": "5", "SKYSIG": "-9"},
    }
    found = stamps.Chunk(hub / "chunks" / f"chunk--00001--{STAMP}.tar.gz")
    assert found.facts["1"] == "2017-09-04", "a labeler is told, as of any drop"


def test_metadata_that_come_later_come_to_chunks_that_are_there(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1, 2])], ZONE)
    before = (hub / "chunks" / f"chunk--00001--{STAMP}.tar.gz").read_bytes()
    told = quietly(take_over, hub, [metadata(tmp_path, ["2,71,5"])], ZONE)
    assert told.startswith("1 metadata table: 1 there already got what they lacked") and (
        "batch" not in told
    )
    assert described(hub) == {"1": {"SNID": "", "MJD": ""}, "2": {"SNID": "71", "MJD": "5"}}
    assert (hub / "chunks" / f"chunk--00001--{STAMP}.tar.gz").read_bytes() == before
    assert quietly(check, hub).startswith("All is as it should be")


def test_metadata_are_found_by_any_of_the_stamps_that_a_row_or_a_name_lists(hub, tmp_path):
    sources = [batch(tmp_path, [1, 2, 3]), metadata(tmp_path, ["1,70,5"], f"other,{STAMP}")]
    sources += [
        metadata(tmp_path, ["2,71,5"], "named_by_a_row"),
        metadata(tmp_path, ["3,1,1"], "no"),
    ]
    sources += [table(tmp_path, [f'0,2,Good,,09/11/19 13:24:05,"{STAMP},named_by_a_row"'])]
    told = quietly(take_over, hub, sources, ZONE)
    assert f"Passed over {tmp_path}/no.csv: there is no drop of that name.\n" in told
    assert {objid: row["SNID"] for objid, row in described(hub).items()} == {
        "1": "70",
        "2": "71",
        "3": "",
    }


def test_metadata_of_no_use_are_told_and_the_rest_is_taken_over(hub, tmp_path):
    sources = [batch(tmp_path, [1], 1), batch(tmp_path, [2], 2, "b"), batch(tmp_path, [3], 3, "c")]
    sources += [metadata(tmp_path, ["1,70,5"]), metadata(tmp_path, ["5,5,5"], "b", "ID,SNID,MJD")]
    sources += [metadata(tmp_path, ["3,1.246527e+06,5"], "c")]
    with pytest.raises(
        HubError, match=r"b.csv: it has no column OBJID.*c.csv: its SNID looks roun"
    ):
        take_over(hub, sources, ZONE)
    assert {objid: row["SNID"] for objid, row in described(hub).items()} == {
        "1": "70",
        "2": "",
        "3": "",
    }


def test_a_hub_that_was_taken_over_leaks_no_object_across_splits(hub, tmp_path, capsys):
    objids = range(1, 31)
    sources = [batch(tmp_path, objids), table(tmp_path, objids)]
    sources += [metadata(tmp_path, [f"{i},{i % 5},5" for i in objids])]
    quietly(take_over, hub, sources, ZONE)
    assert export(hub) == 0
    (folder,) = (hub / "training").iterdir()
    with (folder / "labels.csv").open(newline="") as file:
        pairs = {(row["SNID"], row["SPLIT"]) for row in csv.DictReader(file)}
    assert len(pairs) == 5 and "no SNID" not in capsys.readouterr().err


# ---- tables ----


def test_a_table_becomes_verified_rows_as_if_it_had_been_uploaded(hub, tmp_path):
    lines = [
        f'0,1,Good,"a ""b"", ü",09/11/19 13:24:05,"{STAMP},2018-01-01_00-00-00"',
        "1,2,Marginal,,01/31/20 23:00:00,",
        '2,1,Other,"two\nlines",09/11/19 13:25:00,else',
    ]
    source = table(tmp_path, lines)
    told = quietly(take_over, hub, [source, batch(tmp_path, [1, 2])], ZONE)
    assert f"alice: 2 rows of {Path(source).name} verified.\n" in told
    (kept,) = (hub / "incoming").iterdir()
    assert kept.read_bytes() == Path(source).read_bytes()
    assert re.fullmatch(r"alice--2020-01-31_23-00-00-[0-9a-f]{8}\.csv", kept.name)
    assert [path.name for path in (hub / "verified").iterdir()] == [kept.name]
    assert list((hub / "rejected").iterdir()) == []
    assert rows_of(hub / "verified") == [
        ["2", "Marginal", "", "2020-02-01T05:00:00.000Z", STAMP, "0", "alice"],
        ["1", "Other", "two lines", "2019-09-11T18:25:00.000Z", STAMP, "0", "alice"],
    ]
    found = verified.gather(Hub(hub))
    assert {key: row.action for key, row in found.items()} == {
        ("alice", "1"): "Other",
        ("alice", "2"): "Marginal",
    }


def test_importing_twice_changes_nothing(hub, tmp_path):
    sources = [table(tmp_path, [1, 2, 3, "4,x,Good,,,"]), batch(tmp_path, [1, 2])]
    quietly(take_over, hub, sources, ZONE)
    before = tree(hub)
    told = quietly(take_over, hub, sources, ZONE)
    assert tree(hub) == before
    assert "2 rows of" in told and "has finished: 0." in told
    again = tmp_path / "copy"
    again.mkdir()
    (again / Path(sources[0]).name).write_bytes(Path(sources[0]).read_bytes())
    quietly(take_over, hub, [str(again / Path(sources[0]).name)], ZONE)
    assert tree(hub) == before


def test_each_bad_row_is_set_aside_with_its_reason(hub, tmp_path):
    time = "09/11/19 13:24:05"
    lines = [
        1,
        f"1,1x,Good,,{time},{STAMP}",
        f"2,2,Nice,,{time},{STAMP}",
        f"3,3,Good,,2019-09-11 13:24:05,{STAMP}",
        f"4,4,Good,,09/31/19 13:24:05,{STAMP}",
        f"5,5,Good,,09/11/99 13:24:05,{STAMP}",
        f"6,6,Good,,09/11/68 13:24:05,{STAMP}",
        f"7,7,Good,{'x' * 2001},{time},{STAMP}",
        f"8,8,Good,,{time}",
        f"9,404,Good,,{time},{STAMP}",
        f'10,9,Good,"no end,{time},{STAMP}',
        2,
    ]
    told = quietly(take_over, hub, [table(tmp_path, lines), batch(tmp_path, range(1, 10))], ZONE)
    assert "alice: 2 rows of" in told and "10 rejected (rejected/alice--" in told
    assert "  line 3: OBJID is not 1 to 32 digits\n" in told and "  and 5 more\n" in told
    assert [row[0] for row in rows_of(hub / "verified")] == ["1", "2"]
    rows = rows_of(hub / "rejected")
    assert [row[-1] for row in rows] == [
        "OBJID is not 1 to 32 digits",
        "ACTION is no label",
        "TIME is not like 11/22/26 13:08:00",
        "TIME is not like 11/22/26 13:08:00",
        "TIME is before 2000 or in the future",
        "TIME is before 2000 or in the future",
        "COMMENT is not one line of text",
        "the line is no row",
        "OBJID is in no chunk of this hub",
        "the line is no row",
    ]
    assert rows[4][3] == "09/11/99 13:24:05" and rows[8][3] == time, "TIME as it came"
    assert rows[9][2] == f'10,9,Good,"no end,{time},{STAMP}'


def test_hostile_bytes_cost_their_own_rows_only(hub, tmp_path):
    path = tmp_path / "bob--x.csv"
    good = f"0,1,Good,caf\xe9,09/11/19 13:24:05,{STAMP}\r\n".encode("latin-1")
    bad = [b"\0,2,\0\r\n", b'1,2,Go"od\r\n', b"\xff\xfe\n", b"," * 9 + b"\n", b"\r1,2\n", b"\n"]
    last = f"0,2,Good,,09/11/19 13:24:05,{STAMP}".encode()  # and no end
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"".join((*bad, good, last)))
    quietly(take_over, hub, [str(path), batch(tmp_path, [1, 2])], ZONE)
    assert [row[:3] for row in rows_of(hub / "verified")] == [
        ["1", "Good", "caf\ufffd"],
        ["2", "Good", ""],
    ]
    assert len(rows_of(hub / "rejected")) == 5


def test_a_table_whose_batch_was_missing_can_be_given_again_with_it(hub, tmp_path):
    first, second = batch(tmp_path, [1]), batch(tmp_path, [2], 2)
    source = table(tmp_path, [1, 2])
    told = quietly(take_over, hub, [source, first], ZONE)
    assert "1 rejected" in told and "OBJID is in no chunk of this hub" in told
    quietly(take_over, hub, [source, second], ZONE)
    assert [row[0] for row in rows_of(hub / "verified")] == ["1", "2"]
    assert list((hub / "rejected").iterdir()) == []


def test_detections_of_ordinary_drops_are_known_too(hub, tmp_path):
    add(hub, [batch(tmp_path, [1])], stamp="new")
    quietly(take_over, hub, [table(tmp_path, [1])], ZONE)
    assert rows_of(hub / "verified")[0][4] == "new"


def test_what_a_person_says_now_stands_above_an_earlier_table(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1])], ZONE)
    name = given(hub, "alice")
    now = labelfile.row("1", "Marginal", metadata_stamp=STAMP)
    (hub / "verified" / "alice--2025-01-02_03-04-05.csv").write_bytes(
        b"header\n" + (",".join((*now, "alice")) + "\n").encode()
    )
    quietly(take_over, hub, [table(tmp_path, [1])], ZONE)
    assert verified.gather(Hub(hub))["alice", "1"].action == "Marginal"
    assert name


@pytest.mark.parametrize(
    "zone, local, utc, told",
    [
        ("UTC", "09/11/19 13:24:05", "2019-09-11T13:24:05", ""),
        (ZONE, "07/01/19 00:00:00", "2019-07-01T05:00:00", ""),
        (ZONE, "12/31/19 20:00:00", "2020-01-01T02:00:00", ""),
        (ZONE, "11/03/19 01:30:00", "2019-11-03T06:30:00", "1 time that clocks show twice"),
        (ZONE, "03/10/19 02:30:00", "2019-03-10T08:30:00", "1 time that clocks skip"),
        ("Europe/Berlin", "03/31/19 02:30:00", "2019-03-31T01:30:00", "that clocks skip"),
    ],
)
def test_local_times_become_utc(hub, tmp_path, zone, local, utc, told):
    source = table(tmp_path, [f"0,1,Good,,{local},{STAMP}"])
    said = quietly(take_over, hub, [source, batch(tmp_path, [1])], zone)
    assert rows_of(hub / "verified")[0][3] == f"{utc}.000Z"
    assert told in said and ("clocks" in said) == bool(told)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "America", "/etc/hosts"])
def test_an_unknown_zone_takes_nothing_over(hub, tmp_path, zone):
    before = tree(hub)
    with pytest.raises(HubError, match="knows no time zone .* nothing was taken over") as caught:
        take_over(hub, [batch(tmp_path, [1])], zone)
    assert caught.value.status == 2
    assert tree(hub) == before


def test_a_wrong_zone_is_put_right_by_importing_again(hub, tmp_path):
    sources = [table(tmp_path, [1]), batch(tmp_path, [1])]
    quietly(take_over, hub, sources, "UTC")
    quietly(take_over, hub, sources, ZONE)
    assert [row[3] for row in rows_of(hub / "verified")] == ["2019-09-11T18:24:05.000Z"]


def test_what_is_no_table_is_told_and_the_rest_is_taken_over(hub, tmp_path, capsys):
    good = table(tmp_path, [1])
    none = [tmp_path / "notes.csv", tmp_path / "a b--1.csv", tmp_path / "CURRENT--x.tar.gz"]
    bad = [tmp_path / "bob--1.csv"]
    for path in (*none, *bad):
        path.write_text("OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n1,Good,,,,1\n")
    (tmp_path / "eve--1.csv").write_bytes(b"")
    (tmp_path / "eve--2.csv").write_text(HEADER)
    (tmp_path / "batch--00003--x.tar.gz").write_bytes(b"")
    none += [tmp_path / name for name in ("eve--1.csv", "eve--2.csv", "batch--00003--x.tar.gz")]
    os.mkfifo(tmp_path / "pipe--1.csv")
    cut = Path(batch(tmp_path, range(100, 200), 2))
    cut.write_bytes(cut.read_bytes()[:-20])
    bad += [tmp_path / "pipe--1.csv", tmp_path / "gone--1.csv", cut]
    with pytest.raises(HubError, match="The rest was taken over") as caught:
        take_over(hub, [*map(str, (*none, *bad)), good, batch(tmp_path, [1])], ZONE)
    for path in bad:
        assert f"{path}: " in str(caught.value)
    assert [row[0] for row in rows_of(hub / "verified")] == ["1"]
    assert [path.name.partition("--")[0] for path in (hub / "incoming").iterdir()] == ["alice"]
    with pytest.raises(HubError, match="gone--1.csv: .* Nothing was taken over: "):
        take_over(hub, [str(tmp_path / "gone--1.csv")], ZONE)


def test_what_is_no_batch_or_is_empty_is_passed_over_with_its_name(hub, tmp_path):
    reasons = {
        "log.txt": "it is neither",
        "eve--1.csv": "it is empty",
        "eve--2.csv": "it has no rows",
        "CURRENT--batch--00001--x.tar.gz": "it is neither",
        "batch--00003--x.tar.gz": "it is empty",
        "master.csv": "there is no drop",
    }
    for name, reason in reasons.items():
        (tmp_path / name).write_text(HEADER * (reason != "it is empty"))
    sources = [str(tmp_path / name) for name in reasons]
    told = quietly(take_over, hub, [*sources, batch(tmp_path, [1]), table(tmp_path, [1])], ZONE)
    for name, reason in reasons.items():
        assert f"Passed over {tmp_path / name}: {reason}" in told
    assert [row[0] for row in rows_of(hub / "verified")] == ["1"]


def test_a_table_that_a_spreadsheet_resaved_is_read(hub, tmp_path):
    path = tmp_path / "bob--5.csv"
    lines = ["Unnamed: 0;OBJID;ACTION;COMMENT;TIME;METADATA_STAMP"]
    lines += ["0;1.0;Good;;1/5/21 9:00;x", "1;2;Good;a;12/31/2020 23:59:58;x"]
    path.write_bytes("\r\n".join([*lines, ""]).encode("utf-16"))
    quietly(take_over, hub, [str(path), batch(tmp_path, [1, 2])], ZONE)
    assert [row[:4] for row in rows_of(hub / "verified")] == [
        ["1", "Good", "", "2021-01-05T15:00:00.000Z"],
        ["2", "Good", "a", "2021-01-01T05:59:58.000Z"],
    ]
    assert list((hub / "rejected").iterdir()) == []


def test_in_the_hour_that_a_clock_repeats_the_order_of_rows_tells_which_is_meant(hub, tmp_path):
    walls = ["00:50", "01:55", "01:10", "01:20", "02:30", "01:30"]
    lines = [
        f"{place},{1 if place in (1, 3) else place + 10},{'Marginal' if place == 3 else 'Good'},,"
        f"11/03/19 {wall}:00,{STAMP}"
        for place, wall in enumerate(walls)
    ]
    objids = [1, *range(10, 16)]
    told = quietly(take_over, hub, [table(tmp_path, lines), batch(tmp_path, objids)], ZONE)
    assert "4 times that clocks show twice" in told
    assert {row[0]: (row[1], row[3][11:16]) for row in rows_of(hub / "verified")} == {
        "10": ("Good", "05:50"),
        "12": ("Good", "07:10"),
        "1": ("Marginal", "07:20"),
        "14": ("Good", "08:30"),
        "15": ("Good", "06:30"),
    }, "the last is out of order either way: the first is taken"
    again = table(tmp_path, [f"0,1,Good,,11/03/19 01:59:00,{STAMP}"], at="again")
    quietly(take_over, hub, [again], ZONE)
    assert verified.gather(Hub(hub))["alice", "1"].action == "Marginal", "the later answer wins"


# ---- the expert ----


def expert_says(hub):
    return {objid: row.action for objid, row in verified.expert_rows(Hub(hub)).items()}


def wanted(hub, *have):
    """Return the Object IDs of the chunk that the expert is given, or None."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = handout.run(hub, have, expert=True)
    return None if status == 3 else sorted(Hub(hub).objids(told.getvalue().split()[-3]))


def expert_table(folder, text, name="my_labels.csv", at=1_600_000_000):
    path = folder / name
    path.write_text(text)
    os.utime(path, (at, at))
    return str(path)


def test_the_experts_tables_become_the_experts_labels(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1, 2, 3, 4])], ZONE)
    first = expert_table(
        tmp_path, "OBJID,LABEL,RM_COMMENT\n1,Good,sure\n2,Nice,\n404,Good,\n3,Good,\n"
    )
    second = expert_table(
        tmp_path,
        "OBJID,ACTION\n3,Marginal\n# later:\n4,Good\n",
        "UNSURE_19-09-10_09-00-00.csv",
        9e8,
    )
    told = quietly(take_over, hub, [first, second], ZONE, True)
    assert "2 rows of my_labels.csv verified, 2 rejected (expert/rejected/" in told
    assert expert_says(hub) == {"1": "Good", "3": "Marginal", "4": "Good"}, "the last named counts"
    row = verified.expert_rows(Hub(hub))["1"]
    assert (row.comment, row.time) == ("sure", "2020-09-13T12:26:40.000Z")
    assert verified.gather(Hub(hub)) == {} and os.listdir(hub / "incoming") == []
    before = tree(hub)
    quietly(take_over, hub, [first, second], ZONE, True)
    assert tree(hub) == before
    assert quietly(check, hub).startswith("All is as it should be")


def test_a_list_goes_to_the_experts_queue_also_what_has_a_label(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1, 2, 3, 4])], ZONE)
    labels_of = expert_table(tmp_path, "OBJID,LABEL\n1,Good\n")
    again = expert_table(tmp_path, "OBJID\n1\n3\n404\n", "again.csv")
    told = quietly(take_over, hub, [labels_of, again], ZONE, True)
    waits = "2 detections wait for a second look of the expert; 0 did so already, 1 of the list is"
    assert waits in told
    assert wanted(hub) == ["1", "3"] == wanted(hub), "asking twice"
    name = next((hub / "expert" / "chunks").iterdir()).name[:-7]
    assert wanted(hub, name) is None
    before = tree(hub)
    told = quietly(take_over, hub, [again], ZONE, True)
    assert "0 detections wait" in told and "2 did so already" in told and tree(hub) == before
    now = [labelfile.row(objid, "Marginal", metadata_stamp=STAMP) for objid in ("1", "3")]
    file = hub / "expert" / "verified" / f"{OWNER}--2025-01-02_03-04-05.csv"
    file.write_bytes(b"header\n" + b"".join(f"{','.join((*row, OWNER))}\n".encode() for row in now))
    assert wanted(hub) is None and expert_says(hub) == {"1": "Marginal", "3": "Marginal"}
    numbers = expert_table(tmp_path, "1\n2\n", "numbers.txt")
    assert "1 detection waits" in quietly(take_over, hub, [numbers], ZONE, True)
    assert wanted(hub) == ["2"]


def test_what_is_no_table_of_the_experts_is_told(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1])], ZONE)
    described = expert_table(tmp_path, "OBJID,SNID\n1,5\n", "metadata.csv")
    good = expert_table(tmp_path, "OBJID,LABEL\n1,Good\n")
    with pytest.raises(
        HubError, match=r"metadata.csv: it has no columns OBJID and LABEL .* The rest"
    ):
        take_over(hub, [described, good, expert_table(tmp_path, "", "empty.csv")], ZONE, True)
    assert expert_says(hub) == {"1": "Good"}


# ---- people ----


def test_who_dealt_with_all_of_a_chunk_gets_it_no_more_and_counts_in_it(hub, tmp_path):
    sources = [batch(tmp_path, [1, 2]), batch(tmp_path, [3, 4], 2)]
    sources += [table(tmp_path, [1, 2, 3]), table(tmp_path, [1, 2], "bob")]
    skipped = f"0,2,Skipped,why,09/11/19 13:24:05,{STAMP}"
    told = quietly(take_over, hub, [*sources, table(tmp_path, [1, skipped], "cy")], ZONE)
    assert "Chunks that one more person has finished: 3.\n" in told
    first, second = (chunk.name for chunk in Hub(hub).chunks())
    assert [given(hub, user) for user in ("alice", "bob", "cy", "dora")] == [second] * 3 + [None]
    assert sorted(os.listdir(hub / "claims" / first)) == ["1", "2", "3"]
    assert Hub(hub).claimed("bob") == ({first, second}, {first})


def test_a_chunk_finished_over_several_tables_is_closed(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1, 2]), table(tmp_path, [1])], ZONE)
    assert Hub(hub).claimed("alice") == (set(), set())
    quietly(take_over, hub, [table(tmp_path, [2], at="later")], ZONE)
    name = f"chunk--00001--{STAMP}"
    assert Hub(hub).claimed("alice") == ({name}, {name})


def test_an_import_that_stopped_between_slot_and_note_heals(hub, tmp_path):
    sources = [batch(tmp_path, [1]), table(tmp_path, [1])]
    quietly(take_over, hub, sources, ZONE)
    name = f"chunk--00001--{STAMP}"
    (hub / "earlier" / "alice" / name).unlink()
    quietly(take_over, hub, sources, ZONE)
    assert os.listdir(hub / "claims" / name) == ["1"]
    assert Hub(hub).claimed("alice") == ({name}, {name})


def test_who_labels_the_rest_of_a_chunk_has_finished_it(hub, tmp_path):
    quietly(take_over, hub, [batch(tmp_path, [1, 2, 3]), table(tmp_path, [1])], ZONE)
    name = given(hub, "alice")
    rows = [labelfile.row(objid, "Good", metadata_stamp=STAMP) for objid in ("2", "3")]
    text = "\n".join(map(",".join, (labelfile.COLUMNS, *rows, ()))).encode()
    file = "alice--2026-01-02_03-04-05.csv"
    (hub / "incoming" / f".{file}.part").write_bytes(text)
    quietly(receive, hub, file, hashlib.sha256(text).hexdigest(), "alice")
    assert Hub(hub).claimed("alice") == ({name}, {name}) and given(hub, "alice") is None
    assert quietly(check, hub).startswith("All is as it should be")


def test_nobody_is_given_a_chunk_most_of_which_they_labelled(hub, tmp_path):
    sources = [batch(tmp_path, [1, 2, 3]), batch(tmp_path, [4, 5, 6, 7], 2)]
    quietly(take_over, hub, [*sources, table(tmp_path, [1, 3, 4, 5])], ZONE)
    first, second = (chunk.name for chunk in Hub(hub).chunks())
    assert given(hub, "alice") == second and given(hub, "bob") == first
    assert os.listdir(hub / "claims" / first) == ["1"], "who labels it takes the place"
    assert quietly(check, hub).startswith("All is as it should be")
    quietly(take_over, hub, [table(tmp_path, [2], at="later")], ZONE)
    assert sorted(os.listdir(hub / "earlier" / "alice")) == [first, f"{second}.some"]
    (hub / "earlier" / "alice" / f"{second}.some").write_text("6")
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert check(hub) == 1
    assert f"earlier/alice/{second}.some: there is no such chunk, or labels" in told.getvalue()


def test_the_owners_table_is_the_experts_and_takes_no_labelers_place(hub, tmp_path):
    told = quietly(take_over, hub, [batch(tmp_path, [1]), table(tmp_path, [1, 2], OWNER)], ZONE)
    assert "1 rejected (expert/rejected/" in told
    opened = Hub(hub)
    assert {objid: row.action for objid, row in verified.expert_rows(opened).items()} == {
        "1": "Good"
    }
    assert verified.gather(opened) == {}
    name = f"chunk--00001--{STAMP}"
    assert os.listdir(hub / "claims" / name) == []
    assert opened.claimed(OWNER) == ({name}, {name})
    assert os.listdir(hub / "incoming") == []


def test_only_the_owner_imports(hub, tmp_path, monkeypatch):
    before = tree(hub)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(HubError, match=f"Only {OWNER}, who owns this hub, can take over"):
        take_over(hub, [batch(tmp_path, [1])], ZONE)
    assert tree(hub) == before


# ---- real stamps ----


@pytest.mark.parametrize("name", ["des-public-01", "ztf-public-02", "decam-public-02"])
def test_real_batches_and_tables_come_in_by_the_command(hub, tmp_path, real, name):
    with (real / f"{name}.csv").open(newline="") as file:
        objids = [row["OBJID"] for row in csv.DictReader(file)]
    source = tmp_path / f"batch--00012--{STAMP}.tar.gz"
    source.symlink_to(real / f"{name}.tar.gz")
    actions = sorted(labels.BY_NAME)
    lines = [
        f'{place},{objid},{actions[place % 8]},,09/11/19 13:{place % 60:02d}:05,"{STAMP},x"'
        for place, objid in enumerate(objids)
    ]
    earlier = table(tmp_path, lines)
    command = [sys.executable, "-m", "cluster", "import", hub, source.name, earlier]
    environment = {**os.environ, "ARTIFACTSPY_CALLED_FROM": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert f"became 1 chunk with {len(objids)} detections" in done.stdout
    rows = verified.gather(Hub(hub))
    assert {objid: row.action for (_, objid), row in rows.items()} == {
        objid: actions[place % 8] for place, objid in enumerate(objids)
    }
    assert {row.metadata_stamp for row in rows.values()} == {STAMP}
    (path,) = (hub / "chunks").iterdir()
    assert dict(stamps.members(path)) == dict(stamps.members(real / f"{name}.tar.gz"))
    assert given(hub, "alice") is None and given(hub, "bob") is not None
    assert quietly(check, hub).startswith("All is as it should be")
