"""Who labels what: options, settings, site.ini."""

import subprocess

import pytest
from conftest import ROOT, fill

from session import settings


def chosen(home, **options):
    return settings.choose(home, **options)


def make_hub(folder):
    folder.mkdir()
    (folder / "hub").touch()


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
    with pytest.raises(settings.SessionError, match="There is no hub in"):
        chosen(tmp_path, hub="hub")
    assert chosen(tmp_path).practice  # and it was not remembered
    make_hub(tmp_path / "hub")
    found = chosen(tmp_path, hub="hub")
    assert (found.user, found.hub, found.remote) == ("eve", str(tmp_path / "hub"), False)


def test_a_host_without_a_domain_has_no_realm_and_the_same_host_keeps_its_own(tmp_path):
    assert chosen(tmp_path, hub="ann@nas:/hub").realm == "none"
    assert chosen(tmp_path, realm="B.EDU").realm == "B.EDU"
    assert chosen(tmp_path, hub="ann@nas:/hub").realm == "B.EDU"


def test_a_setting_with_a_percent_sign_is_taken_as_it_is(tmp_path):
    assert chosen(tmp_path, hub="a@b.org:/x%y").hub == "a@b.org:/x%y"
    assert chosen(tmp_path).hub == "a@b.org:/x%y"


def test_a_broken_settings_file_is_one_sentence(tmp_path):
    (tmp_path / "settings.ini").write_text("no section\n")
    with pytest.raises(settings.SessionError, match="settings file cannot be read"):
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


def test_a_data_folder_is_not_passed_on_to_another_hub_or_user_with_labels_in_it(tmp_path):
    for name in ("one", "two"):
        make_hub(tmp_path / name)
    chosen(tmp_path, hub=str(tmp_path / "one"), user="ann")
    (tmp_path / "labels" / "waiting").mkdir(parents=True)
    waiting = tmp_path / "labels" / "waiting" / "ann--2026-11-22_13-08-00.csv"
    waiting.write_text("")
    for options in ({"hub": str(tmp_path / "two")}, {"user": "bob"}):
        with pytest.raises(
            settings.SessionError, match="still holds stamps or unsent labels of ann"
        ):
            chosen(tmp_path, **options)
        assert chosen(tmp_path).user == "ann"
    assert chosen(tmp_path, hub=str(tmp_path / "one"), user="ann").user == "ann"
    waiting.unlink()
    assert chosen(tmp_path, user="bob").user == "bob"


def test_settings_that_cannot_be_kept_are_one_sentence(small_disk):
    fill(small_disk)
    with pytest.raises(settings.SessionError, match="cannot be kept"):
        chosen(small_disk, user="ann")
