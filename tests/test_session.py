"""Whole sessions, from the first picture to verified rows; and what is settled before them."""

import csv
import subprocess
import sys

import pytest
from conftest import ROOT, cluster, verified, wait_until
from test_window import ask_for_comment

import labels
import session

# Who labels what


def chosen(home, **options):
    return session.settings(home, **options)


def test_without_a_user_it_is_practice(tmp_path):
    found = chosen(tmp_path)
    assert found.practice and found.data == tmp_path / "practice-session"
    assert found.hub == str(tmp_path / "practice-session" / "hub") and found.realm == "none"


def test_a_user_alone_goes_to_the_hub_of_site_ini_and_is_remembered(tmp_path):
    found = chosen(tmp_path, user="rob")
    assert (found.user, found.realm, found.practice) == ("rob", "HEP.WISC.EDU", False)
    assert found.hub == "login04.hep.wisc.edu:/afs/hep.wisc.edu/bechtol-group/ArtifactSpy"
    assert found.remote and found.contact == "Rob Morgan, or #artifactspy on Slack"
    assert chosen(tmp_path) == found


def test_practice_does_not_forget_who_labels(tmp_path):
    chosen(tmp_path, user="rob")
    assert chosen(tmp_path, practice=0).practice
    assert not chosen(tmp_path).practice


def test_another_hub_brings_its_own_realm_and_user(tmp_path):
    found = chosen(tmp_path, hub="ann@login.example.org:/srv/hub")
    assert (found.user, found.realm) == ("ann", "EXAMPLE.ORG")
    assert chosen(tmp_path, realm="none").realm == "none"
    assert chosen(tmp_path).realm == "none"


def test_a_local_hub_takes_the_login_name(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGNAME", "eve")
    monkeypatch.chdir(tmp_path)
    found = chosen(tmp_path, hub="hub")
    assert (found.user, found.hub, found.remote) == ("eve", str(tmp_path / "hub"), False)


def test_a_setting_with_a_percent_sign_is_taken_as_it_is(tmp_path):
    assert chosen(tmp_path, hub="a@b.org:/x%y").hub == "a@b.org:/x%y"
    assert chosen(tmp_path).hub == "a@b.org:/x%y"


def test_a_broken_settings_file_is_one_sentence(tmp_path):
    (tmp_path / "settings.ini").write_text("no section\n")
    with pytest.raises(session.SessionError, match="settings file cannot be read"):
        chosen(tmp_path)


def test_sync_sh_reads_the_same_settings(tmp_path):
    found = chosen(tmp_path, hub="ann@login.example.org:/srv/hub")
    done = subprocess.run(
        [ROOT / "sync.sh", "status"],
        env={
            "PATH": "/usr/bin:/bin",
            "ARTIFACTSPY_DATA": str(tmp_path),
            "KRB5_CONFIG": "/dev/null",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.hub in done.stdout and f"{found.user}@{found.realm}" in done.stdout


# The Session without a window


def test_session_and_stamps_do_not_import_tk():
    script = "import sys, session; print('tkinter' in sys.modules, 'numpy' in sys.modules)"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False False"


# Whole sessions


def test_a_practice_session_from_the_first_picture_to_the_last_row(start):
    """20 labels by keyboard, two Backs, one Other with its comment typed in the terminal."""
    program = start().open_window("ArtifactSpy: practice")
    truth = {}
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            truth[row["OBJID"]] = row["LABEL"]
    expected = {}
    for number in range(22):
        if number in (5, 11):
            program.page_turns(lambda: program.screen.key("BackSpace"))
        if number == 8:
            objid = ask_for_comment(program)
            program.terminal.sendline("a clean point source, no host")
            wait_until(lambda o=objid: program.rows()[-1].objid == o)
            row = program.rows()[-1]
            assert row.comment == "a clean point source, no host"
        else:
            row = program.label("1234567"[number % 7])
        expected[row.objid] = row.action
    assert len(expected) == 20 and set(expected) <= set(truth)
    assert program.close() == 0
    folder = program.data / "practice-session"
    assert verified(folder / "hub") == expected
    assert not list((folder / "labels" / "open").iterdir())
    assert not list((folder / "labels" / "waiting").iterdir())
    assert not list(program.data.glob("labels/*/*"))


def test_practice_begins_afresh_each_time(start):
    for _ in range(2):
        program = start().open_window("ArtifactSpy: practice")
        program.label("6")
        assert program.close() == 0
        hub = program.data / "practice-session" / "hub"
        assert len(verified(hub)) == 1


def test_practice_on_fresh_stamps(start):
    program = start("--practice", "7").open_window("ArtifactSpy: practice")
    objids = {program.label("6").objid for _ in range(7)}
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        assert not objids & {row["OBJID"] for row in csv.DictReader(table)}
    assert program.close() == 0


def test_the_verdict_of_practice():
    subject = session.Session(chosen_for_test(), *[lambda *_: None] * 4)
    subject._truth = {"1": ("Good", "HINT")}
    for action, agrees in (("Good", True), ("Marginal", False), ("Unsure", None)):
        subject._answers["1"] = labels.row("1", action)
        found, sentence = subject.verdict("1")
        assert found is agrees and "1 was made as Good. HINT." in sentence
    assert subject.verdict("2") == (None, "")


def chosen_for_test():
    return session.Settings(ROOT, ROOT, "/hub", "ann", "none", "", True, 0)


@pytest.mark.parametrize(
    "name",
    [
        "des-public-01",
        "decam-public-01",
        "decam-public-02",
        "mixed-public-01",
        "ztf-public-01",
        "ztf-public-02",
    ],
)
def test_every_real_detection_is_shown_labelled_and_received(start, real, tmp_path, name):
    hub = tmp_path / "hub"
    table = real / f"{name}.csv"
    cluster("init", hub)
    cluster("add", hub, real / f"{name}.tar.gz", "--metadata", table, "--stamp", name)
    with table.open(newline="") as rows:
        objids = {row["OBJID"] for row in csv.DictReader(rows)}
    program = start("--hub", hub, "--user", "ann").open_window()
    for number in range(len(objids)):
        program.label("1234567"[number % 7])
    assert program.close() == 0
    rows = verified(hub)
    assert set(rows) == objids and "Skipped" not in rows.values()
    assert not list((program.data / "chunks").iterdir())
