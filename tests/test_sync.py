"""`sync.sh` by hand, on a local hub: all can be repeated, and every failure is a sentence."""

import contextlib
import gzip
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT, busybox_tools, cluster, fill, tarball, triplets, verified, wait_until

import labelfile
from session.sync import GRACE, tidy


@pytest.fixture(params=["dash", "busybox sh"])  # and bash in test_realm.py
def sync(request, tmp_path, hub):
    """Call sync.sh as a person does who labels as ann on the local hub."""
    path = os.environ["PATH"]
    if request.param == "busybox sh":
        path = f"{busybox_tools(tmp_path / 'tools')}:{path}"

    def call(*words, **env):
        environment = {
            "PATH": path,
            "HOME": str(tmp_path),
            "ARTIFACTSPY_DATA": str(tmp_path / "data"),
            "KRB5_CONFIG": os.devnull,
            **env,
        }
        return subprocess.run(
            [*request.param.split(), ROOT / "sync.sh", *words],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.ini").write_text(f"[artifactspy]\nhub = {hub}\nuser = ann\n")
    return call


def label_file(tmp_path, *rows, user="ann", second=0):
    """Put a settled label file into waiting/ and return its path."""
    folder = tmp_path / "data" / "labels" / "waiting"
    folder.mkdir(parents=True, exist_ok=True)
    file = labelfile.LabelFile(folder, user)
    for objid, action in rows:
        file.append(labelfile.row(objid, action, metadata_stamp="first"))
    file.close()
    return file.path


def chunks(tmp_path):
    return sorted(path.name for path in (tmp_path / "data" / "chunks").iterdir())


def one_sentence(done):
    (line,) = done.stderr.strip().splitlines()
    return line


def test_fetch_brings_a_chunk_and_then_nothing_is_left(sync, tmp_path):
    done = sync("fetch")
    assert done.returncode == 0 and done.stdout == "Fetched chunk--00001--first.\n"
    assert chunks(tmp_path) == ["chunk--00001--first.tar.gz"]
    done = sync("fetch")
    assert done.returncode == 3 and "Nothing is left" in one_sentence(done)


def test_a_chunk_that_got_lost_or_damaged_is_fetched_again(sync, tmp_path):
    sync("fetch")
    (path,) = (tmp_path / "data" / "chunks").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert sync("fetch").returncode == 0 and path.read_bytes() == whole
    path.unlink()
    assert sync("fetch").returncode == 0 and path.read_bytes() == whole


def test_a_chunk_that_changed_on_the_way_is_thrown_away_and_stays_ours(sync, tmp_path, hub):
    (path,) = (hub / "chunks").iterdir()
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-1] + b"x")
    done = sync("fetch")
    assert done.returncode == 6 and "arrived damaged" in one_sentence(done)
    assert chunks(tmp_path) == []
    path.write_bytes(whole)
    assert sync("fetch").returncode == 0
    assert len(list((hub / "claims").glob("*/*"))) == 1


def test_upload_sends_every_waiting_file_and_tells_how_many_labels(sync, tmp_path, hub):
    sync("fetch")
    paths = [label_file(tmp_path, ("101", "Good"), ("102", "Unsure"))]
    paths.append(label_file(tmp_path, ("103", "Marginal")))
    done = sync("upload")
    assert done.returncode == 0 and done.stdout == "The hub has taken in 3 labels.\n"
    assert verified(hub) == {"101": "Good", "102": "Unsure", "103": "Marginal"}
    sent = tmp_path / "data" / "labels" / "sent"
    assert sorted(p.name for p in sent.iterdir()) == sorted(p.name for p in paths)
    assert not any(path.exists() for path in paths)


def test_upload_passes_on_how_often_the_expert_agreed(sync, tmp_path, hub):
    sync("fetch")
    label_file(tmp_path, ("101", "Good"), ("102", "Unsure"))
    (hub / "agreement" / "ann").write_text("41 50\n")
    sentence = "The hub has taken in 2 labels. Agreement with the expert so far: 41 of 50.\n"
    assert sync("upload").stdout == sentence


def test_upload_passes_on_that_the_clock_is_wrong(sync, tmp_path, hub):
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    path.write_text(re.sub(r",2\d{3}-", ",2019-", path.read_text()))
    said = sync("upload").stdout
    assert re.fullmatch(
        r"The hub has taken in 1 label\. Your computer's clock stood at 2019-\d\d-\d\d when 1 "
        r"label was given: they count, as of when they arrived; set the clock right\.\n",
        said,
    )
    assert verified(hub) == {"101": "Good"}


def test_a_note_of_an_evil_hub_reaches_no_terminal_as_it_is(sync, tmp_path, hub):
    path = label_file(tmp_path, ("101", "Good"))
    (hub / "hub").write_text(
        f"#!/bin/sh\necho 'artifactspy-1 received {path.name} 1 0'\n"
        "printf 'artifactspy-note \\033[2J\\007%%s evil %01000d\\n' 1\n"
    )
    said = sync("upload").stdout
    assert said.startswith("The hub has taken in 1 label. [2J%s evil 000") and len(said) < 340
    assert said.rstrip("\n").isprintable()


def test_an_upload_whose_answer_was_lost_counts_once(sync, tmp_path, hub):
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    content = path.read_bytes()
    sync("upload")
    path.write_bytes(content)  # as if the answer never came
    assert sync("upload").returncode == 0
    assert verified(hub) == {"101": "Good"} and not path.exists()


def test_a_hub_of_before_takes_uploads_where_it_looks_for_them(sync, tmp_path, hub):
    """It knows of no other place than incoming/, and says nothing of where to send a file."""
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    (hub / "hub").rename(hub / "real-hub")
    (hub / "hub").write_text(
        f'#!/bin/sh\n[ "$1" != receive ] || [ ! -e "{hub}/people/ann/.$2"* ] || exit 1\n'
        f'said=$("{hub}/real-hub" "$@")\nstatus=$?\n'
        "printf '%s\\n' \"$said\" | grep -v '^artifactspy-1 send'\nexit $status\n"
    )
    (hub / "hub").chmod(0o755)
    assert sync("upload").stdout == "The hub has taken in 1 label.\n"
    assert verified(hub) == {"101": "Good"} and not path.exists()


@pytest.mark.parametrize("place", ["people/bob", "people/ann/../..", "people/ann x", "/tmp", "x"])
def test_where_an_evil_hub_wants_an_upload_is_no_place_of_its_choice(sync, tmp_path, hub, place):
    path = label_file(tmp_path, ("101", "Good"))
    (hub / "hub").write_text(
        f"#!/bin/sh\necho 'artifactspy-1 send {place}'\necho No. >&2\nexit 6\n"
    )
    assert sync("upload").returncode == 6  # which makes the folders
    before = {*tmp_path.rglob("*")}
    assert sync("upload").returncode == 6
    assert {*tmp_path.rglob("*")} == before and path.exists()
    assert not list(tmp_path.rglob(".*.part"))


def test_rows_that_the_hub_rejects_are_told_and_remembered(sync, tmp_path, hub):
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"), ("999", "Good"))
    done = sync("upload")
    assert done.returncode == 0 and "1 labels and set 1 rows aside" in done.stdout
    sent = tmp_path / "data" / "labels" / "sent"
    assert (sent / path.name).exists() and (sent / path.name).with_suffix(".rejected").exists()


def test_two_laptops_of_one_person_do_not_disturb_each_other(sync, tmp_path, hub):
    """Both copied to one name at the hub, and the first found the file of the second there."""
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    other = tmp_path / "other" / "labels" / "waiting"
    other.mkdir(parents=True)
    (other / path.name).write_text(path.read_text().replace("101,Good", "102,Other"))
    (hub / "hub").rename(hub / "real-hub")
    # the first laptop has copied its file, and meanwhile the second sends its own
    (hub / "hub").write_text(
        f'#!/bin/sh\nif [ "$1" = receive ] && mkdir "{tmp_path}/$3" 2>/dev/null; then :\n'
        f'elif [ "$1" = receive ] && [ ! -e "{tmp_path}/second" ]; then\n  : >"{tmp_path}/second"\n'
        f'  sh "{ROOT}/sync.sh" --data "{tmp_path}/other" upload >"{tmp_path}/told" 2>&1\nfi\n'
        f'exec "{hub}/real-hub" "$@"\n'
    )
    (hub / "hub").chmod(0o755)
    names = {"ARTIFACTSPY_HUB": str(hub), "ARTIFACTSPY_USER": "ann"}
    assert sync("upload", **names).stdout == "The hub has taken in 1 label.\n"
    assert (tmp_path / "told").read_text() == "The hub has taken in 1 label.\n"
    assert verified(hub) == {"101": "Good", "102": "Other"}


def test_labels_of_another_hub_are_not_swallowed(sync, tmp_path, hub):
    """They were moved to sent/ once, all rejected, and the hub that wanted them never asked."""
    path = label_file(tmp_path, ("901", "Good"), ("902", "Good"))
    for _ in range(2):
        done = sync("upload")
        assert done.returncode == 7 and "knows none of the detections" in one_sentence(done)
        assert path.exists() and not verified(hub)


@pytest.mark.parametrize("name", ["ann--2020-backup.csv", "ann--2026-11-22_13-08-00 (1).csv"])
def test_a_stray_file_does_not_keep_the_others_from_being_sent(sync, tmp_path, hub, name):
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    (path.parent / name).write_text("mine")
    done = sync("upload")
    assert done.returncode == 7 and name in one_sentence(done)
    assert not path.exists() and verified(hub) == {"101": "Good"}


def test_a_hub_that_is_not_there_is_code_4_and_the_labels_stay(sync, tmp_path, hub):
    path = label_file(tmp_path, ("101", "Good"))
    hub.rename(tmp_path / "away")
    for verb in ("fetch", "upload"):
        done = sync(verb)
        assert done.returncode == 4 and "is not there" in one_sentence(done)
    assert path.exists()


def test_a_folder_that_is_no_hub_is_code_7(sync, tmp_path, hub):
    label_file(tmp_path, ("101", "Good"))
    (hub / "hub").unlink()
    for verb in ("fetch", "upload"):
        done = sync(verb)
        assert done.returncode == 7 and "There is no hub in" in one_sentence(done)


def test_a_full_hub_keeps_the_labels_here(sync, tmp_path, small_disk):
    hub = small_disk / "hub"
    cluster("init", hub)
    path = label_file(tmp_path, ("101", "Good"))
    filler = fill(small_disk)
    done = sync("upload", ARTIFACTSPY_HUB=str(hub))
    assert done.returncode == 1 and "The labels are safe in" in one_sentence(done)
    assert path.exists()
    filler.unlink()


def test_a_hub_in_a_folder_with_blanks_and_quotes_works(sync, tmp_path):
    hub = tmp_path / 'it\'s a $HOME "hub"'
    cluster("init", hub)
    cluster("add", hub, tarball(tmp_path / "b.tar.gz", triplets([1, 2])), "--stamp", "odd")
    assert sync("fetch", ARTIFACTSPY_HUB=str(hub)).returncode == 0
    label_file(tmp_path, ("1", "Good"))
    assert sync("upload", ARTIFACTSPY_HUB=str(hub)).returncode == 0
    assert verified(hub) == {"1": "Good"}


def test_what_an_evil_hub_answers_never_becomes_a_path(sync, tmp_path, hub):
    script = hub / "hub"
    for name in ("../../../tmp/x", "-rf", "a b", "$(touch x)", "chunk/../x", ".hidden"):
        script.write_text(f"#!/bin/sh\necho 'artifactspy-1 chunk {name} {'0' * 64} 10'\n")
        done = sync("fetch")
        assert done.returncode in (6, 7), name
        assert chunks(tmp_path) == []
    assert not (tmp_path / "x").exists()


def test_what_a_hub_says_of_another_file_acknowledges_none(sync, tmp_path, hub):
    path = label_file(tmp_path, ("101", "Good"))
    other = path.name.replace("ann", "bob")
    (hub / "hub").write_text(f"#!/bin/sh\necho 'artifactspy-1 received {other} 1 0'\n")
    assert sync("upload").returncode != 0 and path.exists()
    assert not list((tmp_path / "data" / "labels" / "sent").iterdir())


@pytest.mark.parametrize(
    "rows",
    [
        *("total[$(touch${IFS}evil)] 0", "* 0", "1", "-1 0", "x y"),
        *("1 0 41", "1 0 x 50", "1 0 $(touch${IFS}evil) 50", "1 0 41 50 7"),
    ],
)
def test_what_an_evil_hub_answers_never_meets_arithmetic(sync, tmp_path, hub, rows):
    """bash, which is macOS' sh, runs commands inside the brackets of a number."""
    path = label_file(tmp_path, ("101", "Good"))
    answer = f"artifactspy-1 received {path.name} {rows}"
    (hub / "hub").write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    done = sync("upload")
    assert done.returncode == 7 and "makes no sense" in one_sentence(done)
    assert path.exists() and not list(tmp_path.rglob("evil"))


def test_a_chatty_login_shell_disturbs_nothing(sync, tmp_path, hub):
    script = hub / "hub"
    script.rename(hub / "real-hub")
    script.write_text(
        "#!/bin/sh\necho 'Welcome! artifactspy-1 nothing'\nprintf 'MOTD\\r\\n'\n"
        f"'{hub}/real-hub' \"$@\"\nstatus=$?\necho goodbye\nexit $status\n"
    )
    script.chmod(0o755)
    assert sync("fetch").returncode == 0
    assert chunks(tmp_path) == ["chunk--00001--first.tar.gz"]


def test_killed_at_any_moment_it_leaves_no_part(sync, tmp_path, hub):
    """The copy hangs on a pipe here, so that the kill comes in its middle."""
    (path,) = (hub / "chunks").iterdir()
    path.unlink()
    os.mkfifo(path)
    process = subprocess.Popen(
        ["sh", ROOT / "sync.sh", "fetch"],
        env={**os.environ, "ARTIFACTSPY_DATA": str(tmp_path / "data")},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder = tmp_path / "data" / "chunks"
    pipe = os.open(path, os.O_WRONLY)
    os.write(pipe, b"half a chunk")
    wait_until(lambda: folder.exists() and list(folder.glob(".*.part")))
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait() == 1
    os.close(pipe)
    assert not list(folder.iterdir())


def test_what_a_kill_9_left_goes_with_the_next_fetch(sync, tmp_path):
    folder = tmp_path / "data" / "chunks"
    folder.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder / f".chunk--00001--first.tar.gz.{gone.pid}.part").write_bytes(b"half")
    living = folder / f".chunk--00001--first.tar.gz.{os.getpid()}.part"
    living.write_bytes(b"half")
    assert sync("fetch").returncode == 0
    assert chunks(tmp_path) == [living.name, "chunk--00001--first.tar.gz"]


def test_status_tells_hub_chunks_and_labels(sync, tmp_path, hub):
    sync("fetch")
    label_file(tmp_path, ("101", "Good"))
    done = sync("status")
    assert done.returncode == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert lines["hub"] == str(hub) and lines["user"] == "ann"
    assert lines["stamps"] == "11 detections to label, in 1 chunks"
    assert lines["labels"].startswith("1 files waiting")
    system = os.uname()
    assert lines["system"] == f"{system.sysname} {system.release} {system.machine}"


def test_a_grep_that_takes_no_patterns_for_all_of_them_counts_all_the_same(sync, tmp_path):
    """An older BSD grep, and so an older Mac's: whoever had given no label had none to give."""
    sync("fetch")
    grep = tmp_path / "bin" / "grep"
    grep.parent.mkdir()
    grep.write_text(
        '#!/bin/sh\nfor word in "$@"; do\n  if [ "${before-}" = -f ] && [ ! -s "$word" ]; then\n'
        f'    echo 0\n    exit 1\n  fi\n  before=$word\ndone\nexec {shutil.which("grep")} "$@"\n'
    )
    grep.chmod(0o755)
    said = sync("status", PATH=f"{grep.parent}:{os.environ['PATH']}").stdout
    assert "12 detections to label" in said


def test_without_a_user_it_says_how_to_set_one(sync, tmp_path):
    (tmp_path / "data" / "settings.ini").write_text("[artifactspy]\nhub = host.example.org:/hub\n")
    done = sync("fetch")
    assert done.returncode == 2 and "--user NAME" in one_sentence(done)


def test_usage(sync):
    assert sync("--help").stdout.startswith("Usage: ./sync.sh [--data DIR] login | fetch")
    for words in ((), ("steal",), ("fetch", "upload"), ("--data",)):
        assert sync(*words).returncode == 2
    assert "'steal' is none of the verbs." in sync("steal").stderr


def test_another_data_folder_is_named_as_for_the_window(sync, tmp_path, hub):
    other = tmp_path / "with space" / "data"
    assert sync("--data", str(other), "fetch", ARTIFACTSPY_HUB=str(hub)).returncode == 0
    assert [path.name for path in (other / "chunks").iterdir()] == ["chunk--00001--first.tar.gz"]
    label_file(other.parent, ("101", "Good"))
    hub.rename(tmp_path / "away")
    done = sync("--data", str(other), "upload", ARTIFACTSPY_HUB=str(hub), ARTIFACTSPY_USER="ann")
    assert f"./sync.sh --data '{other}' upload" in one_sentence(done)


def test_it_works_through_a_symbolic_link(sync, tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "sync.sh")
    command = [tmp_path / "link", "status"]
    env = {**os.environ, "ARTIFACTSPY_HUB": "/nowhere", "ARTIFACTSPY_USER": "ann"}
    env["ARTIFACTSPY_DATA"] = str(tmp_path / "data")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "hub      /nowhere (there is no hub)" in done.stdout


def test_what_was_sent_is_not_replaced_by_other_labels_of_that_name(sync, tmp_path, hub):
    """Two laptops began in one second, or an earlier copy came back: 13 were given, 8 were here."""
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    assert sync("upload").returncode == 0
    other = label_file(tmp_path, ("102", "Good"))
    other.rename(path)
    assert sync("upload").returncode == 0
    sent = list((tmp_path / "data" / "labels" / "sent").glob("*.csv"))
    assert len(sent) == 2 and verified(hub) == {"101": "Good", "102": "Good"}


def test_the_realm_is_the_hosts_domain_in_capitals_unless_one_is_set(tmp_path):
    for name in ("sync.sh", "ticket.sh"):  # without a site.ini
        shutil.copy(ROOT / name, tmp_path)

    def ticket(host, realm=""):
        known = {"HUB": f"{host}:/hub", "USER": "ann", "REALM": realm}
        done = subprocess.run(
            ["sh", tmp_path / "sync.sh", "status"],
            env={
                **{"PATH": os.environ["PATH"], "KRB5_CONFIG": os.devnull},
                **{f"ARTIFACTSPY_{name}": value for name, value in known.items()},
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return [line for line in done.stdout.splitlines() if line.startswith("ticket")]

    (line,) = ticket("login.example.org")
    assert line.startswith("ticket   none for ann@EXAMPLE.ORG: ")
    (line,) = ticket("login.example.org", "Other.Org")
    assert line.startswith("ticket   none for ann@Other.Org: ")
    for host in ("login", "192.0.2.7", "[2001:db8::1]"):
        assert not ticket(host), "it is in no domain"


def test_status_lists_what_could_not_be_read(sync, tmp_path):
    waiting = tmp_path / "data" / "labels" / "waiting"
    waiting.mkdir(parents=True)
    names = [f"ann--2026-11-22_13-08-00{number}.torn" for number in ("-2", "")]
    for name in names:
        (waiting / name).write_text("7,Go")
    done = sync("status")
    assert done.returncode == 0
    # NAME-2.torn is the second of NAME.csv: there was said to be a NAME-2.csv
    assert done.stdout.splitlines()[-2:] == [
        f"unread   what could not be read of a label file is kept in {waiting / name}"
        for name in names
    ]


def test_status_counts_what_this_person_has_left(sync, tmp_path):
    sync("fetch")
    label_file(tmp_path, ("101", "Good"), user="bob")
    assert "12 detections to label" in sync("status").stdout


def test_a_chunk_that_unpacks_without_an_end_is_a_damaged_one_and_costs_no_time(sync, tmp_path):
    sync("fetch")
    (path,) = (tmp_path / "data" / "chunks").iterdir()
    whole = path.read_bytes()
    path.write_bytes(gzip.compress(gzip.decompress(whole)) + gzip.compress(bytes(64 << 20)) * 100)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert "12 detections to label" in sync("status").stdout
    assert sync("fetch").returncode == 0 and path.read_bytes() == whole
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5


def test_only_sync_sh_calls_kerberos_and_ssh():
    for path in (*ROOT.glob("*.py"), *ROOT.glob("cluster/*.py")):
        assert not re.search(r"""["'](kinit|klist|ssh|scp)["']""", path.read_text()), path


# A hub that is malicious or broken


def hub_says(hub, script):
    """Put another program in the place of the hub's own."""
    (hub / "hub").write_text(f"#!/bin/sh\n{script}\n")


@pytest.mark.parametrize(
    "answer",
    [
        *("chunk", "chunk a", f"chunk a {'0' * 64}", f"chunk a {'0' * 63}g 10", "chunk a 0 10"),
        f"chunk a {'0' * 64} ten",
        f"chunk a {'0' * 64} 010",
        f"chunk a {'0' * 64} 0",
        f"chunk a {'0' * 64} -1",
        f"chunk a {'0' * 64} {(64 << 20) + 1}",
        f"chunk a {'0' * 64} {10**30}",
        f"chunk a {'0' * 64} x[$(touch${{IFS}}evil)]",
        f"chunk a {'0' * 64} 10 10",
    ],
)
def test_a_chunk_without_a_name_a_sum_and_a_size_is_refused(sync, tmp_path, hub, answer):
    hub_says(hub, f"cat <<'END'\nartifactspy-1 {answer}\nEND")
    done = sync("fetch")
    assert done.returncode == 7 and "tell its owner" in one_sentence(done)
    assert not chunks(tmp_path) and not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("where", ["", ">&2"])
def test_a_hub_that_never_stops_talking_is_cut_off(sync, tmp_path, hub, where):
    hub_says(hub, f"exec yes {where}")
    done = sync("fetch", TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "Nothing is lost." in one_sentence(done) and len(done.stderr) < 1000


def test_no_more_of_a_chunk_is_read_than_was_announced(sync, tmp_path, hub):
    (path,) = hub.glob("chunks/*.tar.gz")
    announced = path.stat().st_size
    path.unlink()
    os.mkfifo(path)
    sent = []

    def feed():
        with open(path, "wb", buffering=0) as line, contextlib.suppress(BrokenPipeError):
            while len(sent) < 1000:
                sent.append(line.write(bytes(65536)))

    feeder = threading.Thread(target=feed)
    feeder.start()
    done = sync("fetch")
    feeder.join()
    assert done.returncode == 6 and "arrived damaged" in one_sentence(done)
    assert sum(sent) < announced + (1 << 20)
    assert not chunks(tmp_path)


def test_what_others_said_of_a_chunk_is_read_up_to_4_MiB(sync, tmp_path, hub):
    (path,) = hub.glob("chunks/*.tar.gz")
    name = path.name[: -len(".tar.gz")]
    hub_says(hub, f"echo artifactspy-1 chunk {name} {'0' * 64} 10")
    (hub / "expert" / "votes").mkdir(parents=True, exist_ok=True)
    with (hub / "expert" / "votes" / f"{name}.csv").open("wb") as votes:
        votes.write(b"OBJID,USER\n")
        votes.truncate(20 << 20)
    done = sync("fetch", ARTIFACTSPY_EXPERT="yes")
    assert done.returncode == 6, done.stderr
    (kept,) = (tmp_path / "data" / "chunks").iterdir()
    assert kept.stat().st_size < 5 << 20


EVIL = b"\033]0;evil\007\033[2J\r\x9b31m\xc2\x9b31m\xc2\xc2\x9b\x9b31m\x08\x7f"


def moves_terminal(text):
    """Tell whether there is a control character but the ends of lines, as bytes or as UTF-8."""
    text = text if isinstance(text, bytes) else text.encode()
    return re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(^|[\x00-\x7f])[\x80-\xbf]", text)


@pytest.fixture
def shell(tmp_path, hub):
    """Call sync.sh and return all it printed, as bytes."""

    def call(verb, shell="dash", **env):
        environment = {
            "PATH": os.environ["PATH"],
            "ARTIFACTSPY_DATA": str(tmp_path / "data"),
            "ARTIFACTSPY_HUB": str(hub),
            "ARTIFACTSPY_USER": "ann",
            **env,
        }
        command = [shell, ROOT / "sync.sh", verb]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        return done.stdout + done.stderr

    return call


@pytest.mark.parametrize("code", [1, 5, 7])
@pytest.mark.parametrize("program", ["dash", "bash"])
def test_nothing_that_a_hub_says_moves_the_terminal(shell, hub, desk, code, program):
    (hub / "words").write_bytes(b"It is " + EVIL.replace(b"\r", b"") + b" so.\n")
    hub_says(hub, f"cat {hub}/words >&2; exit {code}")
    said = shell("fetch", program)
    assert b"It is" in said and b" so." in said and not moves_terminal(said)
    subject = desk(hub)
    _, sentence = subject.sync.run(["sh", "-c", f"cat {hub}/words"], 5)
    assert sentence.isprintable() and sentence.endswith(" so.")


def test_no_name_moves_the_terminal(shell, tmp_path, hub):
    evil = EVIL.replace(b"/", b"").decode("utf-8", "surrogateescape")
    (hub / "words").write_bytes(b"artifactspy-1 chunk " + EVIL.replace(b"\r", b"") + b" 0 10\n")
    hub_says(hub, f"cat {hub}/words")
    assert not moves_terminal(shell("fetch"))
    waiting = tmp_path / "data" / "labels" / "waiting"
    (waiting / f"ann--{evil}.csv").write_text("x")
    (waiting / f"ann--{evil}.torn").write_text("x")
    for verb in ("upload", "status"):
        said = shell(verb)
        assert b"ann--" in said and not moves_terminal(said)


# What must be on disk, what must not stay


def test_what_a_kill_9_left_in_waiting_goes_with_the_next_upload(sync, tmp_path):
    sync("fetch")
    path = label_file(tmp_path, ("101", "Good"))
    gone = subprocess.Popen(["true"])
    gone.wait()
    stale = path.with_name(f".{path.name}.{gone.pid}.part")
    living = path.with_name(f".{path.name}.{os.getpid()}.part")
    for part in (stale, living):
        part.write_text("half")
    assert sync("upload").returncode == 0
    assert not stale.exists() and living.exists()


def test_what_is_gathered_is_nobody_elses(sync, tmp_path, hub):
    before = os.umask(0)
    try:
        assert sync("fetch").returncode == 0
    finally:
        os.umask(before)
    data = tmp_path / "data"
    folders = [data / "chunks", data / "labels" / "sent"]
    for path in (*folders, *folders[0].iterdir()):
        assert not path.stat().st_mode & 0o077, path


def test_asking_for_a_folder_that_is_not_there_makes_none(sync, tmp_path, hub):
    assert sync("--data", str(tmp_path / "new"), "status", ARTIFACTSPY_HUB=str(hub)).returncode == 0
    assert not (tmp_path / "new").exists()


# Sync: no call lasts for ever


@pytest.mark.parametrize(
    "hangs",
    [
        "trap '' TERM; while :; do sleep 0.1; done",
        "kill -STOP $$",
        "sh -c 'echo $$ >pid; kill -STOP $$'; echo on",
    ],
)
@pytest.mark.parametrize("how", ["stopped", "too long"])
def test_whatever_hangs_is_ended_in_seconds(desk, tmp_path, hangs, how):
    subject = desk()
    if how == "stopped":
        threading.Timer(0.3, subject.sync.stop).start()
    began = time.monotonic()
    command = f"cd {tmp_path}; echo $$ >pid; {hangs}"
    status, said = subject.sync.run(["sh", "-c", command], 60 if how == "stopped" else 0.3)
    assert status == 1 and "nothing is lost" in said
    assert time.monotonic() - began < GRACE + 3
    pid = (tmp_path / "pid").read_text().strip()
    state = Path(f"/proc/{pid}/stat")
    wait_until(lambda: not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_process_that_somebody_left_behind_is_not_waited_for(desk):
    began = time.monotonic()
    assert desk().sync.run(["sh", "-c", "setsid sleep 20 & echo done"], 60) == (0, "done")
    assert time.monotonic() - began < 10


def test_of_endless_words_the_last_are_kept(desk):
    status, said = desk().sync.run(["sh", "-c", "yes | head -c 50000000; echo; echo end"], 60)
    assert (status, said) == (0, "end")
    assert len(desk().sync.run(["sh", "-c", "yes | tr -d '\\n' | head -c 9999"], 60)[1]) == 1000


def test_what_a_kill_left_in_the_temporary_folder_goes_with_the_next_start(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid in (gone.pid, os.getpid(), os.getppid()):
        (tmp_path / f"artifactspy-{pid}-x").mkdir()
        (tmp_path / f"artifactspy-{pid}-x" / "ssh").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "artifactspy-mine").mkdir()
    (tmp_path / f"artifactspy-{gone.pid}-link").symlink_to(tmp_path / "mine")
    if os.geteuid() == 0:
        (tmp_path / f"artifactspy-{gone.pid}-theirs").mkdir()
        os.chown(tmp_path / f"artifactspy-{gone.pid}-theirs", 1, 1)
    expected = {path.name for path in tmp_path.iterdir()} - {f"artifactspy-{gone.pid}-x"}
    tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_each_start_tidies_the_temporary_folder(tmp_path, desk, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f"artifactspy-{gone.pid}-x").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    desk()
    assert not list(tmp_path.glob("artifactspy-*"))
