"""Stamps become chunks: cuts, order, gold marks, and what interruptions leave."""

import contextlib
import csv
import hashlib
import io
import itertools
import os
import pty
import random
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import KINDS, ROOT, fits_bytes, gif, noise, tarball, tiny_gif

import disk
import labelfile
import stamps
from cluster import chunks, looking, sources
from cluster import drop as dropping
from cluster import hub as hubs
from cluster.add import run as add
from cluster.hub import Hub, HubError
from cluster.init import run as init


@pytest.fixture
def hub(tmp_path, capsys):
    """An empty hub with chunks of two detections."""
    folder = tmp_path / "hub"
    init(folder)
    setting(folder, "chunk_size", 2)
    capsys.readouterr()
    return folder


def setting(hub, name, value):
    text = (hub / "hub.ini").read_text()
    (hub / "hub.ini").write_text(re.sub(rf"^{name} = .*", f"{name} = {value}", text, flags=re.M))


def drop(path, objids):
    """Write an archive of stamps that are cheap to make."""
    names = [f"drop/{kind}{objid}.gif" for objid in objids for kind in KINDS]
    return tarball(path, {name: tiny_gif(name) for name in names})


def scores(path, rows):
    """Write a table of OBJID and PHOTPROB."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("OBJID", "PHOTPROB"), *rows])
    return str(path)


def in_order(hub):
    """Return the detections of a hub as they come to be labelled."""
    opened = Hub(hub)
    return [objid for chunk in opened.chunks() for objid in opened.objids(chunk.name)]


def refused(sentence, *words, **options):
    with pytest.raises(HubError, match=sentence) as caught:
        add(*words, **options)
    return caught.value.status


# ---- what a labeler is told ----


def table_of(path, rows):
    path.write_text("OBJID,MJD,PHOTPROB,BAND\n" + "\n".join(map(",".join, rows)) + "\n")
    return str(path)


def test_a_chunk_tells_what_hub_ini_lists_and_never_the_score(hub, tmp_path):
    rows = [("11", "56949.2", "0.91", "g"), ("12", "56950.2", "0.12", "i")]
    add(hub, [drop(tmp_path / "a.tar.gz", ["11", "12"])], table_of(tmp_path / "a.csv", rows))
    (path,) = (hub / "chunks").iterdir()
    chunk = stamps.Chunk(path)
    assert chunk.facts == {"11": "g band · 2014-10-19", "12": "i band · 2014-10-20"}
    with tarfile.open(path) as archive:
        first = archive.next()  # before any picture can be asked for
        assert first.name == f"{stamps.stem(path)}/facts.csv"
        assert archive.extractfile(first).readline() == b"OBJID,BAND,MJD\n"


@pytest.mark.parametrize("listed", ["", "SNID"])
def test_a_chunk_tells_nothing_where_nothing_is_listed_or_there(hub, tmp_path, listed):
    setting(hub, "facts", listed)
    rows = [("11", "56949.2", "0.91", "g")]
    add(hub, [drop(tmp_path / "a.tar.gz", ["11"])], table_of(tmp_path / "a.csv", rows))
    (path,) = (hub / "chunks").iterdir()
    with tarfile.open(path) as archive:
        assert all(name.endswith(".gif") for name in archive.getnames())


def test_a_site_that_lists_the_score_is_refused(hub, tmp_path):
    setting(hub, "facts", "BAND, PHOTPROB")
    path = drop(tmp_path / "a.tar.gz", ["11"])
    refused("facts: PHOTPROB must not be told, a score would lead the eye", hub, [path])
    assert not list((hub / "chunks").iterdir())


# ---- what is cut, and in which order ----


def test_no_score_is_cut_unless_asked(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", range(1, 5))
    table = scores(tmp_path / "x.csv", [(1, 0.0), (2, 0.1), (3, 0.5), (4, 1)])
    add(hub, [source], table, stamp="all")
    assert sorted(in_order(hub)) == ["1", "2", "3", "4"]
    assert {chunk.cut for chunk in Hub(hub).chunks()} == {""}
    assert "PHOTPROB" not in capsys.readouterr().out


def test_a_cut_is_recorded_and_who_has_no_score_passes_and_is_counted(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", range(1, 11))
    rows = [(1, "0.8"), (2, "0.79999"), (3, ""), (4, "none"), (5, "nan"), (6, "-9"), (7, "1e-3")]
    table = scores(tmp_path / "x.csv", [*rows, (8, " 0.93 "), (9, "inf")])  # and 10 has no row
    assert add(hub, [source], table, stamp="s", min_score=0.8) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        "Added 8 detections in 4 chunks as drop s; 0 incomplete, 0 there already, "
        "2 below PHOTPROB 0.8."
    )
    assert told[1] == "  6 detections without PHOTPROB passed."
    assert sorted(in_order(hub), key=int) == ["1", "3", "4", "5", "6", "8", "9", "10"]
    assert {chunk.cut for chunk in Hub(hub).chunks()} == {"PHOTPROB>=0.8"}
    capsys.readouterr()
    add(hub, [source], table, stamp="rest")
    assert "Added 2 detections in 1 chunk as drop rest; 0 incomplete, 8 there already." in (
        capsys.readouterr().out
    ), "what was left out can come with a later drop"


def test_everything_below_the_cut_adds_nothing_and_says_so(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", [1])
    add(hub, [source], scores(tmp_path / "x.csv", [(1, 0.1)]), min_score=0.5)
    assert capsys.readouterr().out == (
        "Nothing was added; 0 incomplete, 0 there already, 1 below PHOTPROB 0.5.\n"
    )


def test_the_first_row_of_a_detection_counts_for_its_score(hub, tmp_path):
    source = drop(tmp_path / "x.tar.gz", [1, 2])
    table = scores(tmp_path / "x.csv", [(1, 0.9), (1, 0.1), (2, 0.1), (2, 0.9)])
    add(hub, [source], table, min_score=0.5)
    assert in_order(hub) == ["1"]


def test_a_strict_cut_leaves_out_what_has_no_score_or_no_row(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", range(1, 8))
    table = scores(tmp_path / "x.csv", [(1, 0.9), (2, 0.1), (3, ""), (4, -9), (5, "nan"), (6, 0.8)])
    add(hub, [source], table, stamp="s", min_score=0.5, require_score=True)
    told = capsys.readouterr().out
    assert sorted(in_order(hub)) == ["1", "6"]
    assert "1 below PHOTPROB 0.5, 4 without PHOTPROB." in told and "passed" not in told
    assert {chunk.cut for chunk in Hub(hub).chunks()} == {"PHOTPROB>=0.5; with PHOTPROB"}
    add(hub, [source], table, stamp="t", require_metadata=True)
    assert "1 without a row." in capsys.readouterr().out
    assert sorted(in_order(hub)) == ["1", "2", "3", "4", "5", "6"]
    assert {chunk.cut for chunk in Hub(hub).chunks() if "--t" in chunk.name} == {"with a row"}
    assert refused("a table with a column PHOTPROB", hub, [source], require_score=True) == 2
    assert refused("Name a table with --metadata", hub, [source], require_metadata=True) == 2


@pytest.mark.parametrize("how", [{"min_score": 0.8}, {"order": "uncertain"}])
def test_a_cut_or_order_by_score_needs_scores(hub, tmp_path, how):
    source = drop(tmp_path / "x.tar.gz", [1])
    (tmp_path / "x.csv").write_text("OBJID,MJD\n1,2\n")
    for table in (None, str(tmp_path / "x.csv")):
        assert refused("need a table with a column PHOTPROB", hub, [source], table, **how) == 2
    assert in_order(hub) == []


def test_a_cut_that_is_no_number_is_refused(hub):
    for bad in (float("nan"), float("inf")):
        assert refused("is no score", hub, ["x.tar.gz"], min_score=bad) == 2


def test_the_most_uncertain_come_first_and_those_without_a_score_last(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", range(1, 9))
    rows = [(1, 0.9), (2, 0.55), (3, ""), (4, 0.5), (5, 0.42), (6, 0.0), (7, 0.3)]
    add(hub, [source], scores(tmp_path / "x.csv", rows), order="uncertain")
    assert in_order(hub)[:6] == ["4", "2", "5", "7", "1", "6"]
    assert sorted(in_order(hub)[6:]) == ["3", "8"]
    assert "  2 detections without PHOTPROB are last.\n" in capsys.readouterr().out


def test_equally_uncertain_ones_are_in_random_order(hub, tmp_path):
    source = drop(tmp_path / "x.tar.gz", range(100, 140))
    rows = [(objid, 0.5) for objid in range(100, 140)]
    add(hub, [source], scores(tmp_path / "x.csv", rows), order="uncertain", seed=1)
    assert in_order(hub) != sorted(in_order(hub))


def test_random_order_depends_on_the_seed_alone(tmp_path, capsys):
    found = []
    for number, (objids, seed) in enumerate([("123456789", 1), ("987654321", 1), ("123456789", 2)]):
        folder = tmp_path / str(number)
        init(folder)
        add(folder, [drop(tmp_path / "x.tar.gz", objids)], seed=seed)
        found.append(in_order(folder))
    assert found[0] == found[1] != found[2]


# ---- gold ----


def test_a_random_share_of_the_chunks_is_gold_and_the_seed_tells_which(tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", range(1000, 1120))
    marks = []
    for number, seed in enumerate((5, 5, 6)):
        folder = tmp_path / str(number)
        init(folder)
        setting(folder, "chunk_size", 1)
        setting(folder, "gold_share", 0.25)
        add(folder, [source], stamp="s", seed=seed)
        marks.append([chunk.gold for chunk in Hub(folder).chunks()])
    assert set(marks[0]) == {"yes", ""}
    assert marks[0] == marks[1] != marks[2]
    assert all(mark[at : at + 4].count("yes") == 1 for mark in marks for at in range(0, 120, 4))
    assert "gold" not in capsys.readouterr().out


def test_small_drops_get_their_share_of_gold_over_time(hub, tmp_path):
    """When each chunk was drawn by itself, one hub of ten chunks in three had none at all."""
    setting(hub, "chunk_size", 1)
    for number in range(7):
        objids = range(100 + 6 * number, 106 + 6 * number)
        add(hub, [drop(tmp_path / "x.tar.gz", objids)])
    assert [place // 10 for place in Hub(hub).chunks().gold()[:4]] == [0, 1, 2, 3]


def marked(seed, share, count):
    """Return the places of the gold chunks among so many."""
    gold = [-1]
    for place in range(count):
        if chunks.is_gold(seed, place, gold[-1], share):
            gold.append(place)
    return gold[1:]


def test_no_place_in_the_list_is_more_often_gold_than_another():
    found = [place for seed in range(2000) for place in marked(seed, 0.1, 10)]
    assert len(found) == 2000
    # 200 each with a standard deviation of 13.4
    assert all(140 < found.count(place) < 260 for place in range(10))


@pytest.mark.parametrize("share", [0.003, 0.07, 0.29, 1 / 3, 0.7, 0.999])
def test_every_share_is_met(share):
    assert abs(len(marked(1, share, 1000)) - 1000 * share) <= 1


@pytest.mark.parametrize("share, mark", [(0, ""), (1, "yes")])
def test_no_chunk_or_every_chunk_can_be_gold(hub, tmp_path, share, mark):
    setting(hub, "gold_share", share)
    add(hub, [drop(tmp_path / "x.tar.gz", range(100, 140))])
    assert {chunk.gold for chunk in Hub(hub).chunks()} == {mark}


# ---- tables as spreadsheets leave them ----

LONG = [739260766315010001 + 7 * number for number in range(4)]


def rows_in(hub):
    """Return the rows of all metadata tables: {Object ID: row}."""
    rows = {}
    for path in (hub / "metadata").iterdir():
        with path.open(newline="", encoding="utf-8") as file:
            rows.update((row["OBJID"], row) for row in csv.DictReader(file))
    return rows


def test_a_table_comes_to_detections_that_are_there_and_what_they_have_stays(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", ["11", "12", "13"])
    (tmp_path / "x.csv").write_text("OBJID,MJD,NOTE\n11,5,\n12,,mine\n")
    add(hub, [source], str(tmp_path / "x.csv"))
    archives = [path.read_bytes() for path in sorted((hub / "chunks").iterdir())]
    order = in_order(hub)
    (tmp_path / "y.csv").write_text("SNID,NOTE,OBJID,MJD\n7,new,12.0,6\n8,new,11,6\n9,x,99,6\n")
    capsys.readouterr()
    add(hub, [source], str(tmp_path / "y.csv"))
    told = capsys.readouterr().out
    assert "3 there already" in told and "2 detections of the hub got what" in told
    rows = rows_in(hub)
    assert rows["11"] == {"OBJID": "11", "MJD": "5", "NOTE": "new", "SNID": "8"}
    assert rows["12"] == {"OBJID": "12", "MJD": "6", "NOTE": "mine", "SNID": "7"}
    assert {text for name, text in rows["13"].items() if name != "OBJID"} == {""}
    assert in_order(hub) == order
    assert [path.read_bytes() for path in sorted((hub / "chunks").iterdir())] == archives
    before = {path: path.stat().st_mtime_ns for path in (hub / "metadata").iterdir()}
    add(hub, [source], str(tmp_path / "y.csv"))
    assert {path: path.stat().st_mtime_ns for path in (hub / "metadata").iterdir()} == before


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_as_spreadsheets_save_it(hub, tmp_path, delimiter, encoding):
    source = drop(tmp_path / "x.tar.gz", LONG)
    lines = [["SNID", "OBJID", "PHOTPROB"]]
    lines += [["12", f"{objid}.0", "0,91" if delimiter == ";" else "0.91"] for objid in LONG[:2]]
    lines += [["é", f" {objid} ", "0.1"] for objid in LONG[2:]]
    text = "".join(delimiter.join(line) + "\r\n" for line in lines)
    (tmp_path / "x.csv").write_bytes(text.encode(encoding))
    add(hub, [source], str(tmp_path / "x.csv"), min_score=0.5)
    assert {objid: row["SNID"] for objid, row in rows_in(hub).items()} == {
        str(objid): "12" for objid in LONG[:2]
    }


@pytest.mark.parametrize(
    "written", ["{:.2E}", "{:.12e}", "{:.11e}comma", "{:.15g}", "zeros", "float"], ids=str
)
def test_object_ids_that_lost_digits_are_refused_with_one_from_either_side(hub, tmp_path, written):
    source = drop(tmp_path / "x.tar.gz", LONG)
    if written == "zeros":
        ids = [f"{objid // 1000}000" for objid in LONG]
    elif written == "float":
        ids = [str(int(float(objid))) for objid in LONG]
    else:
        ids = [written.replace("comma", "").format(objid) for objid in LONG]
        ids = [text.replace(".", ",") for text in ids] if "comma" in written else ids
    (tmp_path / "x.csv").write_text("OBJID;SNID\n" + "".join(f"{text};12\n" for text in ids))
    words = f"its OBJID {re.escape(ids[0])} has lost digits.*the stamps have 7392607663150100.*"
    refused(words + "nothing was added", hub, [source], str(tmp_path / "x.csv"))
    assert in_order(hub) == []


def test_a_good_object_id_that_ends_in_zeros_is_not_refused(hub, tmp_path, capsys):
    source = drop(tmp_path / "x.tar.gz", [*LONG, "1000000000000000000"])
    ids = [*LONG, "739260766315010000", "1000000000000000000"]
    (tmp_path / "x.csv").write_text("OBJID\n" + "".join(f"{objid}\n" for objid in ids))
    add(hub, [source], str(tmp_path / "x.csv"))
    assert "1 of its rows has no stamps" in capsys.readouterr().out


@pytest.mark.parametrize(
    "names",
    [
        ["12", "1.246527e+06", "13"],
        ["12", "1,25E+06", ""],
        ["739260766315010000", "739260766315020000"],
        ["12", "7392607663150100000"],
    ],
)
def test_a_group_column_that_was_rounded_is_refused_with_an_example(hub, tmp_path, names):
    source = drop(tmp_path / "x.tar.gz", range(1, 1 + len(names)))
    rows = [f"{objid};{name}\n" for objid, name in enumerate(names, 1)]
    (tmp_path / "x.csv").write_text("OBJID;SNID\n" + "".join(rows))
    example = next(name for name in names if len(name) > 2)
    words = f"SNID looks rounded.*{re.escape(example)}.*nothing was added"
    refused(words, hub, [source], str(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    "names",
    [
        ["1000000", "2000000"],
        ["123456789012345000"],  # one in a thousand is so
        ["7392607663150100000", "7392607663150100001"],
        [str((739260766315010 << 12) + (n << 11)) for n in range(9)],
        ["SN2020e+06x", "7e20", "12.0", ""],
    ],
)
def test_a_group_column_of_good_names_is_taken(hub, tmp_path, names):
    source = drop(tmp_path / "x.tar.gz", range(1, 1 + len(names)))
    rows = [f"{objid},{name}\n" for objid, name in enumerate(names, 1)]
    (tmp_path / "x.csv").write_text("OBJID,SNID\n" + "".join(rows))
    add(hub, [source], str(tmp_path / "x.csv"))
    assert [row["SNID"] for _, row in sorted(rows_in(hub).items())] == names


# ---- what can be shown ----


def stamps_of(path, suffixes, data=None, kinds=KINDS):
    """Write an archive: {Object ID: suffixes}, or bytes for a name."""
    names = [
        f"drop/{kind}{objid}{suffix}"
        for objid, several in suffixes.items()
        for suffix in several
        for kind in kinds
    ]
    made = {name: FITS if name.endswith(".fits") else tiny_gif(name) for name in names}
    return tarball(path, {**made, **(data or {})})


FITS = fits_bytes(noise((5, 5)))


def held(hub):
    """Return the file names of all stamps in a hub's chunks."""
    return {name for path in (hub / "chunks").iterdir() for name, _ in stamps.members(path)}


def test_what_no_window_can_show_is_not_handed_out_and_is_named(hub, tmp_path, capsys):
    cut = gif(1)[:900]
    bad = {f"x/{kind}{objid}.gif": cut for objid in range(10, 14) for kind in KINDS[:2]}
    bad |= {f"x/diff{objid}.gif": tiny_gif("d") for objid in range(10, 14)}
    bad["x/srch20.gif"] = gif(1, 2000)
    bad |= {f"x/{kind}20.gif": tiny_gif(kind) for kind in KINDS[1:]}
    source = stamps_of(tmp_path / "x.tar.gz", {1: [".gif"], 2: [".fits"]}, bad)
    assert add(hub, [source], stamp="s") == 0
    first, several, one = capsys.readouterr().out.splitlines()
    assert first == (
        "Added 2 detections in 1 chunk as drop s; 0 incomplete, 0 there already, "
        "5 that cannot be shown."
    )
    assert re.fullmatch("  4, such as 10 11 12: srch, temp: [a-z]{3,}.*", several)
    assert one == "  20: srch: 2000 x 2000 pixels, and at most 1024 a side are shown"
    assert sorted(in_order(hub)) == ["1", "2"]
    mended = stamps_of(tmp_path / "x.tar.gz", {10: [".gif"]})
    add(hub, [source, mended], stamp="t")
    assert "Added 1 detection in 1 chunk" in capsys.readouterr().out, "of two the good one counts"


def test_what_is_below_the_cut_is_not_looked_at(hub, tmp_path, capsys):
    source = stamps_of(tmp_path / "x.tar.gz", {1: [".gif"]}, {f"{k}2.gif": b"no" for k in KINDS})
    add(hub, [source], scores(tmp_path / "x.csv", [(1, 0.9), (2, 0.1)]), min_score=0.5)
    assert "1 below PHOTPROB 0.5." in capsys.readouterr().out


def test_a_triplet_is_of_one_format_gif_if_nobody_chose(hub, tmp_path, capsys):
    both = {objid: [".gif", ".fits"] for objid in (1, 2)}
    one = {"a/srch3.gif": tiny_gif("s"), "a/temp3.fits": FITS, "a/diff3.gif": tiny_gif("d")}
    some = {"a/srch4.gif": b"no", "a/temp4.gif": tiny_gif("t"), "a/diff4.gif": tiny_gif("d")}
    source = stamps_of(tmp_path / "x.tar.gz", {**both, 4: [".fits"]}, {**one, **some})
    add(hub, [source], stamp="s")
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "Added 3 detections in 2 chunks as drop s; 1 incomplete, 0 there already, "
        "2 both as GIF and as FITS, of which GIF was taken.",
        "  3: no format has all three of its stamps",
    ]
    # of 4 the GIFs are whole in number, but one of them cannot be shown
    gifs = {f"{kind}{objid}.gif" for objid in (1, 2) for kind in KINDS}
    assert held(hub) == gifs | {f"{kind}4.fits" for kind in KINDS}


@pytest.mark.parametrize("format, objids", [("gif", "13"), ("fits", "12")])
def test_the_format_can_be_chosen(hub, tmp_path, capsys, format, objids):
    those = {1: [".gif", ".fits"], 2: [".fits"], 3: [".gif"]}
    add(hub, [stamps_of(tmp_path / "x.tar.gz", those)], stamp="s", format=format)
    told = capsys.readouterr().out
    assert "Added 2 detections in 1 chunk as drop s; 1 incomplete, 0 there already.\n" in told
    assert f": srch and temp and diff missing as {format.upper()}\n" in told
    assert held(hub) == {f"{kind}{objid}.{format}" for objid in objids for kind in KINDS}


def test_files_of_other_names_are_counted_with_an_example(hub, tmp_path, capsys):
    other = dict.fromkeys(("x/list.txt", "x/srch1.tiff", "x/temp1.tiff"), b"")
    source = stamps_of(tmp_path / "x.tar.gz", {1: [".gif"]}, other)
    add(hub, [source], stamp="s")
    told = "  3 files were passed over, such as srch1.tiff: no name of a stamp.\n"
    assert told in capsys.readouterr().out
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("")
    (folder / "DIFF_2.tif").write_text("")
    refused("no stamps in it, but 2 other files such as DIFF_2.tif. Nothing", hub, [str(folder)])


def linked(path, files, links):
    """Write an archive of {name: bytes}, and {name: (kind of link, what it points to)} before."""
    with tarfile.open(path, "w:gz") as archive:
        for name, (kind, target) in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_links_in_an_archive_are_followed_inside_it_and_refused_outside(hub, tmp_path, capsys):
    tiny = {name: tiny_gif(name) for name in ("a", "b", "c")}
    files = {"./store/0a.bin": tiny["a"], "./n/srch1.gif": tiny["b"], "n/diff2.gif": tiny["c"]}
    links = {
        "n/temp1.gif": (tarfile.SYMTYPE, "../store/./0a.bin"),  # what has another name
        "n/diff1.gif": (tarfile.LNKTYPE, "n/diff2.gif"),
        "n/srch2.gif": (tarfile.SYMTYPE, "temp1.gif"),  # a link to a link
        "n/temp2.gif": (tarfile.LNKTYPE, "n/srch2.gif"),
        "n/srch3.gif": (tarfile.SYMTYPE, "/etc/passwd"),
        "n/temp3.gif": (tarfile.SYMTYPE, "../../etc/passwd"),
        "n/diff3.gif": (tarfile.LNKTYPE, "n/gone.gif"),
        "n/srch4.gif": (tarfile.SYMTYPE, "srch4.gif"),  # to itself
    }
    add(hub, [linked(tmp_path / "x.tar.gz", files, links)], stamp="s")
    assert capsys.readouterr().out.splitlines() == [
        "Added 2 detections in 1 chunk as drop s; 2 incomplete, 0 there already.",
        "  3: srch, temp: is a link that leads outside, which is not followed; "
        "diff: is a link to what is not there",
        "  4: srch: is a link to what is not there",
        "  1 file was passed over, such as 0a.bin: no name of a stamp.",
    ]
    [path] = (hub / "chunks").iterdir()
    assert dict(stamps.members(path)) == {
        **{"srch1.gif": tiny["b"], "temp1.gif": tiny["a"], "diff1.gif": tiny["c"]},
        **{"srch2.gif": tiny["a"], "temp2.gif": tiny["a"], "diff2.gif": tiny["c"]},
    }


def test_links_in_a_folder_are_followed_inside_it_and_refused_outside(hub, tmp_path, capsys):
    top = tmp_path / "top"
    (top / "store").mkdir(parents=True)
    (top / "store" / "0a").write_bytes(tiny_gif("a"))
    (tmp_path / "secret").write_bytes(tiny_gif("secret"))
    for kind in KINDS:
        (top / f"{kind}1.gif").symlink_to("store/0a")
        (top / f"{kind}2.gif").symlink_to(tmp_path / "secret")
    (top / "srch3.gif").symlink_to("nowhere")
    (top / "temp3.gif").symlink_to("temp3.gif")
    (top / "all").symlink_to("/")
    add(hub, [top], stamp="s")
    told = capsys.readouterr().out
    assert "Added 1 detection in 1 chunk as drop s; 2 incomplete" in told
    assert "  2: srch, temp, diff: is a link that leads outside, which is not followed\n" in told
    assert "  3: srch, temp: is a link to what is not there\n" in told
    assert held(hub) == {f"{kind}1.gif" for kind in KINDS}


def test_a_python_without_what_decoding_takes_adds_unseen_and_says_so(
    hub, tmp_path, capsys, monkeypatch
):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "PIL.py").write_text("raise ModuleNotFoundError('No module named PIL')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    add(hub, [drop(tmp_path / "x.tar.gz", [1])], stamp="s")
    told = capsys.readouterr().out.splitlines()
    assert "Added 1 detection" in told[0]
    assert told[1].startswith("  Stamps were taken without a look at them (")
    assert "PIL" in told[1] or "Pillow" in told[1]
    assert len(told) == 2


# ---- what came with stamps that nobody could see, and comes anew ----


@pytest.fixture
def unseen(monkeypatch):
    """Let an add look at nothing, as one does whose Python cannot decode."""

    @contextlib.contextmanager
    def patched():
        with monkeypatch.context() as patch:
            patch.setattr(looking, "look", lambda *_: iter(()))
            yield

    return patched


def said(hub, user, answers, stamp="s", at="2026-01-02_03-04-05"):
    """Write down what a person, or the expert, is to have said: {Object ID: ACTION}."""
    rows = [(str(o), a, "", "2026-01-02T03:04:05.0Z", stamp, "1", user) for o, a in answers.items()]
    text = hubs.table((*labelfile.COLUMNS, "USER"), rows)
    (hub / "verified" / f"{user}--{at}.csv").write_bytes(text)


def test_what_everybody_could_only_skip_is_replaced_by_a_later_add(hub, tmp_path, capsys, unseen):
    source = drop(tmp_path / "x.tar.gz", [1, 2, 3])
    add(hub, [source], stamp="s")
    said(hub, "ann", {1: "Skipped", 2: "Skipped", 3: "Skipped"})
    said(hub, "bob", {1: "Skipped", 2: "Unsure"})
    before = {path: path.read_bytes() for path in hub.glob("*/*.csv")}
    capsys.readouterr()
    add(hub, [source], stamp="again")
    assert capsys.readouterr().out == (
        "Added 2 detections in 1 chunk as drop again; 0 incomplete, 1 there already, "
        "2 anew that could only be skipped.\n"
    ), "the same stamps too: another program may show them"
    assert sorted(Hub(hub).objids("chunk--00003--again")) == ["1", "3"]
    assert all(path.read_bytes() == data for path, data in before.items())
    add(hub, [source], stamp="third")
    told = capsys.readouterr().out
    assert told == "Nothing was added; 0 incomplete, 3 there already.\n", "nobody skipped these yet"
    said(hub, "ann", {1: "Skipped"}, "again", "2026-01-03_03-04-05")
    add(hub, [source], stamp="fourth")
    assert "Added 1 detection in 1 chunk as drop fourth" in capsys.readouterr().out


def test_what_comes_anew_and_cannot_be_shown_replaces_nothing(hub, tmp_path, capsys):
    add(hub, [drop(tmp_path / "x.tar.gz", [1])], stamp="s")
    said(hub, "ann", {1: "Skipped"})
    capsys.readouterr()
    add(hub, [tarball(tmp_path / "y.tar.gz", {f"{kind}1.gif": b"no" for kind in KINDS})])
    told = capsys.readouterr().out
    words = "Nothing was added; 0 incomplete, 1 there already, 1 that cannot be shown."
    assert re.fullmatch(f"{re.escape(words)}\n  1: srch, temp, diff: .*\n", told)


def test_what_nobody_was_asked_about_is_replaced_if_it_could_not_be_shown(
    hub, tmp_path, capsys, unseen
):
    setting(hub, "chunk_size", 50)
    bad = tarball(tmp_path / "bad.tar.gz", {f"{kind}1.gif": b"no" for kind in KINDS})
    with unseen():
        add(hub, [bad, drop(tmp_path / "x.tar.gz", [2, 3])], stamp="s")
    said(hub, "ann", {3: "Good"})
    other = {f"x/{kind}{objid}.gif": tiny_gif("other") for objid in (1, 2, 3) for kind in KINDS}
    source = tarball(tmp_path / "y.tar.gz", other)
    capsys.readouterr()
    add(hub, [bad], stamp="bad")
    assert "Nothing was added" in capsys.readouterr().out
    add(hub, [source], stamp="mended")
    assert capsys.readouterr().out == (
        "Added 1 detection in 1 chunk as drop mended; 0 incomplete, 2 there already, "
        "1 anew that could only be skipped.\n"
    )
    assert Hub(hub).objids("chunk--00002--mended") == ["1"]


# ---- light curves ----

CURVE = """\
SURVEY: DES
SNID:  1246275   # a comment
FILTERS: griz

NOBS: 3
NVAR: 4
VARLIST:  MJD FLT PHOTPROB OBJID
OBS:  57255.3  g  0.913  101
OBS: 57262.1 r 0.2 102
OBS: 57263.1 i 0.000 0
END:
"""


def test_light_curves_are_a_table_with_their_snid(hub, tmp_path, capsys):
    curves = tmp_path / "curves" / "deep"
    curves.mkdir(parents=True)
    (curves / "des_real_01246275.dat").write_text(CURVE)
    other = CURVE.replace("1246275", "77").replace("101", "103").replace("102", "104")
    other = other.replace("OBJID", "OBJID SNID FIELD").replace(" 103\n", " 103 78 X3\n")
    other = other.replace(" 104\n", " 104 78 X3\r\n").replace(" 0\n", " 0 78 X3\n")
    (tmp_path / "curves" / "other.dat").write_text(other)
    (curves / "DES.LIST").write_text("des_real_01246275.dat\nOBS: not a light curve\n")
    (curves / "picture.fits").write_bytes(b"SIMPLE\0VARLIST: OBJID\n")
    (curves / "gone.dat").symlink_to("nowhere")
    os.mkfifo(curves / "pipe.dat")
    source = drop(tmp_path / "x.tar.gz", range(101, 106))
    add(hub, [source], lightcurves=str(tmp_path / "curves"), stamp="s", min_score=0.5)
    told = capsys.readouterr().out
    assert "Added 3 detections" in told and "2 below PHOTPROB 0.5" in told
    assert "1 detection without PHOTPROB passed." in told
    assert f"1 detection has no row in {tmp_path}/curves; 2 of its rows have no stamps." in told
    rows = {}
    for path in (hub / "metadata").iterdir():
        for row in csv.DictReader(path.open(newline="")):
            assert set(row) == {"OBJID", "MJD", "FLT", "PHOTPROB", "SNID", "FIELD"}
            rows[row["OBJID"]] = [row["SNID"], row["FLT"], row["PHOTPROB"], row["FIELD"]]
    assert rows == {
        "101": ["1246275", "g", "0.913", ""],
        "103": ["78", "g", "0.913", "X3"],
        "105": ["", "", "", ""],
    }


@pytest.mark.parametrize(
    "text, sentence",
    [
        (CURVE.replace(" 102\n", "\n"), "line 9 of .*x.dat has 3 fields, its VARLIST 4"),
        (CURVE.replace("OBJID", "ID"), "the VARLIST of .*x.dat has no OBJID"),
        ("SNID: 3\n", "there is no light curve in it"),
        (None, "No such file or directory"),
    ],
)
def test_light_curves_of_no_use_stop_the_add_before_hours_of_copying(
    hub, tmp_path, monkeypatch, text, sentence
):
    if text is not None:
        (tmp_path / "curves").mkdir()
        (tmp_path / "curves" / "x.dat").write_text(text)
    monkeypatch.setattr(dropping.Drop, "read", None)
    refused(f"(?s){sentence}.*nothing was added", hub, ["x"], lightcurves=str(tmp_path / "curves"))


def test_light_curves_of_other_stamps_stop_the_add(hub, tmp_path):
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "x.dat").write_text(CURVE)
    source = drop(tmp_path / "x.tar.gz", [7])
    words = "None of the 3 rows of .*curves belongs to these stamps"
    assert refused(words, hub, [source], lightcurves=str(tmp_path / "curves")) == 7


# ---- interruptions ----


def in_child(function):
    """Call a function in a child process; return the exit status, or minus the signal."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            function()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(monkeypatch, place, number, before):
    """Let the process be killed at the so-manieth call of a function, before or after it."""
    calls = itertools.count(1)  # chunks are written by several threads
    whole = getattr(*place)

    def deadly(*words, **options):
        call = next(calls)
        if before and call == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = whole(*words, **options)
        if not before and call == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    monkeypatch.setattr(*place, deadly)


STEPS = [
    ((dropping.Drop, "_take"), 9),
    ((disk, "write_whole"), 8),  # the lock, three chunks with their tables, and chunks.csv
    ((Hub, "open_claims"), 3),
    ((disk, "create_whole"), 1),
]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("place, times", STEPS, ids=[place[1] for place, _ in STEPS])
def test_an_add_that_was_killed_at_any_point_is_run_again(
    hub, tmp_path, monkeypatch, capsys, place, times, before, long
):
    first = drop(tmp_path / "first.tar.gz", [1, 2])
    add(hub, [first], stamp="first")
    objids = [str(objid) for objid in range(100, 106)]
    source = drop(tmp_path / "x.tar.gz", objids)
    total = len(objids)
    for number in range(1, times + 1, 1 if long else 3):
        with monkeypatch.context() as patch:
            die_at(patch, place, number, before)
            assert in_child(lambda: add(hub, [source])) == -signal.SIGKILL
        had = len(in_order(hub)) - 2
        assert had in (0, total), "a drop is there or not"
        capsys.readouterr()
        assert add(hub, [first, source]) == 0
        told = capsys.readouterr().out
        assert f"{2 + had} there already." in told
        assert sorted(in_order(hub), key=int) == ["1", "2", *objids]
        names = {chunk.name for chunk in Hub(hub).chunks()}
        for folder, end in (("chunks", ".tar.gz"), ("metadata", ".csv"), ("claims", "")):
            assert set(os.listdir(hub / folder)) == {name + end for name in names}
        for chunk in Hub(hub).chunks():
            data = (hub / "chunks" / f"{chunk.name}.tar.gz").read_bytes()
            assert hashlib.sha256(data).hexdigest() == chunk.sha256
        assert not list(hub.rglob(".*"))
        forget(hub, "first")


def forget(hub, stamp):
    """Take all drops but one out of a hub."""
    lines = (hub / "chunks.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines[1:] if f"--{stamp}," in line]
    (hub / "chunks.csv").write_text("".join((lines[0], *kept)))
    with chunks.alone(Hub(hub)):
        pass


def test_what_an_add_that_failed_had_written_is_removed_at_once(hub, tmp_path, monkeypatch):
    source = drop(tmp_path / "x.tar.gz", range(100, 110))
    before = sorted(hub.rglob("*"))

    def full(path, data, *mode):
        if "chunks.csv" in str(path):
            raise OSError(28, "No space left on device", str(path))
        return whole(path, data, *mode)

    whole = disk.write_whole
    monkeypatch.setattr(disk, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        add(hub, [source])
    assert sorted(hub.rglob("*")) == before


def test_the_lock_of_a_process_that_died_on_this_machine_is_taken_away(hub, tmp_path):
    source = drop(tmp_path / "x.tar.gz", [1])
    here = os.uname().nodename
    died = subprocess.Popen(["true"])
    died.wait()
    lock = hub / ".add.lock"
    for who in (f"process {os.getppid()} on {here}", f"process {died.pid} on not-{here}", "?"):
        lock.write_text(f"{who} since 2026-11-22T13:08:00Z")
        refused("Another add is at work", hub, [source])
        assert lock.read_text().startswith(who)
    lock.write_text(f"process {died.pid} on {here} since 2026-11-22T13:08:00Z")
    assert add(hub, [source]) == 0
    assert in_order(hub) == ["1"] and not lock.exists()


def test_an_index_that_finds_no_room_adds_nothing(hub, tmp_path, monkeypatch):
    source = drop(tmp_path / "x.tar.gz", range(2000))
    index = dropping._INDEX.replace("PRAGMA cache", "PRAGMA max_page_count = 20;\nPRAGMA cache")
    monkeypatch.setattr(dropping, "_INDEX", index)
    before = sorted(hub.rglob("*"))
    refused("disk is full.*nothing was added.*TMPDIR", hub, [source])
    assert sorted(hub.rglob("*")) == before


def test_a_python_without_sqlite_gets_a_sentence(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    refused("has no sqlite3.*nothing was added", hub, [drop(tmp_path / "x.tar.gz", [1])])


# ---- large drops ----


def test_progress_is_told_on_a_terminal_only_and_leaves_no_trace(hub, tmp_path):
    source = drop(tmp_path / "x.tar.gz", range(100))
    command = [sys.executable, "-m", "cluster", "add", hub, source]
    ours, theirs = pty.openpty()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # that is how a terminal ends
        while more := os.read(ours, 1 << 16):
            shown += more
    os.close(ours)
    assert done.returncode == 0 and "Added 100 detections" in done.stdout
    assert b"\rreading " in shown and b"\n" not in shown
    assert shown.rpartition(b"\r")[2] == b"" and not shown.split(b"\r")[-2].strip()
    drop(source, range(200, 300))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


PEAK = """
import sys
from cluster import add, drop
drop._INDEX = drop._INDEX.replace("-32768", "-1024")  # the cache: little shows what much does
add.run(sys.argv[1], [sys.argv[2]], sys.argv[3])
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


TINY = tiny_gif("x")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_memory_does_not_grow_with_the_drop(tmp_path, capsys):
    peaks = []
    for count in (500, 6_000):
        folder, source = tmp_path / str(count), tmp_path / f"{count}.tar.gz"
        init(folder)
        setting(folder, "chunk_size", 500)  # few files: this is about memory
        with tarfile.open(source, "w:gz", compresslevel=1) as archive:
            for number in range(3 * count):
                entry = tarfile.TarInfo(f"{KINDS[number % 3]}{10**17 + number // 3}.gif")
                entry.size = len(TINY)
                archive.addfile(entry, io.BytesIO(TINY))
        rows = [(10**17 + number, random.Random(number).random()) for number in range(count)]
        table = scores(tmp_path / f"{count}.csv", rows)
        command = [sys.executable, "-c", PEAK, folder, source, table]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    # the index in memory took 0.8 kB a detection, and the rows as much again
    assert peaks[1] < peaks[0] + 5, peaks


def test_the_names_in_a_folder_are_never_held_at_once(tmp_path, monkeypatch):
    for kind in KINDS:
        (tmp_path / f"{kind}1.gif").write_bytes(b"GIF")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "srch2.gif").write_bytes(b"GIF")
    monkeypatch.setattr(os, "listdir", None)
    monkeypatch.setattr(os, "walk", None)
    found = [os.path.basename(path) for path, _, _ in sources.walk(tmp_path)]
    assert sorted(found[:3]) == ["diff1.gif", "srch1.gif", "temp1.gif"]
    assert found[3:] == ["srch2.gif"], "a folder's own stamps come first"


# ---- real stamps ----


def test_real_scores_cut_real_stamps(hub, tmp_path, real, capsys):
    setting(hub, "chunk_size", 50)
    with (real / "ztf-public-01.csv").open(newline="") as file:
        rows = {row["OBJID"]: row for row in csv.DictReader(file)}
    kept = {
        objid for objid, row in rows.items() if not row["PHOTPROB"] or float(row["PHOTPROB"]) >= 0.5
    }
    assert 0 < len(kept) < len(rows)
    table = str(real / "ztf-public-01.csv")
    sources = [real / "ztf-public-01.tar.gz"]
    add(hub, sources, table, stamp="ztf", min_score=0.5, order="uncertain")
    assert set(in_order(hub)) == kept
    distance = [abs(float(rows[objid]["PHOTPROB"] or 9) - 0.5) for objid in in_order(hub)]
    assert distance == sorted(distance)
    add(hub, sources, table, stamp="rest")
    assert set(in_order(hub)) == set(rows)
    came = {}
    for path in (hub / "chunks").iterdir():
        assert stamps.Chunk(path).damage is None
        came.update(stamps.members(path))
    assert came == dict(stamps.members(sources[0]))


def test_real_stamps_without_scores_pass_every_cut(hub, real, capsys):
    table = str(real / "des-public-01.csv")
    add(hub, [real / "des-public-01.tar.gz"], table, min_score=0.9)
    told = capsys.readouterr().out
    assert "Added 18 detections" in told and "18 detections without PHOTPROB passed." in told
