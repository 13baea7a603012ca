"""Folders in which tarballs arrive: an `add` from cron takes what is new and whole, once."""

import contextlib
import io
import os
import subprocess
import time
from pathlib import Path

import pytest
from conftest import KINDS, tarball, tiny_gif

from cluster.add import run as add
from cluster.hub import Hub, HubError
from cluster.init import run as init


@pytest.fixture
def hub(tmp_path, capsys):
    folder = tmp_path / "hub"
    init(folder)
    capsys.readouterr()
    return folder


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def arrive(path, objids, age=3600.0):
    """Let a tarball arrive some seconds ago."""
    names = [f"x/{kind}{objid}.gif" for objid in objids for kind in KINDS]
    tarball(path, {name: tiny_gif(name) for name in names})
    return aged(path, age)


def aged(path, age):
    at = time.time() - age
    os.utime(path, (at, at))
    return path


def table(path, objids, age=3600.0):
    path.write_text("OBJID,SNID,PHOTPROB\n" + "".join(f"{i},7,0.9\n" for i in objids))
    return aged(path, age)


def feed(hub, inbox, **options):
    """Run what cron runs; return what it says."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert add(hub, [str(inbox)], arriving=True, **options) == 0
    return told.getvalue()


def drops(hub):
    """Return the detections of each drop."""
    found = {}
    for chunk in Hub(hub).chunks():
        found.setdefault(chunk.name.split("--")[2], []).extend(Hub(hub).objids(chunk.name))
    return {name: sorted(objids) for name, objids in found.items()}


def snids(hub):
    tables = [Hub(hub).metadata(chunk.name) for chunk in Hub(hub).chunks()]
    return {row[0]: row[columns.index("SNID")] for columns, rows in tables for row in rows}


def test_each_tarball_becomes_a_drop_of_its_name_with_its_table_once(hub, inbox):
    arrive(inbox / "night2.tar.gz", [3], age=100)
    arrive(inbox / "night1.tgz", [1, 2], age=200)
    table(inbox / "night1.csv", [1, 2])
    (inbox / "notes.txt").write_text("")
    told = feed(hub, inbox)
    assert told.index("night1; ") < told.index("night2; "), "the oldest first"
    assert drops(hub) == {"night1": ["1", "2"], "night2": ["3"]}
    assert [chunk.name[-6:] for chunk in Hub(hub).chunks()] == ["night1", "night2"]
    assert feed(hub, inbox) == "", "cron has nothing to mail"
    arrive(inbox / "night 3.tar.gz", [4])
    assert "Added 1 detection" in feed(hub, inbox) and len(drops(hub)) == 3


def test_what_is_half_copied_waits(hub, inbox, capsys):
    path = arrive(inbox / "night1.tar.gz", range(1, 40))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert feed(hub, inbox) == "" and drops(hub) == {}, "just written"
    aged(path, 3600)
    assert feed(hub, inbox) == "" and drops(hub) == {}, "it ends too early: nothing of it is taken"
    aged(path, 2 * 86400)
    arrive(inbox / "night2.tar.gz", [99])
    with pytest.raises(
        HubError, match=r"night1.tar.gz: it ends too early. Nothing of it was added"
    ):
        add(hub, [str(inbox)], arriving=True)
    assert drops(hub) == {"night2": ["99"]}, "the others do not wait for it"
    path.write_bytes(whole)
    assert feed(hub, inbox) == ""
    aged(path, 61)
    assert "Added 39 detections" in feed(hub, inbox)


def test_a_table_that_comes_later_is_brought_to_what_has_been_added(hub, inbox):
    arrive(inbox / "night1.tar.gz", [1, 2])
    feed(hub, inbox)
    table(inbox / "night1.csv", [1, 2])
    assert "2 detections of the hub got what" in feed(hub, inbox)
    assert snids(hub) == {"1": "7", "2": "7"} and feed(hub, inbox) == ""


def test_what_needs_a_table_waits_for_it(hub, inbox):
    arrive(inbox / "night1.tar.gz", [1, 2])
    assert feed(hub, inbox, require_score=True) == "" and drops(hub) == {}
    table(inbox / "night1.csv", [2])
    assert "1 without PHOTPROB" in feed(hub, inbox, require_score=True)
    assert drops(hub) == {"night1": ["2"]}
    arrive(inbox / "night2.tar.gz", [3, 4])
    all_nights = str(table(inbox.parent / "all.csv", [3]))
    assert "1 without a row" in feed(hub, inbox, metadata=all_nights, require_metadata=True)


def test_a_bad_table_is_told_each_time_and_stops_no_other(hub, inbox):
    arrive(inbox / "night1.tar.gz", [1])
    aged_table = inbox / "night1.csv"
    aged_table.write_text("ID\n1\n")
    aged(aged_table, 3600)
    arrive(inbox / "night2.tar.gz", [2])
    for _ in range(2):
        with pytest.raises(HubError, match="night1.csv cannot be used"):
            add(hub, [str(inbox)], arriving=True)
    assert drops(hub) == {"night2": ["2"]}


def test_it_runs_from_the_command_line(hub, inbox):
    arrive(inbox / "night1.tar.gz", [1])
    command = [hub / "hub", "add", inbox.name, "--arriving"]
    done = subprocess.run(command, cwd=inbox.parent, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "as drop night1" in done.stdout
    for words in ([inbox.name, "--stamp", "x"], ["missing"]):
        command = [hub / "hub", "add", *words, "--arriving"]
        done = subprocess.run(command, cwd=inbox.parent, capture_output=True, text=True)
        assert done.returncode == 2 and "nothing was added" in done.stderr
    assert Path(hub / "arrivals.csv").read_text().count("\n") == 2
