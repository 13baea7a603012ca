"""`add`: drops become chunks, and what a bad source, table or disk does to that."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import contextlib
import functools
import hashlib
import os
import re
import resource
import signal
import subprocess
import sys
import tarfile
import time
from datetime import datetime
from pathlib import Path

import pytest
from conftest import REAL
from hubs import (
    FIRST,
    SECOND,
    THIRD,
    empty,
    everything,
    given,
    hub,
    listed,
    rows_of,
    run,
    setting,
    stamp_bytes,
    tarball,
    tree,
)

import stamps
from cluster.add import run as add
from cluster.hub import Hub, HubError
from cluster.init import run as init

BATCHES = REAL


def test_add_cuts_complete_triplets_into_chunks_in_random_order(empty, tmp_path, capsys):
    setting(empty, "chunk_size", 4)
    objids = [str(10**18 + number) for number in range(10)]
    one = tarball(tmp_path / "one.tar.gz", objids[:6], by_kind=True)
    other = tarball(tmp_path / "two.tar.gz", objids[6:], suffix=".png")
    part = tarball(tmp_path / "part.tar.gz", ["55"], kinds=("srch", "diff"))
    assert add(empty, [str(one), str(other), str(part)], stamp="A_b-1", seed=7) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == (
        "Added 10 detections in 3 chunks as drop A_b-1; 1 incomplete, 0 there already."
    )
    assert "55: temp missing" in told
    chunks = listed(empty)
    assert [chunk.name for chunk in chunks] == [f"chunk--0000{n}--A_b-1" for n in (1, 2, 3)]
    assert [chunk.detections for chunk in chunks] == ["4", "4", "2"]
    found = []
    for chunk in chunks:
        path = empty / "chunks" / f"{chunk.name}.tar.gz"
        data = path.read_bytes()
        assert (chunk.sha256, chunk.bytes) == (hashlib.sha256(data).hexdigest(), str(len(data)))
        assert chunk.seed == "7"
        opened = stamps.Chunk(path)
        assert (opened.damage, opened.incomplete, opened.metadata_stamp) == (None, {}, "A_b-1")
        assert opened.objids == Hub(empty).objids(chunk.name)
        found += opened.objids
        suffixes = {objid: ".gif" if objid in objids[:6] else ".png" for objid in opened.objids}
        assert dict(stamps.members(path)) == {
            f"{kind}{objid}{suffixes[objid]}": stamp_bytes(kind, objid)
            for objid in opened.objids
            for kind in stamps.KINDS
        }
        with tarfile.open(path) as archive:
            assert {Path(name).parent.name for name in archive.getnames()} == {chunk.name}
    assert sorted(found) == objids
    assert found != objids


def test_the_same_seed_gives_the_same_bytes(tmp_path, capsys, monkeypatch):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(20)))
    made = []
    for number, seed in enumerate((1, 1, 2)):
        hub = tmp_path / str(number)
        init(hub)
        monkeypatch.setattr(time, "time", lambda number=number: 1e9 * (number + 1))
        add(hub, [str(source)], stamp="x", seed=seed)
        made.append((hub / "chunks.csv").read_bytes())
    assert made[0] == made[1] != made[2]


def test_add_reads_folders_at_any_depth_and_follows_no_link_outside(empty, tmp_path, capsys):
    (tmp_path / "in" / "deep er").mkdir(parents=True)
    for kind in stamps.KINDS:
        (tmp_path / "in" / "deep er" / f"{kind}1.gif").write_bytes(stamp_bytes(kind, 1))
        (tmp_path / "in" / f"{kind}2.gif").write_bytes(stamp_bytes(kind, 2))
    (tmp_path / "in" / "readme.txt").write_text("no stamp")
    (tmp_path / "in" / "srch2.gif").unlink()
    (tmp_path / "in" / "srch2.gif").symlink_to("/etc/passwd")
    (tmp_path / "in" / "diff2.gif").unlink()
    with (tmp_path / "in" / "diff2.gif").open("wb") as file:
        file.truncate(stamps.MEMBER_LIMIT + 1)
    done = run(empty, "add", "in", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Added 1 detection in 1 chunk as" in done.stdout
    assert re.search(
        "2: srch: is a link that leads outside, which is not followed; diff: cannot be read, or is "
        "larger than .* bytes",
        done.stdout,
    )


def test_add_never_takes_a_detection_twice_and_numbers_go_on(hub, tmp_path, capsys):
    source = tarball(tmp_path / "again.tar.gz", ["7", "8", "9"])
    assert add(hub, [str(source), str(source)], stamp="second") == 0
    assert "Added 1 detection in 1 chunk as drop second; 0 incomplete, 2 there already." in (
        capsys.readouterr().out
    )
    assert [chunk.name for chunk in listed(hub)][4:] == ["chunk--00005--second"]
    assert add(hub, [str(source)]) == 0
    assert capsys.readouterr().out == "Nothing was added; 0 incomplete, 3 there already.\n"
    assert len(listed(hub)) == 5


def test_the_first_of_several_stamps_counts(empty, tmp_path, capsys):
    first = tarball(tmp_path / "x.tar.gz", ["1"])
    for kind in stamps.KINDS:
        (tmp_path / f"{kind}1.fits").write_bytes(b"another")
    add(empty, [str(first), str(tmp_path)], stamp="drop")
    assert "Added 1 detection in" in capsys.readouterr().out
    found = dict(stamps.members(empty / "chunks" / f"{FIRST}.tar.gz"))
    assert found == {f"{kind}1.gif": stamp_bytes(kind, 1) for kind in stamps.KINDS}


def test_metadata_goes_with_its_detections(empty, tmp_path, capsys):
    source = tarball(tmp_path / "x.tar.gz", ["1", "2", "3"])
    table = tmp_path / "x.csv"
    text = '\ufeffSNID,OBJID,NOTE\r\n12,1,"a, b"\r\n13,3,"ü\r9"\r\n14,4,\r\n13,3,twice\r\n'
    table.write_bytes(text.encode())
    assert add(empty, [str(source)], str(table), stamp="drop") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[1:] == [
        f"  1 detection has no row in {table}; 1 of its rows has no stamps."
    ]
    rows = rows_of(empty / "metadata" / f"{FIRST}.csv")
    assert rows[0] == ["OBJID", "SNID", "NOTE"]
    assert sorted(rows[1:]) == [["1", "12", "a, b"], ["2", "", ""], ["3", "13", "ü\r9"]]
    assert sorted(Hub(empty).objids(FIRST)) == ["1", "2", "3"], "a bare CR once made one more"
    table.write_text("OBJID\n1\n5\n6\n")
    assert add(empty, [str(tarball(source, ["1", "7", "8"]))], str(table)) == 0
    told = capsys.readouterr().out.splitlines()[1]
    assert told == f"  2 detections have no row in {table}; 2 of its rows have no stamps."
    table.write_text("OBJID\n9\n")
    assert add(empty, [str(tarball(source, ["9"]))], str(table)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1, "nothing is amiss"


def test_a_table_of_other_stamps_stops_the_add_before_anything_is_listed(hub, tmp_path):
    tarball(tmp_path / "x.tar.gz", ["100", "101"])
    (tmp_path / "x.csv").write_text("OBJID\n1\n1\n55\n")  # 1 is in the hub, but not in x.tar.gz
    command = ("add", "x.tar.gz", "--metadata", "x.csv")
    before = tree(hub)
    done = run(hub, *command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == (
        f"None of the 3 rows of {tmp_path}/x.csv belongs to these stamps: nothing was added. "
        "Is it the right table?\n"
    )
    assert tree(hub) == before
    tarball(tmp_path / "x.tar.gz", ["1"])
    assert run(hub, *command, cwd=tmp_path).returncode == 0, "there already, and its table fits"


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"ID,MJD\n1,2\n", "it has no column OBJID; its columns are ID, MJD"),
        (b"", "has no column OBJID"),
        (b"OBJID,MJD\n1,2,3\n", "line 2 has 3 fields, the header 2"),
        (b"OBJID,\xe9\n1,2\n", "cannot be used"),
        (None, "No such file"),
    ],
)
def test_a_table_of_no_use_stops_the_add_before_anything_is_written(
    empty, tmp_path, content, sentence
):
    tarball(tmp_path / "x.tar.gz", ["1"])
    if content is not None:
        (tmp_path / "x.csv").write_bytes(content)
    before = tree(empty)
    done = run(empty, "add", "x.tar.gz", "--metadata", "x.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr and "nothing was added" in done.stderr
    assert tree(empty) == before


def test_a_table_of_no_use_is_known_before_hours_of_copying(empty, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["cluster.drop"].Drop, "read", None)
    (tmp_path / "x.csv").write_text("ID\n1\n")
    with pytest.raises(HubError, match="no column OBJID"):
        add(empty, ["x.tar.gz"], str(tmp_path / "x.csv"))


def test_a_damaged_source_is_told_and_the_rest_is_added(empty, tmp_path):
    good = tarball(tmp_path / "good.tar.gz", ["1", "2"])
    whole = tarball(tmp_path / "cut.tar.gz", map(str, range(100, 400))).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.tar.gz").write_bytes(b"")
    (tmp_path / "text.tar.gz").write_text("no archive")
    (tmp_path / "bare").mkdir()
    os.mkfifo(tmp_path / "pipe.tar.gz")
    names = ["none.tar.gz", "cut.tar.gz", "text.tar.gz", "gone.tar.gz", "bare", "pipe.tar.gz"]
    done = run(empty, "add", *names, good.name, "--stamp", "s", cwd=tmp_path, timeout=20)
    assert done.returncode == 1
    for name in names:
        assert f"{name}: " in done.stderr
    found = {objid for chunk in listed(empty) for objid in Hub(empty).objids(chunk.name)}
    assert {"1", "2", "100"} < found


def test_when_nothing_could_be_read_only_that_is_said(empty, tmp_path):
    (tmp_path / "x.csv").write_text("OBJID\n1\n")
    before = tree(empty)
    for table in ((), ("--metadata", tmp_path / "x.csv")):
        done = run(empty, "add", "/gone.tar.gz", *table)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("/gone.tar.gz: it cannot be read")
        assert done.stderr.endswith("(No such file or directory). Nothing was added.\n")
    assert tree(empty) == before


def test_a_stamp_is_used_once_and_two_adds_in_one_second_do_not_meet(hub, tmp_path, monkeypatch):
    source = tarball(tmp_path / "x.tar.gz", ["100"])
    done = run(hub, "add", source, "--stamp", "drop")
    assert done.returncode == 7
    assert "drop already: nothing was added" in done.stderr
    for bad in ("a--b", "", "a b", "../x", "-x", "x" * 65):
        assert run(hub, "add", source, f"--stamp={bad}").returncode == 2
    module = sys.modules["disk"]

    class Frozen(datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2026, 11, 22, 13, 8, 0, tzinfo=zone)

    monkeypatch.setattr(module, "datetime", Frozen)
    for objid in ("100", "101"):
        add(hub, [str(tarball(tmp_path / "y.tar.gz", [objid]))])
    stems = [chunk.name.rpartition("--")[2] for chunk in listed(hub)][4:]
    assert stems == ["2026-11-22_13-08-00", "2026-11-22_13-08-01"]


def test_a_second_add_at_once_is_refused_and_told_how_to_go_on(hub, tmp_path):
    source = tarball(tmp_path / "x.tar.gz", ["100"])
    (hub / ".add.lock").write_text("process 4711 on node7 since 2026-11-22T13:08:00Z")
    before = tree(hub)
    done = run(hub, "add", source)
    assert done.returncode == 1
    assert "process 4711 on node7 since" in done.stderr and f"remove {hub}/.add.lock" in done.stderr
    assert tree(hub) == before
    (hub / ".add.lock").write_text("")
    assert "nothing was added" in run(hub, "add", source).stderr
    (hub / ".add.lock").unlink()
    assert run(hub, "add", source).returncode == 0
    assert not (hub / ".add.lock").exists()


def test_what_an_interrupted_add_left_does_not_exist_and_is_removed(hub, tmp_path, capsys):
    for name in ("chunk--00005--drop2", "chunk--00006--other"):
        (hub / "chunks" / f"{name}.tar.gz").write_bytes(b"half")
        (hub / "metadata" / f"{name}.csv").write_text("OBJID\n100\n")
        (hub / "claims" / name).mkdir()
    (hub / "chunks" / ".chunk--00007--other.tar.gz.123.part").write_bytes(b"hal")
    (hub / "chunks.csv").with_name(".chunks.csv.123.part").write_bytes(b"hal")
    everything = [given(hub, "alice", *names) for names in ((), (FIRST,), (FIRST, SECOND))]
    assert everything == [FIRST, SECOND, THIRD]
    source = tarball(tmp_path / "x.tar.gz", ["100", "101"])
    add(hub, [str(source)], stamp="drop2")
    (new,) = listed(hub)[4:]
    assert new.name == "chunk--00005--drop2"
    data = (hub / "chunks" / f"{new.name}.tar.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == new.sha256
    assert (hub / "claims" / new.name).stat().st_mode & 0o7777 == 0o3775
    names = {chunk.name for chunk in listed(hub)}
    assert set(os.listdir(hub / "chunks")) == {f"{name}.tar.gz" for name in names}
    assert set(os.listdir(hub / "metadata")) == {f"{name}.csv" for name in names}
    assert set(os.listdir(hub / "claims")) == names
    assert not list(hub.glob(".*"))


def test_what_someone_claimed_is_never_removed_nor_its_number_given_again(hub, tmp_path, capsys):
    before = tree(hub)
    whole = (hub / "chunks.csv").read_text().splitlines(keepends=True)
    assert given(hub, "alice") == FIRST
    (hub / "chunks.csv").write_text(whole[0])  # a copy from before the first add came back
    add(hub, [str(tarball(tmp_path / "x.tar.gz", ["100"]))], stamp="drop")
    assert [chunk.name for chunk in listed(hub)] == ["chunk--00002--drop"]
    for path in (f"chunks/{FIRST}.tar.gz", f"metadata/{FIRST}.csv"):
        assert (hub / path).read_bytes() == before[path]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_an_add_that_is_ended_leaves_no_lock(hub, tmp_path, number):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 6000)))
    child = subprocess.Popen([hub / "hub", "add", source], stderr=subprocess.PIPE, text=True)
    while not (hub / ".add.lock").exists():
        assert child.poll() is None
    time.sleep(0.1)
    while child.poll() is None:  # Python loses a signal that comes while a finalizer closes a file
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    assert "Interrupted: what the hub had is safe" in child.stderr.read()
    assert child.returncode == 1 and not (hub / ".add.lock").exists()


def test_a_full_disk_adds_nothing_and_leaves_no_lock(hub, tmp_path):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 200)))
    before = tree(hub)
    small = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, 2000))
    done = run(hub, "add", source, preexec_fn=small)
    assert done.returncode == 1
    assert "File too large" in done.stderr and "is safe" in done.stderr
    assert tree(hub) == before


def test_a_chunk_never_unpacks_to_more_than_a_labeller_takes(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["cluster.drop"], "UNPACKED_LIMIT", 10_000)
    setting(hub, "chunk_size", 50)
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 110)))
    add(hub, [str(source)], stamp="big")
    assert [chunk.detections for chunk in listed(hub)[4:]] == ["3", "3", "3", "1"]


def test_a_chunk_never_has_more_members_than_a_labeller_takes(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "MEMBERS_LIMIT", 14)
    setting(hub, "chunk_size", 50)
    add(hub, [str(tarball(tmp_path / "x.tar.gz", map(str, range(100, 110))))], stamp="big")
    assert [chunk.detections for chunk in listed(hub)[4:]] == ["4", "4", "2"]


@pytest.mark.skipif(not BATCHES.is_dir(), reason=f"the real batches are not in {BATCHES}")
def test_real_batches_come_back_as_they_went_in(empty, tmp_path):
    names = ("des-public-01", "mixed-public-01")
    sources = [BATCHES / f"{name}.tar.gz" for name in names]
    done = run(empty, "add", sources[0], "--metadata", BATCHES / "des-public-01.csv")
    assert done.returncode == 0, done.stderr
    assert "Added 18 detections in 1 chunk as" in done.stdout and "no row" not in done.stdout
    done = run(empty, "add", *sources, "--metadata", BATCHES / "mixed-public-01.csv")
    assert "Added 34 detections in 1 chunk as" in done.stdout and "18 there already" in done.stdout
    came = {}
    for chunk in listed(empty):
        path = empty / "chunks" / f"{chunk.name}.tar.gz"
        assert stamps.Chunk(path).damage is None
        came.update(stamps.members(path))
    assert came == {name: data for path in sources for name, data in stamps.members(path)}
