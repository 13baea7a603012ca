"""Who labels what: options, settings, site.ini."""

import subprocess

import pytest
from conftest import ROOT, fill

from session import settings


def chosen(home, **options):
    """Choose for a hub that answers: then it is remembered."""
    found = settings.choose(home, **options)
    if found.given:
        settings.remember(home, **found.given)
    return found._replace(given={})


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


def test_nothing_is_remembered_before_the_hub_has_answered(tmp_path):
    found = settings.choose(tmp_path, hub="ann@login.example.org:/srv/hub")
    assert found.given == {"hub": "ann@login.example.org:/srv/hub", "realm": "EXAMPLE.ORG"}
    assert settings.choose(tmp_path).practice and not list(tmp_path.iterdir())


def test_what_is_remembered_already_is_not_written_again(small_disk):
    chosen(small_disk, hub="ann@nas:/hub", user="ann")
    fill(small_disk)
    assert not settings.choose(small_disk, hub="ann@nas:/hub", user="ann").given


def test_a_hub_alone_needs_somebody_who_labels(tmp_path):
    with pytest.raises(settings.SessionError, match="Nobody is set to label for nas:/hub"):
        settings.choose(tmp_path, hub="nas:/hub")


@pytest.mark.parametrize(
    "hub, kept, realm",
    [
        ("ann@[::1]:/hub", "ann@[::1]:/hub", "none"),
        ("ann@[fe80::1%eth0]:hub", "ann@[fe80::1%eth0]:hub", "none"),
        ("[2001:db8::192.0.2.1]:/hub", "[2001:db8::192.0.2.1]:/hub", "none"),
        ("ann@192.0.2.1:/hub", "ann@192.0.2.1:/hub", "none"),
        ("ann@my_hub:/hub", "ann@my_hub:/hub", "none"),
        ("_hub:/hub", "_hub:/hub", "none"),
        ("ssh://ann@login.example.org/srv/hub", "ann@login.example.org:/srv/hub", "EXAMPLE.ORG"),
        ("ssh://ann@[::1]/srv/hub", "ann@[::1]:/srv/hub", "none"),
    ],
)
def test_hubs_as_people_name_them(tmp_path, hub, kept, realm):
    found = chosen(tmp_path, hub=hub, user="ann")
    assert (found.hub, found.user, found.realm, found.remote) == (kept, "ann", realm, True)
    assert chosen(tmp_path) == found
    done = subprocess.run(
        [ROOT / "sync.sh", "status"],
        env={
            "PATH": "/usr/bin:/bin",
            "KRB5_CONFIG": "/dev/null",
            "ARTIFACTSPY_HUB": hub,
            "ARTIFACTSPY_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("ticket" in done.stdout) == (realm != "none")


@pytest.mark.parametrize(
    "hub, sentence",
    [
        ("ssh://nas", "is no hub: it is .user@.host:folder"),
        ("ssh://nas:2222/hub", "names a port"),
        ("ssh://[::1]:2222/hub", "names a port"),
        ("nas:2222:/hub", "names a port"),
        ("sftp://nas/hub", "is no hub"),
        ("https://nas/hub", "is no hub"),
        ("::1:/hub", "is no hub"),
        ("[::1]/hub", "an IPv6 host stands in brackets"),
        ("[-oProxyCommand=x]:/hub", "is no hub"),
        ("-oProxyCommand=x@nas:/hub", "is no hub"),
    ],
)
def test_what_is_no_hub_is_refused_with_the_right_form_and_not_remembered(tmp_path, hub, sentence):
    with pytest.raises(settings.SessionError, match=sentence):
        settings.choose(tmp_path, hub=hub, user="ann")
    assert not list(tmp_path.iterdir())
    done = subprocess.run(
        [ROOT / "sync.sh", "fetch"],
        env={
            "PATH": "/usr/bin:/bin",
            "ARTIFACTSPY_HUB": hub,
            "ARTIFACTSPY_USER": "ann",
            "ARTIFACTSPY_REALM": "none",
            "ARTIFACTSPY_DATA": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (2, 4) and len(done.stderr.splitlines()) == 1


def test_an_account_that_a_directory_names_logs_in_under_its_own_name(tmp_path):
    found = chosen(tmp_path, hub="alice@example.org@nas:/hub", user="alice")
    assert (found.user, found.hub) == ("alice", "alice@example.org@nas:/hub")
    with pytest.raises(settings.SessionError, match="Name yourself so with --user"):
        chosen(tmp_path / "other", hub="alice@example.org@nas:/hub")


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
        settings.remember(small_disk, user="ann")


def test_the_site_offers_comments_and_a_person_may_have_others(tmp_path):
    shipped = "satellite trail", "cosmic ray", "PSF ring", "edge or mask", "no host"
    assert chosen(tmp_path).comments == chosen(tmp_path, user="rob").comments == shipped
    settings.remember(tmp_path, comments=" two  stars;;17; a ring\n;")
    assert chosen(tmp_path).comments == ("two stars", "a ring")  # a number is none
    settings.remember(tmp_path, comments="x" * 2001)
    with pytest.raises(settings.SessionError, match="A comment in site.ini or settings.ini is too"):
        settings.choose(tmp_path)
