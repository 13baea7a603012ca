"""`init`: the folder, its modes, and the script that runs the hub."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT
from hubs import (
    SECOND,
    copy_clone,
    empty,
    given,
    hub,
    run,
    setting,
    tree,
)

from cluster.hub import Hub, HubError
from cluster.init import run as init

SHARED = ("claims", "people", "incoming", "verified", "rejected")


def test_init_makes_the_layout_with_modes_that_keep_people_apart(tmp_path):
    hub = tmp_path / "new" / "hub"
    done = subprocess.run(
        [sys.executable, "-m", "cluster", "init", hub], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (
        "fs setacl -dir" in done.stdout
        and "GROUP rli system:anyuser none" in done.stdout
        and "rlidw" not in done.stdout
    )
    me = pwd.getpwuid(os.getuid()).pw_name  # whoever may read the hub's parent folder may not this
    closed = f"{hub}/training {hub}/expert {hub}/expert/*"
    assert f"  fs setacl -dir {closed} -acl {me} all -clear\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Next: ")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in hub.iterdir()}
    assert {modes[name] for name in SHARED} == {0o3775}
    assert {modes[name] for name in ("chunks", "metadata")} == {0o2755}
    assert {modes[name] for name in ("expert", "training")} == {0o700}
    assert modes["hub"] == 0o755
    assert modes["hub.ini"] & 0o022 == modes["chunks.csv"] & 0o022 == 0
    ini = (hub / "hub.ini").read_text()
    for name in ("labelers = 3", "chunk_size = 50", "claim_expiry_days = 14", "gold_share = 0.1"):
        assert re.search(rf"^# .+\n{name}$", ini, re.M)
    assert re.search(r"^# .+\ngroup_column = SNID$", ini, re.M)


def test_init_again_repairs_what_is_missing_and_overwrites_nothing(hub):
    given(hub, "alice")
    setting(hub, "labelers", 5)
    before = tree(hub)
    (hub / "hub").unlink()
    shutil.rmtree(hub / "rejected")
    shutil.rmtree(hub / "claims" / SECOND)
    (hub / "people").chmod(0o755)
    hub.chmod(0o2777)
    init(hub)
    assert tree(hub) == before
    assert (hub / "people").stat().st_mode & 0o7777 == 0o3775
    assert (hub / "claims" / SECOND).stat().st_mode & 0o7777 == 0o3775
    assert hub.stat().st_mode & 0o7777 == 0o2750
    assert run(hub, "next", "--as", "bob").returncode == 0


def test_init_does_without_the_bits_that_afs_keeps_for_its_administrators(tmp_path, monkeypatch):
    chmod = os.fchmod

    def as_on_afs(path, mode):
        if mode & 0o7000:
            raise PermissionError(1, "Operation not permitted", str(path))
        chmod(path, mode)

    monkeypatch.setattr(os, "fchmod", as_on_afs)
    init(tmp_path / "hub")
    assert (tmp_path / "hub" / "claims").stat().st_mode & 0o7777 == 0o775


def test_init_does_not_empty_the_list_of_chunks_when_it_was_lost(hub):
    (hub / "chunks.csv").unlink()
    with pytest.raises(HubError, match="backup"):
        init(hub)
    assert not (hub / "chunks.csv").exists()


def test_init_leaves_a_folder_of_other_things_alone(tmp_path):
    folder = tmp_path / "home"
    (folder / "chunks").mkdir(parents=True)
    (folder / ".profile").write_text("mine")
    folder.chmod(0o2777)
    before = tree(folder)
    with pytest.raises(HubError) as raised:
        init(folder)
    assert str(raised.value) == (
        f"{folder} is not empty and no hub: nothing was changed. Name a new folder."
    )
    assert raised.value.status == 7
    assert (tree(folder), folder.stat().st_mode & 0o7777) == (before, 0o2777)
    assert (folder / "chunks").stat().st_mode & 0o7000 == 0
    (folder / ".profile").unlink()
    init(folder)  # chunks/ alone is what an interrupted init may leave
    assert (folder / "hub.ini").exists()


def test_init_makes_a_hub_beside_an_earlier_versions_folders(tmp_path, capsys):
    folder = tmp_path / "ArtifactSpy"
    for name in ("ImageBank/Batches", "Results/UserResults", "TrainingSets"):
        (folder / name).mkdir(parents=True)
    for name in ("log.txt", "already_sorted.txt", "Results/UserResults/a--1.csv"):
        (folder / name).write_text("theirs")
    (folder / "ImageBank").chmod(0o775)
    tops = [*folder.iterdir()]

    def theirs():
        paths = [path for top in tops for path in (top, *top.rglob("*"))]
        return {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in paths}

    before = theirs()
    init(folder)
    told = capsys.readouterr().out
    assert theirs() == before
    assert Hub(folder).rules.labelers == 3
    assert f"chgrp -R GROUP {folder} " not in told and f"chgrp -R GROUP {folder}/hub " in told
    assert f"Next: {folder}/hub import {folder}/ImageBank/Batches/batch--*.tar.gz " in told
    init(folder)
    assert theirs() == before
    assert f"chgrp -R GROUP {folder} " not in capsys.readouterr().out


def test_init_makes_a_deleted_hub_ini_anew_whatever_else_lies_there(hub):
    (hub / "hub.ini").rename(hub / "hub.ini.old")
    (hub / "labels.csv").write_text("")
    init(hub)
    assert "\nchunk_size = 50\n" in (hub / "hub.ini").read_text()


def test_init_of_a_hub_says_that_its_rights_are_mended(hub, tmp_path, capsys):
    init(hub)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        f"{hub} was a hub already; its rights are mended.",
        "",
        "How to let labelers in, with ordinary groups:",
    ]
    assert any("fs setacl -dir" in line for line in lines)
    assert not any("first add" in line or line.startswith("Next") for line in lines)
    init(tmp_path / "new")
    init(tmp_path / "new")
    assert capsys.readouterr().out.count("Next: ") == 2, "still nothing in it"


@pytest.fixture
def program(monkeypatch):
    """Make `init` believe that it runs from a Python and a clone that everyone may enter."""
    folder = Path(tempfile.mkdtemp(prefix="artifactspy-"))
    folder.chmod(0o755)
    (folder / "clone" / "cluster").mkdir(parents=True)
    for name in ("opt", "bin"):
        (folder / name).mkdir()
    (folder / "opt" / "python3.11").write_text("")
    (folder / "bin" / "python3").symlink_to("../opt/python3.11")
    for path in folder.rglob("*"):
        path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python3"))
    module = folder / "clone" / "cluster" / "hub.py"
    monkeypatch.setattr(sys.modules["cluster.init"], "__file__", str(module))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "modes, closed",
    [
        ({}, ""),
        ({"opt": 0o750, "opt/python3.11": 0o710, "clone": 0o750, "clone/cluster": 0o705}, ""),
        ({"opt": 0o700}, "run {}/opt/python3.11"),
        ({"opt/python3.11": 0o744}, "run {}/bin/python3"),
        ({"bin": 0o700}, "run {}/bin/python3"),
        ({"clone": 0o711}, "read {}/clone"),
        ({"clone/cluster": 0o700}, "read {}/clone/cluster"),
        ({"": 0o700}, "run {0}/bin/python3 or read {0}/clone"),
    ],
)
def test_init_warns_when_only_its_owner_can_run_the_hub(program, tmp_path, capsys, modes, closed):
    for name, mode in modes.items():
        (program / name).chmod(mode)
    hub = tmp_path / "hub"
    for python in (sys.executable, "/usr/bin/python3"):  # it is what the hub names that counts
        sys.executable = python
        assert init(hub) == 0
        warnings = [x for x in capsys.readouterr().out.splitlines() if x.startswith("Only you")]
        assert warnings == [
            f"Only you can {closed.format(program)}: run init again with a Python and a clone that "
            f"your group can read, for instance /usr/bin/python3 -m cluster init {hub}, after "
            f"deleting {hub}/hub."
        ] * bool(closed)


@pytest.mark.parametrize(
    "path, mode, told",
    [
        ("", 0o775, "clone"),
        ("cluster", 0o777, "clone/cluster"),
        ("cluster/hub.py", 0o664, "clone/cluster/hub.py"),
        ("disk.py", 0o646, "clone/disk.py"),
        ("..", 0o777, ""),
        ("..", 0o1777, None),
    ],
)
def test_init_and_check_warn_of_a_clone_that_others_can_change(program, tmp_path, path, mode, told):
    clone, hub = program / "clone", tmp_path / "hub"
    copy_clone(tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", clone, dirs_exist_ok=True)
    os.chown(program, 0, 54321)
    for place in (clone, *clone.rglob("*")):
        os.chown(place, 0, 54321)
        place.chmod(0o755)
    (clone / path).chmod(mode)
    sys.executable = os.path.realpath(sys.executable)
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-m", "cluster", "init", hub],
        cwd=clone,
        capture_output=True,
        text=True,
    )
    warned = f"Others than its owner can change {os.path.normpath(program / (told or ''))}, which"
    assert (warned in done.stdout) == (told is not None), done.stdout
    found = run(hub, "check")
    assert (found.returncode == 1) == (told is not None) == ("hub: others can" in found.stdout)


def test_on_afs_a_person_gets_all_rights_in_their_own_folder(hub, tmp_path, monkeypatch):
    """There a folder begins with the rights of the one above, in which others may write too."""
    fs = tmp_path / "bin" / "fs"
    fs.parent.mkdir()
    fs.write_text(f'#!/bin/sh\necho "$@" >"{tmp_path}/said"\n')
    fs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fs.parent}:{os.environ['PATH']}")
    folder = Hub(hub).person("alice")
    assert not (tmp_path / "said").exists(), "elsewhere nobody is asked"
    monkeypatch.setattr(os, "access", lambda *_: False)
    Hub(hub).person("alice")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert (tmp_path / "said").read_text() == f"setacl -dir {folder} -acl {me} rlidwk\n"


@pytest.mark.parametrize("script", ["", "python=\nclone='", "python=$HOME/x\nclone=/gone\n"])
def test_init_does_not_mind_what_its_owner_made_of_the_script(empty, script):
    (empty / "hub").write_text(script)
    assert init(empty) == 0
    assert (empty / "hub").read_text() == script


def test_the_script_works_by_any_path_and_says_when_the_clone_is_gone(hub, tmp_path):
    link = hub / "-odd dir"
    link.mkdir()
    for command, folder in (
        (["./hub"], hub),
        (["sh", "hub"], hub),
        (["../hub"], hub / "chunks"),
        (["the hub's/hub"], tmp_path),
        (["sh", "../hub"], link),
    ):
        environment = {**os.environ, "CDPATH": str(tmp_path), "PYTHONHOME": "/gone"}
        done = subprocess.run(
            [*command, "status"], cwd=folder, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("chunks   4: ")
    move_program(hub, "/no such place", "/no/python")
    done = run(hub, "next")
    assert done.returncode == 1
    assert done.stderr == (
        "You cannot run the hub's program (/no/python, /no such place): your labels are safe. "
        f"Tell the hub's owner to correct {hub}/hub.\n"
    )


def test_the_script_leaves_no_bytecode_in_the_clone(hub, tmp_path):
    clone = copy_clone(tmp_path / "clone")
    move_program(hub, clone, sys.executable)
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")}
    assert run(hub, "status", env=environment).returncode == 0
    assert not list(clone.rglob("*.pyc"))


def move_program(hub, clone, python):
    script = (hub / "hub").read_text()
    script = re.sub("^clone=.*", f"clone='{clone}'", script, flags=re.M)
    (hub / "hub").write_text(re.sub("^python=.*", f"python='{python}'", script, flags=re.M))
