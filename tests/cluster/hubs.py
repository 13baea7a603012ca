"""Hubs of four small chunks, and what people do with them, for the tests of the hub."""

import contextlib
import csv
import hashlib
import io
import multiprocessing
import os
import pwd
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import ROOT, tiny_gif

import labelfile
import stamps
from cluster import handout
from cluster.add import run as add
from cluster.hub import Hub
from cluster.init import run as init

TIME = "2026-01-02T03:04:05.678Z"
FIRST, SECOND, THIRD, FOURTH = (f"chunk--0000{number}--drop" for number in (1, 2, 3, 4))


def run(hub, *arguments, **options):
    """Call HUB/hub, and check what every answer must be like."""
    done = subprocess.run([hub / "hub", *arguments], capture_output=True, text=True, **options)
    assert "Traceback" not in done.stderr
    if done.returncode in (1, 5, 6, 7):
        assert len(done.stderr.strip().splitlines()) == 1, "a failure is one line"
        assert done.stderr.rstrip().endswith((".", "?"))
    return done


def answer(done):
    lines = [line for line in done.stdout.splitlines() if line.startswith("artifactspy-1 ")]
    return lines[-1].split()[1:]


def given(hub, user, *have):
    """Return the name of the chunk that `next` answers, or None."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = handout.run(hub, have, as_user=user)
    words = told.getvalue().splitlines()[-1].split()
    assert (status, len(words)) in ((0, 5), (3, 2))
    return words[2] if status == 0 else None


def stamp_bytes(kind, objid):
    """Return the smallest of pictures, with a comment that tells whose it is."""
    return tiny_gif(f"{kind} of {objid}")


def tarball(path, objids, kinds=stamps.KINDS, suffix=".gif", by_kind=False):
    names = [(kind, objid) for objid in objids for kind in kinds]
    if by_kind:
        names.sort()
    with tarfile.open(path, "w:gz") as archive:
        for kind, objid in names:
            entry = tarfile.TarInfo(f"{Path(path).stem}/{kind}{objid}{suffix}")
            data = stamp_bytes(kind, objid)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def rows_of(path):
    return list(csv.reader(io.StringIO(Path(path).read_bytes().decode(), newline="")))


def listed(hub):
    return list(Hub(hub).chunks())


def setting(hub, name, value):
    text = (hub / "hub.ini").read_text()
    changed = re.sub(rf"^{name} = .*", f"{name} = {value}", text, flags=re.M)
    assert changed != text
    (hub / "hub.ini").write_text(changed)


def tree(folder):
    """Return all that is in a folder, to see that nothing changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def empty(tmp_path, capsys):
    hub = tmp_path / "the hub's"
    init(hub)
    capsys.readouterr()
    return hub


@pytest.fixture
def hub(empty, tmp_path, capsys):
    """Four chunks of two detections, 1 to 8 in random order."""
    setting(empty, "chunk_size", 2)
    setting(empty, "gold_share", 0)
    add(empty, [str(tarball(tmp_path / "drop.tar.gz", map(str, range(1, 9))))], stamp="drop")
    capsys.readouterr()
    return empty


def upload(hub, rows, user="alice", at="2026-01-02_03-04-05", text=None):
    """Put a label file where scp puts it; return its name and sum."""
    file = f"{user}--{at}.csv"
    if text is None:
        lines = [labelfile.COLUMNS, *rows]
        told = io.StringIO()
        csv.writer(told, lineterminator="\n").writerows(lines)
        text = told.getvalue().encode()
    (hub / "incoming" / f".{file}.part").write_bytes(text)
    return file, hashlib.sha256(text).hexdigest()


def row(objid, action="Good", time=TIME, stamp="drop", comment=""):
    return tuple(labelfile.Row(objid, action, comment, time, stamp, "1.50"))


def send(hub, rows, user="alice", at="2026-01-02_03-04-05", **options):
    """Upload and receive; return the answer."""
    file, sha256 = upload(hub, rows, user, at, **options)
    done = run(hub, "receive", file, sha256, "--as", user)
    assert done.returncode == 0, done.stderr
    assert answer(done)[:2] == ["received", file]
    return tuple(map(int, answer(done)[2:]))


def copy_clone(target):
    target.mkdir()
    for name in (
        "archive.py",
        "decoding.py",
        "disk.py",
        "facts.py",
        "labelfile.py",
        "labels.py",
        "smoothing.py",
        "stamps.py",
        "tiles.py",
    ):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "cluster", target / "cluster", ignore=lambda *_: {"__pycache__"})
    return target


def age(path, days):
    user, _ = path.read_text().split()
    at = datetime.now(timezone.utc) - timedelta(days=days)
    path.write_text(f"{user} {at:%Y-%m-%dT%H:%M:%SZ}\n")


def at_once(function, *arguments):
    """Call a function in as many processes as it has sets of arguments, all at one moment."""
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(len(arguments)), fork.SimpleQueue()

    def child(these):
        barrier.wait()
        try:
            results.put((these, function(*these)))
        except BaseException as error:
            results.put((these, repr(error)))

    processes = [fork.Process(target=child, args=(these,)) for these in arguments]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return found


def forget_claims(hub):
    shutil.rmtree(hub / "people")
    shutil.rmtree(hub / "claims")
    init(hub)


def claims_by_chunk(hub):
    return {
        folder.name: sorted(path.read_text().split()[0] for path in folder.iterdir())
        for folder in (hub / "claims").iterdir()
    }


def everything(hub, user):
    have = []
    while (name := given(hub, user, *have)) is not None:
        have.append(name)
    return have


@pytest.fixture
def mine(hub):
    """Return the hub and the two detections of the chunk that alice has."""
    given(hub, "alice")
    return hub, Hub(hub).objids(FIRST)


@pytest.fixture
def shared(tmp_path_factory):
    """A hub of root's that daemon and nobody may use, as a site has one; another owner is bin."""
    if os.getuid() != 0:
        pytest.skip("only root can become other accounts")
    folder = Path(tempfile.mkdtemp(prefix="artifactspy-"))
    folder.chmod(0o755)
    clone = copy_clone(folder / "clone")
    code = "import sys; sys.exit(sys.version_info < (3, 9))"
    for python in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", code], user="nobody", cwd="/").returncode == 0:
                break
    else:
        shutil.rmtree(folder)
        pytest.skip("there is no Python 3.9 that another account may run")
    hub = folder / "hub"
    make = [python, "-B", "-m", "cluster", "init", hub]
    for command in (make, ["chgrp", "-R", "54321", hub], [hub / "hub", "init"]):
        subprocess.run(command, cwd=clone, check=True, capture_output=True)
    setting(hub, "chunk_size", 2)
    setting(hub, "gold_share", 0)
    source = tarball(folder / "drop.tar.gz", map(str, range(1, 9)))
    assert run(hub, "add", source, "--stamp", "drop").returncode == 0
    yield hub
    shutil.rmtree(folder)


def by(account):
    """Return what makes a subprocess another account's, with the least helpful umask."""
    gid = pwd.getpwnam(account).pw_gid
    return {"user": account, "group": gid, "extra_groups": [54321], "umask": 0o077, "cwd": "/"}


def laptop(hub, account, rows):
    """Make a data folder of an account with a file to send; return it, and the file's name."""
    file, _ = upload(hub, rows, account)
    data = hub.parent / f"laptop of {account}"
    (data / "labels" / "waiting").mkdir(parents=True)
    (hub / "incoming" / f".{file}.part").rename(data / "labels" / "waiting" / file)
    for path in (data, *data.rglob("*")):
        shutil.chown(path, account)
    return data, file


def sync(hub, account, data, *words):
    """Call sync.sh as an account that has the hub as a folder."""
    for name in ("sync.sh", "ticket.sh"):
        shutil.copy(ROOT / name, hub.parent)
    environment = {"PATH": os.environ["PATH"], "ARTIFACTSPY_HUB": str(hub)}
    environment["ARTIFACTSPY_USER"] = account
    return subprocess.run(
        ["sh", hub.parent / "sync.sh", "--data", data, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **by(account),
    )


def put(hub, account, rows, user=None):
    file, sha256 = upload(hub, rows, user or account)
    shutil.chown(hub / "incoming" / f".{file}.part", account)
    return file, sha256
