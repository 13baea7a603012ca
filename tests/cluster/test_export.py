"""The training set: real pictures in real hubs, read back with numpy and csv alone."""

import collections
import csv
import functools
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import bench_export
import conftest
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import archive
import labels
import stamps
from cluster import hub, looking
from cluster.add import run as add
from cluster.consensus import CLASSES
from cluster.consensus import run as write_consensus
from cluster.export import run as export
from cluster.init import run as init
from cluster.training import SPLITS, centred, split

ROOT = conftest.ROOT
COLUMNS = [
    *("OBJID", "LABEL", *(f"P_{name}" for name in CLASSES)),
    *("P_REAL", "VOTES", "LABELERS", "EXPERT", "SPLIT", "DROP", "CHUNK", "GOLD", "COMMENTS"),
]
OWNER = hub.account_name(os.getuid())


def gif(pixels):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "GIF")
    return file.getvalue()


def as_fits(pixels, **cards):
    """Return a FITS file of an image whose row 0 is the top."""
    file = io.BytesIO()
    hdu = fits.PrimaryHDU(np.asarray(pixels)[::-1])
    hdu.header.update(cards)
    hdu.writeto(file)
    return file.getvalue()


def noise(objid, kind, shape=(51, 51)):
    seed = [int(objid), stamps.KINDS.index(kind)]
    return np.random.default_rng(seed).integers(1, 255, shape, np.uint8)


def drop(folder, objids, stamp="drop", suffix=".gif", shape=(51, 51), metadata=None, **changed):
    """Add detections of noise; `changed` has the bytes of stamps that are otherwise, by name."""
    write = {".gif": gif, ".png": gif, ".fits": lambda p: as_fits(p.astype("f4"))}[suffix]
    members = {
        f"x/{kind}{objid}{suffix}": write(noise(objid, kind, shape))
        for objid in objids
        for kind in stamps.KINDS
    }
    members.update({f"x/{name}{suffix}": data for name, data in changed.items()})
    source = folder.parent / f"{stamp}.tar.gz"
    conftest.tarball(source, members)
    if metadata is not None:
        table = folder.parent / f"{stamp}.csv"
        table.write_text(metadata)
        metadata = str(table)
    add(str(folder), [str(source)], metadata=metadata, stamp=stamp, seed=1)


@pytest.fixture
def unseen(monkeypatch):
    """An add that looks at nothing, as one does whose Python cannot decode."""
    monkeypatch.setattr(looking, "look", lambda *_: iter(()))


def say(folder, user, answers, at="2026-01-02_03-04-05", comment=""):
    """Let a person have labelled {OBJID: ACTION}; the hub's owner is the expert."""
    folder = folder / "expert" if user == OWNER else folder
    rows = [
        (objid, action, comment, "2026-01-02T03:04:05.678Z", "drop", "1.50", user)
        for objid, action in answers.items()
    ]
    path = folder / "verified" / f"{user}--{at}.csv"
    path.write_bytes(hub.table(bench_export.COLUMNS, rows))


def everyone(folder, action="Good"):
    opened = hub.Hub(folder)
    return {objid: action for chunk in opened.chunks() for objid in opened.objids(chunk.name)}


def exported(folder, **options):
    """Export, and return the set's folder, images and rows."""
    before = set(os.listdir(folder / "training"))
    assert export(str(folder), **options) == 0
    [name] = set(os.listdir(folder / "training")) - before
    return load(folder / "training" / name)


def load(folder):
    rows = table(folder / "labels.csv")
    images = np.load(folder / "images.npy", mmap_mode="r")
    assert len(images) == len(rows)
    return folder, images, rows


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def empty(tmp_path, capsys):
    folder = tmp_path / "hub"
    init(folder)
    capsys.readouterr()
    return folder


@pytest.fixture
def labelled(empty, capsys):
    """A hub of six detections, 1 to 6, of two objects, which Ann has labelled."""
    metadata = "OBJID,SNID,MJD\n" + "".join(f"{i},{i % 2 + 70},59000.{i}\n" for i in range(1, 7))
    drop(empty, range(1, 7), metadata=metadata)
    say(empty, "ann", everyone(empty))
    capsys.readouterr()
    return empty


# ---- what is in it ----


@pytest.mark.parametrize("suffix", [".gif", ".fits"])
def test_images_have_the_stamps_pixels_in_their_order_and_the_right_way_up(empty, suffix):
    drop(empty, range(1, 8), suffix=suffix)
    say(empty, "ann", everyone(empty))
    _, images, rows = exported(empty)
    assert images.shape == (7, 3, 51, 51)
    assert images.dtype == {".gif": np.uint8, ".fits": np.float32}[suffix]
    assert isinstance(images, np.memmap)
    for image, row in zip(images, rows):
        for channel, kind in zip(image, ("srch", "temp", "diff")):
            assert np.array_equal(channel, noise(row["OBJID"], kind))


def test_rows_say_where_they_come_from_and_what_was_said_of_them(labelled, capsys):
    (labelled / "hub.ini").write_text(
        (labelled / "hub.ini").read_text().replace("gold_share = 0.1", "gold_share = 1")
    )
    drop(labelled, [7], "second")
    say(labelled, "zoe", {"7": "Good", "1": "Skipped", "2": "Other"}, comment="a trail, faint")
    say(labelled, "ann", {"2": "Good"}, "2026-01-02_03-04-06", "a host?")
    say(labelled, OWNER, {"2": "Good"}, comment="a lens")
    _, _, rows = exported(labelled)
    chunks = {chunk.name: chunk for chunk in hub.Hub(labelled).chunks()}
    for row in rows:
        assert row["OBJID"] in hub.Hub(labelled).objids(row["CHUNK"])
        assert (row["DROP"], row["GOLD"]) == (
            row["CHUNK"].split("--")[2],
            chunks[row["CHUNK"]].gold,
        )
    assert {(row["DROP"], row["GOLD"]) for row in rows} >= {("second", "yes")}
    said = {row["OBJID"]: row["COMMENTS"] for row in rows if row["COMMENTS"]}
    assert said == {
        "2": f"ann: a host? | zoe: a trail, faint | {OWNER}: a lens",
        "7": "zoe: a trail, faint",
    }


def test_rows_say_what_consensus_says(labelled, capsys):
    say(labelled, "bob", {"1": "Good", "2": "Marginal", "3": "Unsure"})
    say(labelled, OWNER, {"4": "PsfInTemplate", "5": "Unsure"})
    for method in ("dawid-skene", "majority"):
        _, _, rows = exported(labelled, method=method)
        write_consensus(str(labelled), method)
        said = {row.pop("OBJID"): row for row in table(labelled / "expert" / "consensus.csv")}
        assert list(rows[0]) == [*COLUMNS, "SNID", "MJD"]
        for row in rows:
            consensus = said[row["OBJID"]]
            assert consensus.pop("ENTROPY")
            assert {name: row[name] for name in consensus} == consensus
            assert (row["SNID"], row["MJD"]) == (
                f"{int(row['OBJID']) % 2 + 70}",
                f"59000.{row['OBJID']}",
            )
    by_objid = {row["OBJID"]: row for row in rows}
    assert by_objid["4"]["EXPERT"] == by_objid["4"]["LABEL"] == "PsfInTemplate"
    assert by_objid["2"]["VOTES"] == "Marginal:1 Good:1"
    assert float(by_objid["2"]["P_REAL"]) == 1


def test_what_the_expert_alone_labelled_is_in_it(labelled):
    (labelled / "verified" / "ann--2026-01-02_03-04-05.csv").unlink()
    say(labelled, OWNER, {"4": "PsfInTemplate", "5": "Unsure"})
    folder, _, rows = exported(labelled)
    assert [(row["OBJID"], row["LABEL"], row["LABELERS"]) for row in rows] == [
        ("4", "PsfInTemplate", "0")
    ]
    assert table(folder / "left_out.csv") == [{"OBJID": "5", "REASON": "only Unsure"}]


def test_what_got_no_label_is_left_out_and_listed(labelled, capsys):
    answers = {"1": "Good", "2": "Unsure", "3": "Skipped", "4": "Unsure"}
    say(labelled, "ann", answers)
    say(labelled, "bob", {"4": "Other"})
    folder, images, rows = exported(labelled)
    assert {row["OBJID"]: row["LABEL"] for row in rows} == {"1": "Good", "4": "Other"}
    left_out = {row["OBJID"]: row["REASON"] for row in table(folder / "left_out.csv")}
    assert left_out == {"2": "only Unsure", "3": "could only be skipped"}, "5, 6 await their turn"
    assert "| could only be skipped | 1 |" in (folder / "README.md").read_text()
    assert "; 2 left out, 0 cut or padded." in capsys.readouterr().out


def test_metadata_columns_of_all_drops_are_there_and_none_is_taken_for_ours(labelled):
    drop(labelled, [11], "second", metadata='OBJID,LABEL,SNID,NOTE\n11,mine,5,"a, ""b"" é"\n')
    drop(labelled, [21], "third")
    say(labelled, "ann", everyone(labelled))
    folder, _, rows = exported(labelled)
    assert list(rows[0]) == [*COLUMNS, "SNID", "MJD", "METADATA_LABEL", "NOTE"]
    by_objid = {row["OBJID"]: row for row in rows}
    assert by_objid["11"]["LABEL"] == "Good"
    new = ("SNID", "MJD", "METADATA_LABEL", "NOTE")
    assert [by_objid["11"][name] for name in new] == ["5", "", "mine", 'a, "b" é']
    assert [by_objid["21"][name] for name in new] == ["", "", "", ""]


def test_classes_are_listed_in_the_order_of_the_columns(labelled):
    folder, _, _ = exported(labelled)
    classes = json.loads((folder / "classes.json").read_text())
    assert [f"P_{name}" for name in classes["classes"]] == COLUMNS[2 : 2 + len(labels.CLASSES)]
    assert classes["real"] == ["Marginal", "Good"]
    assert classes["channels"] == ["Search", "Template", "Difference"]


def test_the_readme_tells_the_cuts_and_the_counts(labelled):
    metadata = "OBJID,PHOTPROB\n31,0.9\n32,0.3\n"
    source = conftest.tarball(labelled.parent / "cut.tar.gz", conftest.triplets([31, 32]))
    scores = labelled.parent / "scores.csv"
    scores.write_text(metadata)
    add(str(labelled), [str(source)], metadata=str(scores), stamp="cut", min_score=0.8)
    say(labelled, "ann", {**everyone(labelled), **dict.fromkeys("13", "Unsure"), "2": "Other"})
    folder, _, rows = exported(labelled)
    page = (folder / "README.md").read_text()
    assert "| drop | none | 6 | 4 |" in page
    assert "`left_out.csv`: the 2 detections" in page and "| only Unsure | 2 |" in page
    assert "| cut | PHOTPROB>=0.8 | 1 | 1 |" in page
    counts = collections.Counter((row["LABEL"], row["SPLIT"]) for row in rows)
    for label in ("Good", "Other"):
        of_class = [counts[label, name] for name in SPLITS]
        line = f"| {label} | {' | '.join(map(str, of_class))} | {sum(of_class)} |"
        assert line in page
    assert "the votes of 1 person" in page and "Dawid and Skene" in page
    folder, _, _ = exported(labelled, method="majority")
    assert "1 person, each class by its share of the votes." in (folder / "README.md").read_text()


@pytest.mark.parametrize("suffix", [".gif", ".fits"])
def test_the_readmes_numpy_code_loads_the_set(empty, suffix):
    drop(empty, range(1, 30), suffix=suffix)
    say(empty, "ann", everyone(empty))
    folder, _, rows = exported(empty)
    load, torch, *filling = re.findall(
        r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S
    )
    assert len(load.splitlines()) == len(torch.splitlines()) == 6
    compile(torch, "torch", "exec")
    code = f"{load}\nprint(images.shape, images.dtype, soft.shape, train.sum())\n"
    for block in filling:
        code += f"some = range(8)\n{block}\nprint(x.shape, np.isfinite(x).all())\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    number = sum(row["SPLIT"] == "train" for row in rows)
    kind = {".gif": "uint8", ".fits": "float32"}[suffix]
    first, *rest = done.stdout.splitlines()
    assert first == f"(29, 3, 51, 51) {kind} (29, {len(labels.CLASSES)}) {number}"
    assert rest == ["(8, 3, 51, 51) True"] * (suffix == ".fits")


# ---- pixels ----


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=200, deadline=None)
def test_cutting_and_padding_keep_the_centre_where_it_is(height, width, size):
    pixels = np.arange(1, height * width + 1).reshape(height, width)
    image = centred(pixels, size, 0)
    assert image.shape == (size, size)
    assert image[size // 2, size // 2] == pixels[height // 2, width // 2]
    values, counts = np.unique(image[image > 0], return_counts=True)
    assert counts.max() == 1 and values.size == min(height, size) * min(width, size)
    down, across = size // 2 - height // 2, size // 2 - width // 2
    for (row, column), value in np.ndenumerate(image):
        if value:
            assert pixels[row - down, column - across] == value


def test_other_shapes_are_cut_or_padded_counted_and_listed(empty, capsys):
    drop(empty, [1], shape=(51, 51))
    drop(empty, [2], "wide", shape=(63, 43))
    drop(empty, [3], "odd", temp3=gif(noise(3, "temp", (30, 51))))
    say(empty, "ann", everyone(empty))
    capsys.readouterr()
    folder, images, rows = exported(empty)
    assert "2 cut or padded" in capsys.readouterr().out
    shapes = [",".join(row.values()) for row in table(folder / "shapes.csv")]
    assert shapes == ["2,63,43,63,43,63,43", "3,51,51,30,51,51,51"]
    assert "2 detections have a stamp that is not square" in (folder / "README.md").read_text()
    at = [row["OBJID"] for row in rows].index("2")
    whole = noise(2, "srch", (63, 43))
    assert np.array_equal(images[at, 0, :, 4:47], whole[6:57])
    assert not images[at, 0, :, :4].any() and not images[at, 0, :, 47:].any()


def test_the_size_can_be_asked_for(labelled):
    for size in (1, 30, 64, 1024):
        folder, images, rows = exported(labelled, size=size)
        assert images.shape == (6, 3, size, size)
        middle = images[:, 0, size // 2, size // 2]
        assert list(middle) == [noise(row["OBJID"], "srch")[25, 25] for row in rows]
        told = f"the detection is at pixel ({size // 2}, {size // 2})."
        assert told in (folder / "README.md").read_text()
    for size in (0, -1, 1025):
        with pytest.raises(hub.HubError, match="1 to 1024") as caught:
            export(str(labelled), size=size)
        assert caught.value.status == 2


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i4"])
def test_fits_has_its_own_values_and_nan_where_there_is_none(empty, kind):
    whole = noise(9, "srch", (40, 40)).astype(kind)
    whole[:5] = 0
    whole[20:23, 20:23] = 0
    whole[30, 30] = 0
    empty_pixels = np.zeros((40, 40), bool)
    if kind[0] == "f":
        whole[10, 11:14] = np.nan, np.inf, -3.4e38
        empty_pixels[:5] = empty_pixels[20:23, 20:23] = empty_pixels[10, 11:14] = True
    else:  # integers count, so that zero is a value
        whole[10, 11:14] = -99
        empty_pixels[10, 11:14] = True
    data = as_fits(whole, BLANK=-99) if kind[0] == "i" else as_fits(whole)
    drop(empty, [8, 9], suffix=".fits", shape=(40, 40), srch9=data)
    say(empty, "ann", everyone(empty))
    folder, images, rows = exported(empty, size=44)
    image = images[[row["OBJID"] for row in rows].index("9")]
    assert image.dtype == np.float32
    inner = image[:, 2:42, 2:42]
    assert np.array_equal(np.isnan(inner[0]), empty_pixels)
    assert np.array_equal(inner[0][~empty_pixels], whole[~empty_pixels].astype("f4"))
    assert np.array_equal(inner[1], noise(9, "temp", (40, 40)))
    assert np.isnan(image).sum() == 3 * (44**2 - 40**2) + empty_pixels.sum(), "padding is NaN"
    assert "1 detection has such pixels" in (folder / "README.md").read_text()


def test_pictures_and_fits_are_never_mixed(empty, capsys):
    drop(empty, [1, 2])
    drop(empty, [3], "second", suffix=".fits")
    drop(empty, [4], "third", suffix=".png")
    say(empty, "ann", everyone(empty))
    with pytest.raises(hub.HubError, match="--format gif or --format fits") as caught:
        export(str(empty))
    assert caught.value.status == 2 and os.listdir(empty / "training") == []
    folder, images, rows = exported(empty, format="gif")
    assert sorted(row["OBJID"] for row in rows) == ["1", "2", "4"] and images.dtype == np.uint8
    assert table(folder / "left_out.csv") == [
        {"OBJID": "3", "REASON": "FITS images, not 8-bit pictures"}
    ]
    folder, images, rows = exported(empty, format="fits")
    assert [row["OBJID"] for row in rows] == ["3"] and images.dtype == np.float32
    assert sorted(row["OBJID"] for row in table(folder / "left_out.csv")) == ["1", "2", "4"]


def test_two_kinds_are_known_before_hours_of_reading(empty, monkeypatch):
    drop(empty, [1, 2])
    drop(empty, [3], "second", suffix=".fits")
    say(empty, "ann", everyone(empty))
    monkeypatch.setattr("cluster.training.TrainingSet", None)
    with pytest.raises(hub.HubError, match="--format gif or --format fits"):
        export(str(empty))


def test_only_labelled_stamps_say_whether_there_are_two_kinds(empty):
    drop(empty, [1, 2])
    drop(empty, [3], "second", suffix=".fits")
    say(empty, "ann", {"1": "Good"})
    _, images, _ = exported(empty)
    assert images.dtype == np.uint8


def test_two_kinds_within_one_drop_are_noticed_too(empty):
    source = conftest.tarball(
        empty.parent / "both.tar.gz",
        {
            **conftest.triplets([1]),
            **{f"x/{kind}2.fits": as_fits(noise(2, kind)) for kind in stamps.KINDS},
        },
    )
    add(str(empty), [str(source)])
    say(empty, "ann", everyone(empty))
    with pytest.raises(hub.HubError, match="--format gif or --format fits"):
        export(str(empty))
    assert os.listdir(empty / "training") == []
    folder, images, rows = exported(empty, format="gif")
    assert [row["OBJID"] for row in rows] == ["1"]
    assert {row["OBJID"] for row in table(folder / "left_out.csv")} == {"2"}


def test_what_came_anew_is_exported_once_with_its_latest_stamps(empty, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(looking, "look", lambda *_: iter(()))
        drop(empty, [1, 2], srch1=b"no")
    say(empty, "ann", {"1": "Skipped", "2": "Good"})
    drop(empty, [1], "again")
    say(empty, "bob", {"1": "Good"})
    folder, images, rows = exported(empty)
    assert sorted(row["OBJID"] for row in rows) == ["1", "2"]
    assert table(folder / "left_out.csv") == []
    assert np.array_equal(images[[row["OBJID"] for row in rows].index("1"), 0], noise(1, "srch"))


def test_an_object_whose_number_is_written_in_two_ways_is_in_one_split(empty):
    numbers = [1246527 + 7 * i for i in range(30)]
    ways = ("{}", "{}.0", " 0{} ")
    for place, way in enumerate(ways):
        lines = [f"{100 * place + i},{way.format(snid)}\n" for i, snid in enumerate(numbers, 1)]
        objids = range(100 * place + 1, 100 * place + 31)
        drop(empty, objids, f"n{place}", shape=(9, 9), metadata="OBJID,SNID\n" + "".join(lines))
    say(empty, "ann", everyone(empty))
    folder, _, rows = exported(empty)
    splits = collections.defaultdict(set)
    for row in rows:
        splits[float(row["SNID"])].add(row["SPLIT"])
    assert len(splits) == 30 and all(len(found) == 1 for found in splits.values())
    assert "30 groups by SNID" in (folder / "README.md").read_text()


def test_a_stamp_that_is_too_large_costs_one_detection(labelled, unseen, monkeypatch):
    drop(labelled, [11], "large", temp11=bytes(40_001))
    say(labelled, "ann", everyone(labelled))
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 40_000)  # of an archive that `add` did not write
    folder, _, rows = exported(labelled)
    assert len(rows) == 6
    (left,) = table(folder / "left_out.csv")
    assert left["OBJID"] == "11" and left["REASON"].startswith("temp larger than ")


def test_a_bad_stamp_costs_one_detection(labelled, unseen):
    huge = gif(np.zeros((9, 2000)))
    drop(labelled, [11, 12, 13], "bad", temp11=b"GIF89a, not really", diff12=huge)
    say(labelled, "ann", everyone(labelled))
    folder, images, rows = exported(labelled)
    assert {row["OBJID"] for row in rows} == {*"123456", "13"}
    assert {row["OBJID"]: row["REASON"] for row in table(folder / "left_out.csv")} == {
        "11": "temp: damaged",
        "12": "diff: 2000 x 9 pixels, and at most 1024 a side are shown",
    }
    for image, row in zip(images, rows):
        assert np.array_equal(image[2], noise(row["OBJID"], "diff"))


def test_when_no_stamp_is_of_use_nothing_is_written(empty, unseen):
    drop(empty, [1], temp1=b"GIF89a, not really")
    say(empty, "ann", everyone(empty))
    with pytest.raises(hub.HubError, match=r"temp: damaged: 1\): nothing was written"):
        export(str(empty))
    assert os.listdir(empty / "training") == []


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_archive_is_told_and_all_else_is_exported(labelled, capsys, harm):
    drop(labelled, range(100, 150), "second")
    say(labelled, "ann", everyone(labelled))
    chunk = labelled / "chunks" / "chunk--00001--drop.tar.gz"
    if harm == "cut":
        chunk.write_bytes(chunk.read_bytes()[:6000])
    else:
        chunk.unlink()
    with pytest.raises(hub.HubError, match="chunk--00001--drop.tar.gz could not be read") as caught:
        export(str(labelled))
    assert caught.value.status == 6
    [name] = os.listdir(labelled / "training")
    folder, images, rows = load(labelled / "training" / name)
    left_out = table(folder / "left_out.csv")
    assert len(rows) + len(left_out) == 56 and len(rows) >= 50
    assert {row["OBJID"] for row in left_out} <= set("123456")
    for image, row in zip(images, rows):
        assert np.array_equal(image[0], noise(row["OBJID"], "srch"))


# ---- splits ----


def test_a_groups_split_follows_from_its_name_and_is_the_same_for_ever():
    # written down: with another rule, what was trained on could come to be tested on
    pinned = {"1": "train", "42": "train", "é": "validation", "7": "test", "SN2026abc": "test"}
    assert {name: split(name) for name in pinned} == pinned
    counts = collections.Counter(split(str(number)) for number in range(20_000))
    shares = [counts[name] / 20_000 for name in ("train", "validation", "test")]
    assert np.allclose(shares, [0.8, 0.1, 0.1], atol=0.01)


def test_no_object_is_in_two_splits_whatever_comes_later(empty):
    def metadata(objids):
        return "OBJID,SNID\n" + "".join(f"{i},{i % 40}\n" for i in objids)

    drop(empty, range(100), shape=(3, 3), metadata=metadata(range(100)))
    say(empty, "ann", everyone(empty))
    _, _, first = exported(empty)
    drop(empty, range(100, 200), "second", shape=(3, 3), metadata=metadata(range(100, 200)))
    say(empty, "bob", everyone(empty, "Marginal"))
    _, _, second = exported(empty)
    assert (len(first), len(second)) == (100, 200)
    splits = collections.defaultdict(set)
    for row in first + second:
        splits[row["SNID"]].add(row["SPLIT"])
    assert len(splits) == 40 and all(len(names) == 1 for names in splits.values())
    assert set.union(*splits.values()) == set(SPLITS)


def test_hub_ini_names_the_column_that_tells_what_is_one_object(labelled, capsys):
    ini = labelled / "hub.ini"
    ini.write_text(ini.read_text().replace("group_column = SNID", "group_column = MJD"))
    _, _, rows = exported(labelled)
    assert [row["SPLIT"] for row in rows] == [split(row["MJD"]) for row in rows]
    assert "group" not in capsys.readouterr().err


def test_without_a_group_each_detection_is_its_own_and_that_is_told(labelled, capsys):
    drop(labelled, [11, 12], "second", metadata="OBJID,SNID\n11, \n12,70\n")
    say(labelled, "ann", everyone(labelled))
    capsys.readouterr()
    folder, _, rows = exported(labelled)
    told = "1 detection has no SNID"
    assert told in capsys.readouterr().err and told in (folder / "README.md").read_text()
    by_objid = {row["OBJID"]: row["SPLIT"] for row in rows}
    assert by_objid["11"] == split("11") and by_objid["12"] == split("70")
    assert (
        "3 groups by SNID, the largest (70) of 4 detections" in (folder / "README.md").read_text()
    )


def test_without_the_column_that_is_a_warning(empty, capsys):
    drop(empty, [1, 2, 3])
    say(empty, "ann", everyone(empty))
    capsys.readouterr()
    folder, _, rows = exported(empty)
    assert [row["SPLIT"] for row in rows] == [split(row["OBJID"]) for row in rows]
    few, alone, told = capsys.readouterr().err.splitlines()
    assert told.startswith("No detection has a SNID")
    assert few.startswith("Fewer than 50 gold detections are labelled")
    assert alone.startswith("3 of 3 detections have one vote alone")
    assert f"{few}\n{alone}\n" in (folder / "README.md").read_text()
    assert "No detection has a SNID" in (folder / "README.md").read_text()
    ini = empty / "hub.ini"
    ini.write_text(ini.read_text().replace("group_column = SNID", "group_column = OBJID"))
    exported(empty)
    told = capsys.readouterr().err.splitlines()
    assert told == [few, alone], "who asks for that knows it"
    exported(empty, method="majority")
    assert capsys.readouterr().err == "", "shares of the votes promise nothing"


# ---- what can go wrong ----


def run(folder, *words, **options):
    command = [sys.executable, "-m", "cluster", "export", str(folder), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def test_the_verb_says_what_it_did_in_one_line(labelled):
    done = run(labelled, "--size", "21", "--format", "gif", "--method", "majority")
    assert done.returncode == 0 and done.stderr == ""
    [name] = os.listdir(labelled / "training")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", name)
    assert re.fullmatch(
        r"Exported 6 detections \(\d train, \d validation, \d test\) to "
        rf"{re.escape(str(labelled))}/training/{name}; 0 left out, 6 cut or padded\.\n",
        done.stdout,
    )
    _, images, _ = load(labelled / "training" / name)
    assert images.shape == (6, 3, 21, 21)


def test_before_anyone_labelled_there_is_nothing_to_export(empty):
    drop(empty, [1])
    done = run(empty)
    assert done.returncode == 1 and "Nobody has labelled anything yet" in done.stderr
    assert done.stderr.count("\n") == 1
    say(empty, "ann", {"1": "Unsure"})
    assert run(empty).returncode == 1
    assert os.listdir(empty / "training") == []


def test_two_exports_in_one_second_are_two_sets(labelled):
    folders = {exported(labelled)[0] for _ in range(3)}
    assert len(folders) == 3
    contents = {(folder / "labels.csv").read_bytes() for folder in folders}
    assert len(contents) == 1, "the same labels give the same set"


def test_only_the_owner_exports(labelled, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: labelled.stat().st_uid + 1)
    with pytest.raises(hub.HubError, match="can export a training set") as caught:
        export(str(labelled))
    assert caught.value.status == 7 and os.listdir(labelled / "training") == []


def test_a_full_disk_leaves_no_half_set(labelled):
    small = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (20_000, 20_000))
    done = run(labelled, preexec_fn=small)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "What the hub had is safe" in done.stderr
    assert os.listdir(labelled / "training") == []


DYING = """
import os, signal, sys
from cluster import export
steps = int(sys.argv[2])
def hook(event, _):
    global steps
    if event in ("open", "os.rename", "os.mkdir") and "training" in str(_[0]):
        steps -= 1
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
export.run(sys.argv[1])
"""


def test_a_killed_export_leaves_nothing_that_could_be_taken_for_a_set(labelled, long):
    killed, every = 0, 1 if long else 3
    for step in range(1, 50, every):
        words = [sys.executable, "-c", DYING, str(labelled), str(step)]
        status = subprocess.run(words, cwd=ROOT, capture_output=True).returncode
        entries = os.listdir(labelled / "training")
        assert sum(name.startswith(".") for name in entries) <= 1, "what the last one left is swept"
        for name in entries:
            if not name.startswith("."):
                _, images, _ = load(labelled / "training" / name)
                assert len(images) == 6 and (labelled / "training" / name / "README.md").exists()
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
    assert status == 0 and killed >= 6 // every
    exported(labelled)
    assert not any(name.startswith(".") for name in os.listdir(labelled / "training"))


def test_what_another_export_is_still_writing_is_not_swept(labelled):
    with subprocess.Popen(["sleep", "100"]) as other:
        host, training = os.uname().nodename, labelled / "training"
        mine = training / f".2026-01-01_00-00-00.{host}.{other.pid}.part"
        far = training / ".2026-01-01_00-00-00.node.far.example.77.part"
        old = training / ".2026-01-01_00-00-00.node.old.example.77.part"
        for path in (mine, far, old):
            path.mkdir()
            (path / "images.npy").write_bytes(b"...")
        days_ago = time.time() - 2 * 86400
        for path in (old / "images.npy", old):
            os.utime(path, (days_ago, days_ago))
        exported(labelled)
        left = [path.exists() for path in (mine, far, old)]
        other.kill()  # before anything can fail, or that would wait for it
    assert left == [True, True, False]
    exported(labelled)
    assert not mine.exists() and far.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_export_that_is_ended_leaves_nothing(labelled, number):
    code = (
        "import os, sys, signal\n"
        "from cluster import export, __main__\n"
        "number = int(sys.argv.pop())\n"
        "export.os.rename = lambda *_: os.kill(os.getpid(), number)\n"
        "sys.exit(__main__.main())\n"
    )
    words = [sys.executable, "-c", code, "export", str(labelled), str(int(number))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done
    assert os.listdir(labelled / "training") == []


# ---- real stamps ----


def independently(data, suffix):
    """Decode a stamp without anything of ours."""
    if suffix == ".gif":
        return np.asarray(Image.open(io.BytesIO(data)))
    with fits.open(io.BytesIO(data)) as hdus:
        return np.flipud(np.squeeze(next(hdu.data for hdu in hdus if hdu.data is not None)))


@pytest.mark.filterwarnings("ignore:Found a SIMPLE card")
@pytest.mark.parametrize(
    "batch",
    [
        *("ztf-public-01", "ztf-public-02", "mixed-public-01"),
        *("decam-public-01", "decam-public-02", "des-public-01"),
    ],
)
def test_real_batches_are_exported_pixel_by_pixel(empty, real, batch, capsys):
    metadata = real / f"{batch}.csv"
    add(str(empty), [str(real / f"{batch}.tar.gz")], metadata=str(metadata), stamp="real")
    say(empty, "ann", everyone(empty))
    folder, images, rows = exported(empty)
    source = {row["OBJID"]: row for row in table(metadata)}
    assert {row["OBJID"] for row in rows} == set(source) and len(rows) == len(source)
    with tarfile.open(real / f"{batch}.tar.gz") as archive:
        files = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.isfile()}
    reshaped, gaps = set(), 0
    for image, row in zip(images, rows):
        objid = row["OBJID"]
        assert {name: row[name] for name in source[objid]} == source[objid]
        for channel, kind in zip(image, stamps.KINDS):
            [suffix] = {Path(name).suffix for name in files if name.startswith(f"{kind}{objid}.")}
            pixels = independently(files[f"{kind}{objid}{suffix}"], suffix).astype(channel.dtype)
            height, width = pixels.shape
            if (height, width) != (51, 51):
                reshaped.add(objid)
            wanted = np.full((501, 501), 0 if suffix == ".gif" else np.nan, channel.dtype)
            top, left = 250 - height // 2, 250 - width // 2
            wanted[top : top + height, left : left + width] = pixels
            wanted = wanted[225:276, 225:276]
            if suffix == ".gif":
                assert np.array_equal(channel, wanted)
                continue
            gap = ~(np.abs(wanted) < 1e30)
            strips = np.isnan(channel) & ~gap
            assert np.isnan(channel[gap]).all() and not wanted[strips].any()
            assert np.array_equal(channel[~gap & ~strips], wanted[~gap & ~strips])
            gaps += gap.any()
    assert {row["OBJID"] for row in table(folder / "shapes.csv")} == reshaped
    if batch.startswith("ztf"):
        assert len(reshaped) == 100, "63 x 63, or cut off at the edge of a CCD"
    if batch == "ztf-public-01":
        assert gaps, "its NaN and -3.4e38 are in the middle, too"


# ---- the benchmark ----


def test_the_benchmarks_hub_is_one_that_the_verbs_take(tmp_path):
    for suffix in (".gif", ".fits"):
        folder = bench_export.labelled_hub(tmp_path, 100, suffix)
        _, images, rows = exported(folder)
        assert len(rows) == 100 and {row["LABELERS"] for row in rows} == {"3"}


def test_nothing_is_imported_that_a_hub_need_not_have():
    code = "import sys; from cluster import export; print('astropy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", "astropy takes 0.35 s, and GIF needs none of it"
