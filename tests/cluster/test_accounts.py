"""Several real accounts on one hub: none can spoil or speak for another's work."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import hashlib
import os
import pwd
import shutil
import subprocess
import time
from collections import Counter

import pytest
from hubs import (
    FIRST,
    SECOND,
    answer,
    by,
    claims_by_chunk,
    laptop,
    put,
    row,
    run,
    shared,
    sync,
    tarball,
    tree,
    upload,
)

import labelfile
from cluster import claims
from cluster.hub import Hub


def test_labelers_with_accounts_of_their_own_get_and_send(shared):
    for account in ("daemon", "nobody"):
        assert answer(run(shared, "next", **by(account)))[1] == FIRST
        rows = [row(objid) for objid in Hub(shared).objids(FIRST)]
        done = run(shared, "receive", *put(shared, account, rows), **by(account))
        assert answer(done)[2:] == ["2", "0"], done.stderr
        assert answer(run(shared, "next", **by(account)))[1] == SECOND
    assert run(shared, "collect").stdout.startswith("4 labels by 2 people on 2 detections")
    assert run(shared, "status", **by("nobody")).returncode == 0
    done = run(shared, "collect", **by("nobody"))
    assert done.returncode == 7 and "Only root" in done.stderr
    assert run(shared, "add", "/x", **by("nobody")).returncode == 7


def test_nobody_can_speak_for_another(shared):
    done = run(shared, "next", "--as", "daemon", **by("nobody"))
    assert done.returncode == 7
    assert "This hub knows you as nobody, not daemon: start with --user nobody." in done.stderr
    assert run(shared, "next", "--as", "nobody", **by("nobody")).returncode == 0
    one = Hub(shared).objids(FIRST)[0]
    file, sha256 = put(shared, "nobody", [row(one)], user="daemon")
    done = run(shared, "receive", file, sha256, **by("nobody"))
    assert done.returncode == 7 and "start with --user nobody" in done.stderr
    run(shared, "next", **by("daemon"))
    done = run(shared, "receive", file, sha256, **by("daemon"))
    assert done.returncode == 7 and "belongs to nobody" in done.stderr
    assert os.listdir(shared / "verified") == []


def test_a_folder_in_anothers_name_is_refused(shared):
    subprocess.run(["mkdir", shared / "people" / "daemon"], check=True, **by("nobody"))
    done = run(shared, "next", **by("daemon"))
    assert done.returncode == 7 and "belongs to nobody" in done.stderr
    (shared / "people" / "bin").symlink_to("/tmp")
    os.lchown(shared / "people" / "bin", pwd.getpwnam("bin").pw_uid, -1)
    assert run(shared, "next", **by("bin")).returncode == 7


def test_nobody_can_remove_or_change_what_is_not_theirs(shared):
    run(shared, "next", **by("daemon"))
    one = Hub(shared).objids(FIRST)[0]
    file, sha256 = put(shared, "daemon", [row(one)])
    assert run(shared, "receive", file, sha256, **by("daemon")).returncode == 0
    before = tree(shared)
    for attempt in (
        "rm -f incoming/daemon* verified/daemon* claims/*/1 people/daemon/* chunks.csv",
        "mv verified/daemon* verified/mine",
        "echo x > hub.ini",
        "echo x >> claims/*/1",
        "touch people/daemon/x chunks/x metadata/x expert/x x",
        "ls expert",
    ):
        done = subprocess.run(
            ["sh", "-c", f"cd '{shared}' && {attempt}"], capture_output=True, **by("nobody")
        )
        assert done.returncode != 0, attempt
    assert tree(shared) == before


def test_collect_believes_only_files_that_their_person_or_the_owner_wrote(shared):
    assert run(shared, "next", **by("daemon")).returncode == 0
    line = ",".join([*row(Hub(shared).objids(FIRST)[0]), "USER"])
    written = (("daemon", "daemon"), ("root", "bob"), ("nobody", "daemon"))
    for second, (account, user) in enumerate(written):
        path = shared / "verified" / f"{user}--2026-01-02_03-04-0{second}.csv"
        path.write_text(
            ",".join([*labelfile.COLUMNS, "USER"]) + f"\n{line.replace('USER', user)}\n"
        )
        shutil.chown(path, account)
    done = run(shared, "collect")
    assert done.stdout.startswith("2 labels by 2 people")
    assert f"{path} was written by nobody: it does not count" in done.stderr


def test_people_whose_earlier_tables_were_imported_are_not_locked_out(shared):
    table = shared.parent / "daemon--2019-09-11.csv"
    lines = [f"0,{objid},Good,,09/11/19 13:24:05,drop" for objid in Hub(shared).objids(FIRST)]
    header = ",OBJID,ACTION,COMMENT,TIME,METADATA_STAMP"
    table.write_text("\n".join((header, *lines, "")))
    done = run(shared, "import", table)
    assert (done.returncode, done.stderr) == (0, "")
    assert "daemon: 2 rows of" in done.stdout and "has finished: 1." in done.stdout
    assert answer(run(shared, "next", **by("daemon")))[1] == SECOND, "the first is finished"
    assert answer(run(shared, "next", **by("nobody")))[1] == FIRST
    rows = [row(objid, "Marginal") for objid in Hub(shared).objids(FIRST)]
    done = run(shared, "receive", *put(shared, "daemon", rows), **by("daemon"))
    assert answer(done)[2:] == ["2", "0"], "another opinion is taken all the same"
    done = run(shared, "import", table, **by("daemon"))
    assert done.returncode == 7 and "can take over earlier tables" in done.stderr


def test_twelve_askers_of_three_real_accounts_at_once(shared):
    accounts = ["daemon", "nobody", "bin", "sys"] * 3
    children = [
        subprocess.Popen([shared / "hub", "next"], stdout=subprocess.PIPE, **by(account))
        for account in accounts
    ]
    told = [child.communicate()[0].decode() for child in children]
    assert all("artifactspy-1 chunk" in text for text in told)
    claims = claims_by_chunk(shared)
    assert Counter(name for names in claims.values() for name in names) == dict.fromkeys(
        accounts, 1
    )
    assert len(claims[FIRST]) == 3 and len(claims[SECOND]) == 1


@pytest.mark.parametrize(
    "change, status, words",
    [
        ({"user": 54322}, 7, "under the name 'uid 54322'"),
        # 126: not allowed to look at all
        ({"extra_groups": []}, 126, "Permission denied"),
    ],
)
def test_an_account_the_hub_cannot_serve_is_told(shared, change, status, words):
    command = ["sh", "-c", '"$0" next', shared / "hub"]
    change = {**by("nobody"), **change}
    done = subprocess.run(command, capture_output=True, text=True, **change)
    assert done.returncode == status and words in done.stderr


# ---- what one member plants in another's way ----


def plant(account, *commands, cwd):
    for command in commands:
        subprocess.run(["sh", "-c", command], check=True, **{**by(account), "cwd": cwd})


def test_links_in_the_way_of_an_upload_make_it_overwrite_nothing(shared):
    """An upload went to incoming/.FILE.part, where a link could point at anything of its sender."""
    assert run(shared, "next", **by("daemon")).returncode == 0
    rows = [row(objid) for objid in Hub(shared).objids(FIRST)]
    data, file = laptop(shared, "daemon", rows)
    sum8 = hashlib.sha256((data / "labels" / "waiting" / file).read_bytes()).hexdigest()[:8]
    victim = data / ".profile"
    victim.write_text("mine")
    shutil.chown(victim, "daemon")
    names = (f".{file}.part", f".{file}.{sum8}.part", f".{file}.x.part")
    plant("nobody", *(f"ln -s '{victim}' {name}" for name in names), cwd=shared / "incoming")
    done = sync(shared, "daemon", data, "upload")
    assert done.stdout == "The hub has taken in 2 labels.\n", done.stderr
    assert victim.read_text() == "mine"
    assert os.listdir(data / "labels" / "sent") == [file]


@pytest.mark.parametrize("folders", [{"verified"}, {"rejected"}, {"verified", "incoming"}])
def test_files_in_anothers_name_stop_no_upload(shared, folders):
    assert run(shared, "next", **by("daemon")).returncode == 0
    data, file = laptop(shared, "daemon", [row(Hub(shared).objids(FIRST)[0])])
    for folder, command in (
        ("verified", f"echo OBJID > {file}; chmod 644 {file}"),
        ("rejected", f"ln -s /etc/passwd {file}"),
        ("incoming", f"mkdir {file}"),
    ):
        if folder in folders:
            plant("nobody", command, cwd=shared / folder)
    done = sync(shared, "daemon", data, "upload")
    assert done.stdout == "The hub has taken in 1 label.\n", done.stderr
    assert run(shared, "collect").stdout.startswith("1 label by 1 person")
    done = run(shared, "check")
    for folder in folders:
        assert f"{folder}/{file}: it " in done.stdout


def test_a_folder_in_anothers_name_gets_no_upload(shared):
    plant("nobody", "mkdir -m 777 daemon", cwd=shared / "people")
    data, file = laptop(shared, "daemon", [row("1")])
    done = sync(shared, "daemon", data, "upload")
    assert done.returncode == 7 and "belongs to nobody" in done.stderr
    assert os.listdir(data / "labels" / "waiting") == [file]
    assert not list((shared / "people" / "daemon").iterdir())


def test_the_experts_labels_never_lie_where_others_can_read_them(shared):
    assert run(shared, "next").returncode == 0
    data, file = laptop(shared, "root", [row(Hub(shared).objids(FIRST)[0])])
    watched = [shared / "incoming", shared / "people" / "root", shared / "verified"]
    before = [folder.stat().st_mtime_ns for folder in watched[::2]]
    sum8 = hashlib.sha256((data / "labels" / "waiting" / file).read_bytes()).hexdigest()[:8]
    done = run(shared, "receive", file, sum8 * 8)
    assert answer(done) == ["send", "expert"]
    done = sync(shared, "root", data, "upload")
    assert done.stdout == "The hub has taken in 1 label.\n", done.stderr
    assert [folder.stat().st_mtime_ns for folder in watched[::2]] == before
    assert not list(watched[1].glob(".*"))
    for folder in ("incoming", "verified"):
        assert os.listdir(shared / "expert" / folder) == [file]


def test_a_link_among_the_claims_opens_nothing_to_others(shared):
    """`add` and `init` gave the mode of claims to whatever had the name of a chunk's."""
    name = "chunk--00005--night"
    home = shared.parent / "home"
    home.mkdir(mode=0o700)
    for target in (shared / "expert", home):
        plant("nobody", f"ln -s '{target}' {name}", cwd=shared / "claims")
        source = tarball(shared.parent / "night.tar.gz", ["100", "101"])
        done = run(shared, "add", source, "--stamp", "night")
        assert done.returncode == 7 and f"claims/{name} is no folder of yours" in done.stderr
        assert target.stat().st_mode & 0o7777 == 0o700
        (shared / "claims" / name).unlink()
        (shared / "chunks" / f"{name}.tar.gz").unlink()  # which would be swept only now
    plant("nobody", f"mkdir {name}", cwd=shared / "claims")
    assert run(shared, "add", source, "--stamp", "night").returncode == 7
    assert run(shared, "add", source, "--stamp", "night").returncode == 0
    (shared / "claims" / name).rmdir()
    plant("nobody", f"ln -s ../expert {name}", cwd=shared / "claims")
    assert run(shared, "init").returncode == 7
    assert (shared / "expert").stat().st_mode & 0o7777 == 0o700
    assert f"claims/{name}: it is no folder" in run(shared, "check").stdout


def test_one_account_takes_one_place_whatever_it_writes(shared):
    long = "9" * 255
    plant(
        "nobody",
        f"touch 7 8 9 {long} 01 ٣",
        "mkdir 10; mkfifo 11; ln -s 1 12; ln -s /gone 13; touch 14; chmod 0 14",
        "touch -d 2099-01-01 15; echo nobody 2099-01-01T00:00:00Z > 16",
        "for slot in 1 2 3 4 5 6; do echo nobody 2099-01-01T00:00:00Z > $slot; done",
        "for slot in $(seq 20 320); do : > $slot; done",
        cwd=shared / "claims" / FIRST,
    )
    began = time.monotonic()
    for account, name in (("daemon", FIRST), ("bin", FIRST), ("sys", SECOND), ("nobody", FIRST)):
        done = run(shared, "next", **by(account))
        assert answer(done)[1] == name, account
    assert time.monotonic() - began < 20, "nobody waits for each slot to be written"
    found = run(shared, "check").stdout
    for slot, told in (
        (long, "it does not belong there"),
        (7, "nobody has this chunk twice"),
        (15, "it is from the future"),
        (16, "it is from the future"),
    ):
        assert f"claims/{FIRST}/{slot}: {told}" in found


def test_what_a_member_says_is_full_keeps_no_chunk_from_others(shared):
    assert run(shared, "next", **by("nobody")).returncode == 0
    version = (shared / "hub.ini").stat().st_mtime_ns
    names = [chunk.name for chunk in Hub(shared).chunks()]
    plant(
        "nobody",
        f"echo {version} 4 {names[-1]} > full; chmod 644 full",
        cwd=shared / "people" / "nobody",
    )
    assert answer(run(shared, "next", **by("daemon")))[1] == FIRST
    assert f"people/nobody/full: {FIRST} has room" in run(shared, "check").stdout


def test_who_is_not_of_the_group_sees_nothing_of_the_hub(shared):
    for attempt in ("ls .", "cat chunks.csv", "ls verified", "cat hub.ini", "./hub status"):
        command = ["sh", "-c", f"cd '{shared}' && {attempt}"]
        outside = {**by("nobody"), "extra_groups": []}
        assert subprocess.run(command, capture_output=True, **outside).returncode != 0


def test_rows_written_past_receive_are_verified_again(shared):
    """Whoever wrote into verified/ by hand could label what they were never given."""
    assert answer(run(shared, "next", **by("nobody")))[1] == FIRST
    given, other = (Hub(shared).objids(name)[0] for name in (FIRST, SECOND))
    lines = [",".join([*row(objid), "nobody"]) for objid in (given, other, "12345")]
    lines.append(",".join([*row(given, time="9999-12-31T23:59:59.9Z"), "nobody"]))
    file = "nobody--2026-01-02_03-04-05.csv"
    text = "\n".join([",".join([*labelfile.COLUMNS, "USER"]), *lines])
    plant("nobody", f"echo '{text}' > {file}", "chmod 644 *", cwd=shared / "verified")
    plant("nobody", "touch chunk--00099--x; chmod 700 .", cwd=shared / "people" / "nobody")
    done = run(shared, "collect")
    assert done.stdout.startswith("1 label by 1 person on 1 detection")
    assert "(3 rows in all)" in done.stderr
    assert f"verified/{file}: 3 rows are no labels of nobody" in run(shared, "check").stdout
    done = run(shared, "status", **by("daemon"))
    assert done.returncode == 0, done.stderr


def test_tables_that_are_too_large_stop_nobody(shared):
    plant(
        "nobody",
        "head -c 180000000 /dev/zero | tr '\\0' , > nobody--2026-01-02_03-04-05.csv",
        "chmod 644 *",
        cwd=shared / "verified",
    )
    for verb in ("status", "collect"):
        done = run(shared, verb)
        assert done.returncode == 0 and "larger than" in done.stderr
    assert "verified/nobody--2026-01-02_03-04-05.csv: " in run(shared, "check").stdout


def test_check_names_hidden_files_that_are_in_anothers_way(shared):
    assert run(shared, "next", **by("daemon")).returncode == 0
    file = "daemon--2026-01-02_03-04-05.csv"
    planted = [
        f"incoming/.{file}.part",
        f"claims/{FIRST}/.x",
        "people/.daemon",
        "verified/.\033[2J",
    ]
    for path in planted:
        folder, name = path.rsplit("/", 1)
        plant("nobody", f"ln -s /etc/passwd '{name}'", cwd=shared / folder)
    plant("daemon", f"touch '.{file}.1.part'", cwd=shared / "incoming")
    found = run(shared, "check").stdout.splitlines()
    assert len(found) == len(planted), found
    for path in planted:
        assert any(line.startswith(path.replace("\033", "\ufffd")) for line in found)
    assert all(line.isprintable() and "nobody made it" in line for line in found)


def test_no_control_character_of_a_name_reaches_the_terminal(shared):
    """A line break in a name forged a line of `check`, and an escape commanded the terminal."""
    name = "x\nAll is as it should be\033[2J"
    for folder in ("verified", "people", f"claims/{FIRST}", "incoming"):
        plant("nobody", f"touch '{name}'", cwd=shared / folder)
    plant("nobody", f"touch '{name}--2026-01-02_03-04-05.csv'", cwd=shared / "verified")
    for verb in ("check", "collect", "status"):
        done = run(shared, verb)
        assert "\033" not in done.stdout + done.stderr
        assert not any(line.startswith("All is") for line in done.stdout.splitlines())


# ---- account names as directory services make them ----


@pytest.fixture
def directory(shared):
    """Accounts of names that are no USER, the second of which is known by its short name too."""
    names = {54401: ["alice@example.org"], 54402: ["DOM\\bob.artifactspy"]}
    names[54402].append("bob.artifactspy")
    names[54403] = ["alice@department.of.example.org"]
    names[54404] = ["alice@department.of.example.com"]
    made = []
    try:
        for uid, several in names.items():
            for name in several:
                command = ["useradd", "--badname", "-M", "-N", "-o", "-u", str(uid), name]
                subprocess.run(command, check=True, capture_output=True)
                made.append(name)
        yield shared
    finally:
        for name in made:
            subprocess.run(["userdel", "-f", name], check=True, capture_output=True)


def test_account_names_of_directory_services_are_users_one_to_one(directory):
    """They could not label at all: a USER has neither @ nor a backslash."""
    hub, seen = directory, []
    for uid, user in (
        (54401, "alice_40example.org"),
        (54402, "bob.artifactspy"),
        (54403, "alice_40department.of.e_"),
        (54404, "alice_40department.of.e_"),
    ):
        account = {**by("nobody"), "user": uid}
        done = run(hub, "next", "--as", "alice", **account)
        assert done.returncode == 7
        known = done.stderr.split("--user ")[1].split(". Your")[0]
        assert (
            known.startswith(user) and f"This hub knows you as {known} (your account" in done.stderr
        )
        seen.append(known)
        for words in ((), ("--as", known), ("--as", pwd.getpwuid(uid).pw_name)):
            done = run(hub, "next", *words, **account)
            assert done.stdout.startswith(f"{known}: chunk--"), done.stderr
        objids = Hub(hub).objids(answer(done)[1])
        file, sha256 = upload(hub, [row(objid) for objid in objids], known)
        os.chown(hub / "incoming" / f".{file}.part", uid, -1)
        done = run(hub, "receive", file, sha256, **account)
        assert answer(done)[2:] == ["2", "0"], done.stderr
    assert len({*seen}) == 4
    assert run(hub, "collect").stdout.startswith("8 labels by 4 people")
    assert run(hub, "check").returncode == 0
    done = run(hub, "next", "--as", seen[0], **by("nobody"))
    assert done.returncode == 7 and "knows you as nobody, not" in done.stderr
