"""The hub's commands, killed between any two file operations: the next run goes on from there."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT, cluster, tarball, triplets
from hubs import row, upload

# Kills itself before the so-manieth operation that changes a file or a folder.
KILLED = """
import os, runpy, signal, sys
left = int(sys.argv.pop(1))
changing = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.utime"}

def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def hook(event, words):
    if event in changing or (event == "open" and words[2] & (os.O_WRONLY | os.O_RDWR)):
        count()

def counted(function):
    return lambda *words: (count(), function(*words))[1]

os.fsync = counted(os.fsync)
sys.addaudithook(hook)
sys.argv[0] = "cluster"
runpy.run_module("cluster", run_name="__main__", alter_sys=True)
"""


def killed(operations, *words):
    """Run a verb that is killed before an operation; tell whether it came to its end before."""
    command = [sys.executable, "-B", "-c", KILLED, str(operations), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done.stdout + done.stderr
    return done.returncode == 0


def state(hub):
    """Return what a hub holds, but for what begins with a dot and is swept later, and for slots.

    A slot that its writer was killed over is taken for that of the account that owns it, which is
    another's where the hub's owner speaks for somebody.
    """
    return sorted(
        str(path.relative_to(hub))
        for path in hub.rglob("*")
        if not re.search(r"(^|/)\.|^claims/.*/[0-9]+$", str(path.relative_to(hub)))
    )


@pytest.fixture
def prepared(tmp_path):
    """Make hubs, one for each kill, each with a chunk that ann has claimed."""

    def make(number):
        hub = tmp_path / f"hub{number}"
        cluster("init", hub)
        source = tarball(tmp_path / "drop.tar.gz", triplets(range(101, 107)))
        cluster("add", hub, source, "--stamp", "first")
        cluster("next", hub, "--as", "ann")
        return hub

    return make


def words_of(verb, hub, tmp_path):
    """Return the words of a verb on a hub that `prepared` made, after what it needs was done."""
    if verb == "add":
        return verb, hub, tarball(tmp_path / "more.tar.gz", triplets(range(201, 207)))
    if verb == "next":
        return verb, hub, "--as", "bob"
    upload(hub, [row(str(objid), stamp="first") for objid in range(101, 107)], "ann")
    file, sha256 = upload(hub, [row(str(objid), stamp="first") for objid in range(101, 107)], "ann")
    if verb != "receive":
        cluster("receive", hub, file, sha256, "--as", "ann")
        return verb, hub
    return verb, hub, file, sha256, "--as", "ann"


@pytest.mark.parametrize("verb", ["add", "next", "receive", "collect", "consensus", "export"])
def test_a_command_that_is_killed_anywhere_is_finished_by_the_next_run(
    prepared, tmp_path, verb, long
):
    step, operations, ended = 1 if long else 7, 0, False
    whole = prepared("whole")
    cluster(*words_of(verb, whole, tmp_path))
    while not ended:
        hub = prepared(operations)
        words = words_of(verb, hub, tmp_path)
        ended = killed(operations, *words)
        if verb == "receive" and not list(hub.glob("incoming/.*.part")):
            upload(hub, [row(str(objid), stamp="first") for objid in range(101, 107)], "ann")
        cluster(*words)
        told = cluster("check", hub)
        assert told.startswith("All is as it should be"), f"{verb}, {operations}: {told}"
        assert verb in ("add", "export") or state(hub) == state(whole), f"{verb}, {operations}"
        labels = json.dumps(sorted(path.read_text() for path in hub.glob("verified/*.csv")))
        assert verb != "receive" or labels.count("Good") == 6
        operations += step
    assert operations > step and os.path.isdir(whole)
