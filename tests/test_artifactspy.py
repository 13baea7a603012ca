"""One sitting from the options to the exit status, with a hub, a full disk, a crash."""

import os
import platform
import re
import signal
import subprocess
import sys
import time
import tkinter

import astropy
import numpy as np
import PIL
import pytest
from conftest import ROOT, cluster, fill, hold, tarball, triplets, verified, wait_until
from onscreen import ask_for_comment, pass_time

import artifactspy
from session.settings import stored
from session.sync import GRACE
from window.window import GUARD


def test_the_summary_tells_how_many_how_long_and_where(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    for key in "6661":
        program.label(key)
    assert program.close() == 0
    said = program.said()
    assert re.search(r"4 labels in \d+ s, \d+\.\d s on screen each:", said)
    assert "Good                             3" in said
    assert "Bad Subtraction                  1" in said
    (sent,) = (program.data / "labels" / "sent").glob("*.csv")
    assert f"They are in {sent}" in said and "The hub has taken in 4 labels." in said
    assert not list((program.data / "labels" / "open").iterdir())
    assert not list((program.data / "labels" / "waiting").iterdir())


def test_an_upload_that_fails_says_what_is_safe_and_the_next_start_sends_it(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label("6")
    away = hub.rename(hub.with_name("away"))
    assert program.close() == 1
    assert "The labels are safe in" in program.said()
    assert f"./sync.sh --data '{program.data}' upload" in program.said()
    away.rename(hub)
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: verified(hub) == {row.objid: "Good"})
    assert program.close() == 0
    assert not list((program.data / "labels" / "waiting").iterdir())


def test_kill_9_loses_no_label_and_sends_none_twice(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    rows = [program.label(key) for key in "166"]
    program.page_turns(lambda: program.screen.key("BackSpace"))
    rows[2] = program.label("5")
    os.kill(program.pid, signal.SIGKILL)
    program.end()
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: len(verified(hub)) == 3)
    rows.append(program.label("7"))
    assert rows[3].objid not in [row.objid for row in rows[:3]]
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}


def test_a_full_disk_keeps_the_picture_and_says_so(start, hub, small_disk):
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    first = program.label("6")
    filler = fill(small_disk)
    for _ in range(3):  # what the file's last block still holds
        if "not saved" not in program.said():
            count = len(program.rows())
            ask_for_comment(program)
            program.terminal.sendline("x" * 1900)
            wait_until(lambda n=count: len(program.rows()) > n or "not saved" in program.said())
    assert "not saved, the earlier ones are" in program.said()
    count = len(program.rows())
    filler.unlink()
    row = program.label("1")
    assert len(program.rows()) == count + 1 and row.action == "BadSubtraction"
    assert program.close() == 0
    assert verified(hub)[first.objid] == "Good" and verified(hub)[row.objid] == "BadSubtraction"


def test_a_second_instance_is_refused_with_one_sentence(start, hub):
    start("--hub", hub, "--user", "ann").open_window()
    second = start("--hub", hub, "--user", "ann")
    assert second.end() == 2
    assert second.said().strip().startswith("ArtifactSpy: A window is open on")
    assert len(second.said().strip().splitlines()) == 1


def test_a_finished_chunk_is_deleted_once_the_hub_has_its_labels(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    wait_until(lambda: len(list((program.data / "chunks").glob("*.tar.gz"))) == 1)
    for _ in range(12):
        program.label("6")
    program.screen.key("6")  # nothing left: it does nothing
    program.page_turns(lambda: program.screen.key("BackSpace"))  # but Back still works
    program.label("5")
    assert program.close() == 0
    assert len(verified(hub)) == 12 and "Marginal" in verified(hub).values()
    assert not list((program.data / "chunks").iterdir())


def test_the_next_chunk_is_fetched_before_this_one_ends(start, tmp_path):
    hub = tmp_path / "hub"
    cluster("init", hub)
    source = tarball(tmp_path / "drop.tar.gz", triplets(range(1, 61)))
    cluster("add", hub, source, "--stamp", "first")
    program = start("--hub", hub, "--user", "ann").open_window()
    chunks = program.data / "chunks"
    wait_until(lambda: len(list(chunks.glob("*.tar.gz"))) == 1)
    program.label("6")
    wait_until(lambda: len(list(chunks.glob("*.tar.gz"))) == 2)
    assert program.close() == 0


def test_two_windows_of_two_people_share_a_hub(start, hub, tmp_path):
    """One after the other: each labels all, and the hub has both."""
    for user in ("ann", "bob"):
        home = tmp_path / user
        home.mkdir()
        program = start("--hub", hub, "--user", user, home=home).open_window()
        assert program.label("6").objid
        assert program.close() == 0
    assert len(list(hub.glob("verified/*.csv"))) == 2


def test_a_terminal_that_is_stopped_does_not_stop_the_window(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.terminal.send("\x13")  # Ctrl+S
    pass_time(GUARD)
    program.screen.key("8")
    program.screen.key("Escape")
    assert program.label("5").action == "Marginal"
    program.terminal.send("\x11")
    assert program.close() == 0


def test_what_is_gathered_is_its_owners_alone_whatever_the_umask(start, hub):
    """With a umask of 000 everyone could write the settings, which name the hub."""
    before = os.umask(0)
    try:
        program = start("--hub", hub, "--user", "ann").open_window()
    finally:
        os.umask(before)
    program.screen.key("p")
    wait_until(lambda: "Picture: " in program.said())
    program.label("6")
    assert program.close() == 0
    chunks = program.data / "chunks"  # what is in it is made by sync.sh
    there = [path for path in program.data.rglob("*") if path.parent != chunks]
    names = {path.name for path in there}
    assert {"settings.ini", "artifactspy.log", "lock", "pictures", "open", "sent"} <= names
    assert not [path for path in (program.data, *there) if path.stat().st_mode & 0o077]


def test_who_does_not_own_the_hub_is_no_expert_and_it_says_so_before_the_window_opens(start, hub):
    program = start("--hub", hub, "--user", "ann", "--expert")
    assert program.end() == 2
    assert "who owns this hub, can label as its expert: start without --expert" in program.said()
    assert "Traceback" not in program.said()


@pytest.mark.parametrize("typed", ["half a comm", "666", "rm -rf data\n"])
def test_what_was_typed_for_the_window_never_reaches_the_shell(start, hub, typed):
    """Half a comment became the beginning of the next command."""
    asked, go = hold(hub)
    shell = 'echo "ended: $?"; read -r rest; echo "left: [$rest]"'
    program = start("--hub", hub, "--user", "ann", then=shell).open_window()
    program.label("1")
    ask_for_comment(program)
    program.terminal.send("the beginning of")
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    program.terminal.send(typed)
    go.touch()
    program.terminal.expect("ended: 0")
    program.terminal.sendline("")
    program.end()
    assert "left: []" in program.said()


def run(*words, env=None):
    command = [sys.executable, ROOT / "artifactspy.py", *map(str, words)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_help_and_version_answer():
    assert "--hub" in run("--help").stdout and run("--help").returncode == 0
    assert artifactspy.VERSION in run("--version").stdout


def test_the_version_tells_what_whoever_helps_asks_first_and_nothing_of_a_person(tmp_path):
    env = {**os.environ, "HOME": str(tmp_path), "USER": "an-astronomer"}
    done = run("--version", "--user", "an-astronomer", "--hub", "a-host:/hub", env=env)
    program, packages, system = done.stdout.splitlines()
    assert re.fullmatch(rf"ArtifactSpy {artifactspy.VERSION}( \(.+\))?", program)
    python = sys.version.split()[0]
    tk = rf"Tk {tkinter.TkVersion}\.\d+"
    others = f"numpy {np.__version__}, astropy {astropy.__version__}, Pillow {PIL.__version__}"
    assert re.fullmatch(rf"Python {python}( \(.venv\)| \(conda\))?, {tk}, {others}", packages)
    assert system.startswith(platform.system().replace("Darwin", "macOS"))
    for private in (str(tmp_path), str(ROOT), "an-astronomer", "a-host", platform.node()):
        assert private not in done.stdout
    assert done.returncode == 0 and not list(tmp_path.iterdir())


def test_the_program_its_citation_and_its_changes_tell_one_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", citation, re.M) == [artifactspy.VERSION]
    latest, *earlier = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    if latest == "Unreleased":  # what comes next, above the version that was released last
        latest = earlier[0] if earlier else ""
    released = re.findall(r"^date-released: (.+)$", citation, re.M)
    wanted = f"{artifactspy.VERSION}, {released[0]}" if released else ""
    assert latest == wanted, (
        "a version has its section in CHANGELOG.md and its date in CITATION.cff"
    )


def test_who_writes_an_issue_is_asked_for_the_versions():
    templates = [*(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md")]
    assert templates
    for template in templates:
        assert "./ArtifactSpy --version" in template.read_text()
        assert "./sync.sh status" in template.read_text()


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--user", "a--b"], "is no user name"),
        (["--hub", "host:/a folder", "--user", "ann"], "letters, digits and"),
        (["--hub=-oProxyCommand=x:/a", "--user", "ann"], "is no hub"),
        (["--hub", "host:/a", "--user", "ann", "--realm", "a b"], "is no Kerberos realm"),
        (["--data", "/proc/nowhere"], "Nothing can be written"),
        (["--hub", "/nowhere", "--user", "ann"], "There is no hub in /nowhere"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_2(tmp_path, options, sentence):
    done = run("--data", tmp_path, *options)
    assert done.returncode == 2 and sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_start_that_fails_leaves_nothing(tmp_path):
    data = tmp_path / "new" / "data"
    for options in ([], ["--hub", "/nowhere", "--user", "ann"], ["--user", "a--b"]):
        assert run("--data", data, *options, env={"PATH": os.environ["PATH"]}).returncode == 2
        assert not list(tmp_path.iterdir())


def test_a_hub_that_never_answered_is_not_remembered_and_one_that_did_is(start, hub):
    script = hub / "hub"
    script.rename(hub / "real-hub")
    script.write_text("#!/bin/sh\necho 'Not today.' >&2\nexit 7\n")
    script.chmod(0o755)
    program = start("--hub", hub, "--user", "ann").open_window(picture=False)
    assert program.close() == 0
    assert f"is not remembered: --hub {hub} --user ann" in " ".join(program.said().split())
    assert "hub" not in stored(program.data / "settings.ini")
    (hub / "real-hub").rename(script)
    program = start("--hub", hub, "--user", "ann").open_window()
    assert program.close() == 0
    assert stored(program.data / "settings.ini")["hub"] == str(hub)
    program = start().open_window()
    assert program.close() == 0


def test_a_full_disk_refuses_no_start_with_an_unchanged_hub(start, hub, small_disk):
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    assert program.close() == 0
    fill(small_disk)
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    assert program.close() == 0


def test_the_window_goes_though_its_upload_hangs(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("6")
    asked, _ = hold(hub)
    script = hub / "hub"
    script.write_text(script.read_text().replace("while [", "kill -STOP $$; while ["))
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    pass_time(1.1)  # less may be the second half of a double click
    began = time.monotonic()
    program.screen.close_window(program.window)
    assert program.end() == 1
    assert time.monotonic() - began < GRACE + 5
    assert list((program.data / "labels" / "waiting").iterdir())


def test_no_display_is_one_sentence_and_exit_2(tmp_path):
    done = run("--data", tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert done.returncode == 2 and "There is no screen" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
