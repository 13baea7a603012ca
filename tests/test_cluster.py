"""The hub: real folders, real processes, real accounts; faults by making the state they leave."""

import ast
import contextlib
import csv
import functools
import hashlib
import io
import multiprocessing
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import labels  # noqa: E402
import stamps  # noqa: E402
from cluster import handout  # noqa: E402
from cluster.add import add  # noqa: E402
from cluster.hub import Hub, HubError, init, now  # noqa: E402
from cluster.receive import receive  # noqa: E402

BATCHES = ROOT.parent / "shared" / "stamps"
SHARED = ("claims", "people", "incoming", "verified", "rejected")
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
        status = handout.hand_out(hub, have, as_user=user)
    words = told.getvalue().splitlines()[-1].split()
    assert (status, len(words)) in ((0, 5), (3, 2))
    return words[2] if status == 0 else None


def stamp_bytes(kind, objid):
    return f"GIF89a {kind} of {objid}".encode()


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
        lines = [labels.COLUMNS, *rows]
        told = io.StringIO()
        csv.writer(told, lineterminator="\n").writerows(lines)
        text = told.getvalue().encode()
    (hub / "incoming" / f".{file}.part").write_bytes(text)
    return file, hashlib.sha256(text).hexdigest()


def row(objid, action="Good", time=TIME, stamp="drop", comment=""):
    return (objid, action, comment, time, stamp, "1.50")


def send(hub, rows, user="alice", at="2026-01-02_03-04-05", **options):
    """Upload and receive; return the answer."""
    file, sha256 = upload(hub, rows, user, at, **options)
    done = run(hub, "receive", file, sha256, "--as", user)
    assert done.returncode == 0, done.stderr
    assert answer(done)[:2] == ["received", file]
    return tuple(map(int, answer(done)[2:]))


# ---- the folder ----


def test_init_makes_the_layout_with_modes_that_keep_people_apart(tmp_path):
    hub = tmp_path / "new" / "hub"
    done = subprocess.run(
        [sys.executable, "-m", "cluster", "init", hub], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "fs setacl -dir" in done.stdout and "GROUP rlidw" in done.stdout
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
    assert hub.stat().st_mode & 0o022 == 0
    assert run(hub, "next", "--as", "bob").returncode == 0


def test_init_does_without_the_bits_that_afs_keeps_for_its_administrators(tmp_path, monkeypatch):
    chmod = Path.chmod

    def as_on_afs(path, mode):
        if mode & 0o7000:
            raise PermissionError(1, "Operation not permitted", str(path))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", as_on_afs)
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
    monkeypatch.setattr(sys.modules["cluster.hub"], "__file__", str(module))
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


def copy_clone(target):
    target.mkdir()
    for name in ("disk.py", "labels.py", "stamps.py"):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "cluster", target / "cluster", ignore=lambda *_: {"__pycache__"})
    return target


def move_program(hub, clone, python):
    script = (hub / "hub").read_text()
    script = re.sub("^clone=.*", f"clone='{clone}'", script, flags=re.M)
    (hub / "hub").write_text(re.sub("^python=.*", f"python='{python}'", script, flags=re.M))


def test_an_old_python_gets_one_sentence():
    for name in ("__init__.py", "__main__.py"):
        source = (ROOT / "cluster" / name).read_text(encoding="ascii")
        ast.parse(source, feature_version=(3, 7))
        assert not re.search(r"\bf\"|\bf'|print\(|->|:=|nonlocal|, \*,", source), (
            "2.7 must parse it"
        )
    code = "import runpy, sys; sys.version_info = (3, 6, 9, 'final', 0)\n"
    code += "runpy.run_module('cluster', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(
        r"The hub needs Python 3\.9 .* 3\.6\.9: nothing was changed\. .*\n", done.stderr
    )


def test_the_hub_needs_the_standard_library_only(hub, tmp_path):
    tarball(tmp_path / "more.tar.gz", ["77"])
    code = "import sys; sys.modules.update(numpy=None, PIL=None, astropy=None)\n"
    code += "sys.argv[0] = 'cluster'; from cluster.__main__ import main; sys.exit(main())"
    for arguments in (("add", hub, tmp_path / "more.tar.gz"), ("next", hub), ("status", hub)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_help_lists_the_verbs_and_gives_an_example_of_each(empty):
    text = run(empty, "--help").stdout
    for verb in ("init", "add", "next", "receive", "collect", "status"):
        assert re.search(rf"^ +{verb} +\w+ \w+", text, re.M)
        assert f"Example: python3 -m cluster {verb} /" in run(empty, verb, "--help").stdout
    for wrong in ((), ("nexxt",), ("next", "--haave", "x"), ("receive", "x")):
        assert run(empty, *wrong).returncode == 2


def list_chunk(hub, name):
    header = (hub / "chunks.csv").read_text().splitlines()[0]
    (hub / "chunks.csv").write_text(f"{header}\n{name},0,0,0,,0\n")


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (lambda hub: (hub / "hub.ini").write_text("labelers = 3"), "hub.ini cannot be understood"),
        (lambda hub: setting(hub, "labelers", "many"), "(labelers = many is no whole number): "),
        (lambda hub: setting(hub, "gold_share", "10 %"), "(gold_share = 10 % is no number): "),
        (lambda hub: setting(hub, "labelers", "0"), "counts and days begin at 1"),
        (lambda hub: (hub / "hub.ini").write_bytes(b"\xff\xfe"), "hub.ini cannot be understood"),
        (lambda hub: (hub / "hub.ini").unlink(), "There is no hub"),
        (lambda hub: (hub / "chunks.csv").write_text("name,sum\n"), "damaged in line 1"),
        (lambda hub: list_chunk(hub, "../../x"), "damaged in line 2"),
        (lambda hub: (hub / "chunks.csv").unlink(), "chunks.csv says 'No such file"),
        (lambda hub: shutil.rmtree(hub / "claims"), "says 'No such file"),
    ],
)
def test_a_spoilt_hub_is_told_in_a_sentence(hub, spoil, sentence):
    spoil(hub)
    done = run(hub, "next", "--as", "alice")
    assert done.returncode == 1
    assert sentence in done.stderr


def test_who_reads_only_the_beginning_is_told_nothing_of_broken_pipes(hub):
    """`report | head` ended in a sentence on the file system."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([hub / "hub", "status"], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


# ---- add ----


def test_add_cuts_complete_triplets_into_chunks_in_random_order(empty, tmp_path, capsys):
    setting(empty, "chunk_size", 4)
    objids = [str(10**18 + number) for number in range(10)]
    one = tarball(tmp_path / "one.tar.gz", objids[:6], by_kind=True)
    with_fits = tarball(tmp_path / "two.tar.gz", objids[6:], suffix=".fits")
    part = tarball(tmp_path / "part.tar.gz", ["55"], kinds=("srch", "diff"))
    assert add(empty, [str(one), str(with_fits), str(part)], stamp="A_b-1", seed=7) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == (
        "Added 10 detections in 3 chunks as drop A_b-1; 1 incomplete, 0 there already."
    )
    assert "55: temp is missing" in told
    chunks = listed(empty)
    assert [chunk.name for chunk in chunks] == [f"chunk--0000{n}--A_b-1" for n in (1, 2, 3)]
    assert [chunk.detections for chunk in chunks] == ["4", "4", "2"]
    found = []
    for chunk in chunks:
        path = empty / "chunks" / f"{chunk.name}.tar.gz"
        data = path.read_bytes()
        assert (chunk.sha256, chunk.bytes) == (hashlib.sha256(data).hexdigest(), str(len(data)))
        assert chunk.seed == "7"
        opened = stamps.Chunk(path)
        assert (opened.damage, opened.incomplete, opened.metadata_stamp) == (None, {}, "A_b-1")
        assert opened.objids == Hub(empty).objids(chunk.name)
        found += opened.objids
        suffixes = {objid: ".gif" if objid in objids[:6] else ".fits" for objid in opened.objids}
        assert dict(stamps.members(path)) == {
            f"{kind}{objid}{suffixes[objid]}": stamp_bytes(kind, objid)
            for objid in opened.objids
            for kind in stamps.KINDS
        }
        with tarfile.open(path) as archive:
            assert {Path(name).parent.name for name in archive.getnames()} == {chunk.name}
    assert sorted(found) == objids
    assert found != objids


def test_the_same_seed_gives_the_same_bytes(tmp_path, capsys, monkeypatch):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(20)))
    made = []
    for number, seed in enumerate((1, 1, 2)):
        hub = tmp_path / str(number)
        init(hub)
        monkeypatch.setattr(time, "time", lambda number=number: 1e9 * (number + 1))
        add(hub, [str(source)], stamp="x", seed=seed)
        made.append((hub / "chunks.csv").read_bytes())
    assert made[0] == made[1] != made[2]


def test_add_reads_folders_at_any_depth_and_follows_no_link(empty, tmp_path, capsys):
    (tmp_path / "in" / "deep er").mkdir(parents=True)
    for kind in stamps.KINDS:
        (tmp_path / "in" / "deep er" / f"{kind}1.gif").write_bytes(stamp_bytes(kind, 1))
        (tmp_path / "in" / f"{kind}2.gif").write_bytes(stamp_bytes(kind, 2))
    (tmp_path / "in" / "readme.txt").write_text("no stamp")
    (tmp_path / "in" / "srch2.gif").unlink()
    (tmp_path / "in" / "srch2.gif").symlink_to("/etc/passwd")
    (tmp_path / "in" / "diff2.gif").unlink()
    with (tmp_path / "in" / "diff2.gif").open("wb") as file:
        file.truncate(stamps.MEMBER_LIMIT + 1)
    done = run(empty, "add", "in", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Added 1 detection in 1 chunk as" in done.stdout
    assert re.search(
        "2: srch cannot be read, .* bytes, diff cannot be read, or is larger", done.stdout
    )


def test_add_never_takes_a_detection_twice_and_numbers_go_on(hub, tmp_path, capsys):
    source = tarball(tmp_path / "again.tar.gz", ["7", "8", "9"])
    assert add(hub, [str(source), str(source)], stamp="second") == 0
    assert "Added 1 detection in 1 chunk as drop second; 0 incomplete, 2 there already." in (
        capsys.readouterr().out
    )
    assert [chunk.name for chunk in listed(hub)][4:] == ["chunk--00005--second"]
    assert add(hub, [str(source)]) == 0
    assert capsys.readouterr().out == "Nothing was added; 0 incomplete, 3 there already.\n"
    assert len(listed(hub)) == 5


def test_the_first_of_several_stamps_counts(empty, tmp_path, capsys):
    first = tarball(tmp_path / "x.tar.gz", ["1"])
    for kind in stamps.KINDS:
        (tmp_path / f"{kind}1.fits").write_bytes(b"another")
    add(empty, [str(first), str(tmp_path)], stamp="drop")
    assert "Added 1 detection in" in capsys.readouterr().out
    found = dict(stamps.members(empty / "chunks" / f"{FIRST}.tar.gz"))
    assert found == {f"{kind}1.gif": stamp_bytes(kind, 1) for kind in stamps.KINDS}


def test_metadata_goes_with_its_detections(empty, tmp_path, capsys):
    source = tarball(tmp_path / "x.tar.gz", ["1", "2", "3"])
    table = tmp_path / "x.csv"
    text = '\ufeffSNID,OBJID,NOTE\r\n12,1,"a, b"\r\n13,3,"ü\r9"\r\n14,4,\r\n13,3,twice\r\n'
    table.write_bytes(text.encode())
    assert add(empty, [str(source)], str(table), stamp="drop") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[1:] == [
        f"  1 detection has no row in {table}; 1 of its rows has no stamps."
    ]
    rows = rows_of(empty / "metadata" / f"{FIRST}.csv")
    assert rows[0] == ["OBJID", "SNID", "NOTE"]
    assert sorted(rows[1:]) == [["1", "12", "a, b"], ["2", "", ""], ["3", "13", "ü\r9"]]
    assert sorted(Hub(empty).objids(FIRST)) == ["1", "2", "3"], "a bare CR once made one more"
    table.write_text("OBJID\n1\n5\n6\n")
    assert add(empty, [str(tarball(source, ["1", "7", "8"]))], str(table)) == 0
    told = capsys.readouterr().out.splitlines()[1]
    assert told == f"  2 detections have no row in {table}; 2 of its rows have no stamps."
    table.write_text("OBJID\n9\n")
    assert add(empty, [str(tarball(source, ["9"]))], str(table)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1, "nothing is amiss"


def test_a_table_of_other_stamps_stops_the_add_before_anything_is_listed(hub, tmp_path):
    tarball(tmp_path / "x.tar.gz", ["100", "101"])
    (tmp_path / "x.csv").write_text("OBJID\n1\n1\n55\n")  # 1 is in the hub, but not in x.tar.gz
    command = ("add", "x.tar.gz", "--metadata", "x.csv")
    before = tree(hub)
    done = run(hub, *command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == (
        f"None of the 3 rows of {tmp_path}/x.csv belongs to these stamps: nothing was added. "
        "Is it the right table?\n"
    )
    assert tree(hub) == before
    tarball(tmp_path / "x.tar.gz", ["1"])
    assert run(hub, *command, cwd=tmp_path).returncode == 0, "there already, and its table fits"


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"ID,MJD\n1,2\n", "it has no column OBJID; its columns are ID, MJD"),
        (b"", "has no column OBJID"),
        (b"OBJID,MJD\n1,2,3\n", "line 2 has 3 fields, the header 2"),
        (b"OBJID,\xe9\n1,2\n", "cannot be used"),
        (None, "No such file"),
    ],
)
def test_a_table_of_no_use_stops_the_add_before_anything_is_written(
    empty, tmp_path, content, sentence
):
    tarball(tmp_path / "x.tar.gz", ["1"])
    if content is not None:
        (tmp_path / "x.csv").write_bytes(content)
    before = tree(empty)
    done = run(empty, "add", "x.tar.gz", "--metadata", "x.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr and "nothing was added" in done.stderr
    assert tree(empty) == before


def test_a_table_of_no_use_is_known_before_hours_of_copying(empty, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["cluster.add"].Drop, "read", None)
    (tmp_path / "x.csv").write_text("ID\n1\n")
    with pytest.raises(HubError, match="no column OBJID"):
        add(empty, ["x.tar.gz"], str(tmp_path / "x.csv"))


def test_a_damaged_source_is_told_and_the_rest_is_added(empty, tmp_path):
    good = tarball(tmp_path / "good.tar.gz", ["1", "2"])
    whole = tarball(tmp_path / "cut.tar.gz", map(str, range(100, 400))).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.tar.gz").write_bytes(b"")
    (tmp_path / "text.tar.gz").write_text("no archive")
    (tmp_path / "bare").mkdir()
    os.mkfifo(tmp_path / "pipe.tar.gz")
    names = ["none.tar.gz", "cut.tar.gz", "text.tar.gz", "gone.tar.gz", "bare", "pipe.tar.gz"]
    done = run(empty, "add", *names, good.name, "--stamp", "s", cwd=tmp_path, timeout=20)
    assert done.returncode == 1
    for name in names:
        assert f"{name}: " in done.stderr
    found = {objid for chunk in listed(empty) for objid in Hub(empty).objids(chunk.name)}
    assert {"1", "2", "100"} < found


def test_when_nothing_could_be_read_only_that_is_said(empty, tmp_path):
    (tmp_path / "x.csv").write_text("OBJID\n1\n")
    before = tree(empty)
    for table in ((), ("--metadata", tmp_path / "x.csv")):
        done = run(empty, "add", "/gone.tar.gz", *table)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("/gone.tar.gz: it cannot be read")
        assert done.stderr.endswith("(No such file or directory). Nothing was added.\n")
    assert tree(empty) == before


def test_a_stamp_is_used_once_and_two_adds_in_one_second_do_not_meet(hub, tmp_path, monkeypatch):
    source = tarball(tmp_path / "x.tar.gz", ["100"])
    done = run(hub, "add", source, "--stamp", "drop")
    assert done.returncode == 7
    assert "drop already: nothing was added" in done.stderr
    for bad in ("a--b", "", "a b", "../x", "-x", "x" * 65):
        assert run(hub, "add", source, f"--stamp={bad}").returncode == 2
    module = sys.modules["cluster.add"]

    class Frozen(datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2026, 11, 22, 13, 8, 0, tzinfo=zone)

    monkeypatch.setattr(module, "datetime", Frozen)
    for objid in ("100", "101"):
        add(hub, [str(tarball(tmp_path / "y.tar.gz", [objid]))])
    stems = [chunk.name.rpartition("--")[2] for chunk in listed(hub)][4:]
    assert stems == ["2026-11-22_13-08-00", "2026-11-22_13-08-01"]


def test_a_second_add_at_once_is_refused_and_told_how_to_go_on(hub, tmp_path):
    source = tarball(tmp_path / "x.tar.gz", ["100"])
    (hub / ".add.lock").write_text("process 4711 on node7 since 2026-11-22T13:08:00Z")
    before = tree(hub)
    done = run(hub, "add", source)
    assert done.returncode == 1
    assert "process 4711 on node7 since" in done.stderr and f"remove {hub}/.add.lock" in done.stderr
    assert tree(hub) == before
    (hub / ".add.lock").write_text("")
    assert "nothing was added" in run(hub, "add", source).stderr
    (hub / ".add.lock").unlink()
    assert run(hub, "add", source).returncode == 0
    assert not (hub / ".add.lock").exists()


def test_what_an_interrupted_add_left_does_not_exist_and_is_removed(hub, tmp_path, capsys):
    for name in ("chunk--00005--drop2", "chunk--00006--other"):
        (hub / "chunks" / f"{name}.tar.gz").write_bytes(b"half")
        (hub / "metadata" / f"{name}.csv").write_text("OBJID\n100\n")
        (hub / "claims" / name).mkdir()
    (hub / "chunks" / ".chunk--00007--other.tar.gz.123.part").write_bytes(b"hal")
    (hub / "chunks.csv").with_name(".chunks.csv.123.part").write_bytes(b"hal")
    everything = [given(hub, "alice", *names) for names in ((), (FIRST,), (FIRST, SECOND))]
    assert everything == [FIRST, SECOND, THIRD]
    source = tarball(tmp_path / "x.tar.gz", ["100", "101"])
    add(hub, [str(source)], stamp="drop2")
    (new,) = listed(hub)[4:]
    assert new.name == "chunk--00005--drop2"
    data = (hub / "chunks" / f"{new.name}.tar.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == new.sha256
    assert (hub / "claims" / new.name).stat().st_mode & 0o7777 == 0o3775
    names = {chunk.name for chunk in listed(hub)}
    assert set(os.listdir(hub / "chunks")) == {f"{name}.tar.gz" for name in names}
    assert set(os.listdir(hub / "metadata")) == {f"{name}.csv" for name in names}
    assert set(os.listdir(hub / "claims")) == names
    assert not list(hub.glob(".*"))


def test_what_someone_claimed_is_never_removed_nor_its_number_given_again(hub, tmp_path, capsys):
    before = tree(hub)
    whole = (hub / "chunks.csv").read_text().splitlines(keepends=True)
    assert given(hub, "alice") == FIRST
    (hub / "chunks.csv").write_text(whole[0])  # a copy from before the first add came back
    add(hub, [str(tarball(tmp_path / "x.tar.gz", ["100"]))], stamp="drop")
    assert [chunk.name for chunk in listed(hub)] == ["chunk--00002--drop"]
    for path in (f"chunks/{FIRST}.tar.gz", f"metadata/{FIRST}.csv"):
        assert (hub / path).read_bytes() == before[path]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_an_add_that_is_ended_leaves_no_lock(hub, tmp_path, number):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 6000)))
    child = subprocess.Popen([hub / "hub", "add", source], stderr=subprocess.PIPE, text=True)
    while not (hub / ".add.lock").exists():
        assert child.poll() is None
    time.sleep(0.1)
    while child.poll() is None:  # Python loses a signal that comes while a finalizer closes a file
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    assert "Interrupted: what the hub had is safe" in child.stderr.read()
    assert child.returncode == 1 and not (hub / ".add.lock").exists()


def test_names_that_the_locale_cannot_write_are_no_bug(tmp_path):
    command = [sys.executable, "-m", "cluster", "init", tmp_path / "hü"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_adds_nothing_and_leaves_no_lock(hub, tmp_path):
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 200)))
    before = tree(hub)
    small = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, 2000))
    done = run(hub, "add", source, preexec_fn=small)
    assert done.returncode == 1
    assert "File too large" in done.stderr and "is safe" in done.stderr
    assert tree(hub) == before


def test_a_chunk_never_unpacks_to_more_than_a_labeller_takes(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["cluster.add"], "UNPACKED_LIMIT", 10_000)
    setting(hub, "chunk_size", 50)
    source = tarball(tmp_path / "x.tar.gz", map(str, range(100, 110)))
    add(hub, [str(source)], stamp="big")
    assert [chunk.detections for chunk in listed(hub)[4:]] == ["3", "3", "3", "1"]


@pytest.mark.skipif(not BATCHES.is_dir(), reason=f"the real batches are not in {BATCHES}")
def test_real_batches_come_back_as_they_went_in(empty, tmp_path):
    names = ("des-public-01", "mixed-public-01")
    sources = [BATCHES / f"{name}.tar.gz" for name in names]
    done = run(empty, "add", sources[0], "--metadata", BATCHES / "des-public-01.csv")
    assert done.returncode == 0, done.stderr
    assert "Added 18 detections in 1 chunk as" in done.stdout and "no row" not in done.stdout
    done = run(empty, "add", *sources, "--metadata", BATCHES / "mixed-public-01.csv")
    assert "Added 34 detections in 1 chunk as" in done.stdout and "18 there already" in done.stdout
    came = {}
    for chunk in listed(empty):
        path = empty / "chunks" / f"{chunk.name}.tar.gz"
        assert stamps.Chunk(path).damage is None
        came.update(stamps.members(path))
    assert came == {name: data for path in sources for name, data in stamps.members(path)}


# ---- next ----


def test_asking_twice_gives_the_same_chunk_until_it_is_held(hub):
    done = run(hub, "next", "--as", "alice")
    chunk = listed(hub)[0]
    assert (done.returncode, answer(done)) == (0, ["chunk", FIRST, chunk.sha256, chunk.bytes])
    assert answer(run(hub, "next", "--as", "alice")) == answer(done)
    foreign = ("batch--1--x", "x" * 230, "a b", "../../x")
    assert answer(run(hub, "next", "--have", *foreign, FIRST, "--as", "alice"))[1] == SECOND
    assert given(hub, "alice", SECOND) == FIRST
    assert os.listdir(hub / "claims" / FIRST) == ["1"]


def test_the_chunk_begun_first_is_given_back_first(hub):
    for have in ((), (FIRST,), (FIRST, SECOND)):
        given(hub, "alice", *have)
    age(hub / "people" / "alice" / SECOND, 3)
    assert given(hub, "alice") == SECOND


def age(path, days):
    user, _ = path.read_text().split()
    at = datetime.now(timezone.utc) - timedelta(days=days)
    path.write_text(f"{user} {at:%Y-%m-%dT%H:%M:%SZ}\n")


def test_a_chunk_goes_to_as_many_people_as_the_settings_say(hub):
    users = ["ann", "bob", "cec", "dan", "eve", "fay", "gus"]
    assert [given(hub, user) for user in users] == [FIRST] * 3 + [SECOND] * 3 + [THIRD]
    setting(hub, "labelers", 4)
    assert given(hub, "hal") == FIRST


def test_nothing_is_left_when_a_person_has_had_every_chunk(hub):
    have = []
    while (name := given(hub, "alice", *have)) is not None:
        have.append(name)
    assert have == [FIRST, SECOND, THIRD, FOURTH]
    done = run(hub, "next", "--as", "alice", "--have", *have)
    assert (done.returncode, answer(done)) == (3, ["nothing"])


def test_an_expired_claim_makes_room_and_its_slot_is_not_used_again(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    age(hub / "claims" / FIRST / "1", 13.9)
    assert given(hub, "dan") == SECOND
    age(hub / "claims" / FIRST / "1", 14.1)
    before = (hub / "claims" / FIRST / "1").read_bytes()
    assert given(hub, "eve") == FIRST
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["1", "2", "3", "4"]
    assert (hub / "claims" / FIRST / "1").read_bytes() == before
    assert given(hub, "fay") == SECOND
    assert given(hub, "ann") == FIRST, "what comes late counts all the same"


def test_a_finished_claim_does_not_expire(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    send(hub, [row(objid) for objid in Hub(hub).objids(FIRST)], "ann")
    age(hub / "claims" / FIRST / "1", 99)
    assert given(hub, "dan") == SECOND


def test_a_crash_between_the_two_files_of_a_claim_heals(hub):
    (hub / "claims" / FIRST / "1").write_text(f"alice {now()}\n")
    assert [given(hub, user) for user in ("ann", "bob", "cec")] == [FIRST, FIRST, SECOND]
    assert given(hub, "alice") == FIRST, "though it is full: she is one of the three"
    assert (hub / "people" / "alice" / FIRST).exists()
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["1", "2", "3"]


def test_a_claim_that_the_owner_removed_by_hand_makes_room(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    (hub / "claims" / FIRST / "1").unlink()
    assert [given(hub, user) for user in ("dan", "eve")] == [FIRST, SECOND]
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["2", "3", "4"]


def test_a_claim_seen_between_creating_and_writing_is_its_writers(hub, monkeypatch):
    path = hub / "claims" / FIRST / "1"
    path.touch()
    line = "alice 2026-01-01T00:00:00Z\n"
    monkeypatch.setattr(handout.time, "sleep", lambda _: path.write_text(line))
    assert handout.read_claim(path).user == "alice"


def test_a_claim_written_just_after_it_was_read_is_its_writers(hub, monkeypatch):
    """It was no longer empty, and so taken for nonsense: the place of nobody but the owner."""
    path = hub / "claims" / FIRST / "1"
    path.touch()
    reading = handout.read_owned

    def too_early(*what):
        found = reading(*what)
        path.write_text("alice 2026-01-01T00:00:00Z\n")
        return found

    monkeypatch.setattr(handout, "read_owned", too_early)
    assert handout.read_claim(path).user == "alice"


@pytest.mark.parametrize(
    "text", ["", "../../x 2026-01-01T00:00:00Z\n", "nonsense\n", "a b c\n", "\xff"]
)
def test_a_claim_that_makes_no_sense_is_its_file_owners_from_when_it_was_made(
    hub, text, monkeypatch
):
    monkeypatch.setattr(handout, "account_name", lambda uid: f"u{uid}")
    for slot in "123":
        path = hub / "claims" / FIRST / slot
        path.write_text(text, encoding="latin-1")
        os.utime(path, (time.time() - 60,) * 2)
    assert handout.read_claim(path) == (f"u{os.getuid()}", path.stat().st_mtime)
    assert given(hub, "alice") == SECOND
    os.utime(path, (1, 1))
    assert given(hub, "bob") == FIRST


def test_names_are_checked_before_they_become_paths(hub):
    before = tree(hub)
    for user in ("..", ".", "a/b", "a--b", "", "x" * 33, ".hidden"):
        assert run(hub, "next", f"--as={user}").returncode == 2
    sha = "0" * 64
    for file in ("../x--2026-01-02_03-04-05.csv", "alice.csv", "..--2026-01-02_03-04-05.csv"):
        assert run(hub, "receive", file, sha, "--as", "..").returncode == 2
    assert run(hub, "receive", "a--2026-01-02_03-04-05.csv", "../x", "--as", "a").returncode == 2
    assert tree(hub) == before


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


@pytest.mark.parametrize("people, laptops", [(12, 1), (4, 3)])
def test_who_asks_at_once_fills_every_slot_and_none_twice(hub, people, laptops):
    users = [f"user{number}" for number in range(people)]
    for _ in range(8):
        forget_claims(hub)
        found = at_once(given, *[(hub, user) for user in users for _ in range(laptops)])
        claims = claims_by_chunk(hub)
        assert sorted(sum(claims.values(), [])) == sorted(users), "each person is in one chunk"
        full, rest = divmod(people, 3)
        assert [len(claims[chunk.name]) for chunk in listed(hub)][: full + 1] == (
            [3] * full + [rest] * (full < 4)
        )
        for (_, user), name in found:
            assert user in claims[name]
            assert os.listdir(hub / "people" / user) == [name]


def everything(hub, user):
    have = []
    while (name := given(hub, user, *have)) is not None:
        have.append(name)
    return have


def test_twelve_people_who_take_all_they_can_leave_nothing_and_share_nothing(hub):
    for _ in range(4):
        forget_claims(hub)
        found = at_once(everything, *[(hub, f"user{number}") for number in range(12)])
        for (_, user), names in found:
            assert len(names) == len(set(names)), user
            assert set(os.listdir(hub / "people" / user)) == set(names)
        for name, users in claims_by_chunk(hub).items():
            assert len(users) == len(set(users)) == 3
            assert users == sorted(user for (_, user), names in found if name in names)


def test_a_rush_on_expired_claims_gives_no_more_than_there_is_room_for(hub):
    for _ in range(4):
        forget_claims(hub)
        for user in ("ann", "bob", "cec"):
            given(hub, user)
        for slot in "12":
            age(hub / "claims" / FIRST / slot, 20)
        found = at_once(given, *[(hub, f"user{number}") for number in range(8)])
        assert Counter(name for _, name in found) == {FIRST: 2, SECOND: 3, THIRD: 3}
        assert sorted(os.listdir(hub / "claims" / FIRST)) == list("12345")


# ---- receive ----


@pytest.fixture
def mine(hub):
    """Return the hub and the two detections of the chunk that alice has."""
    given(hub, "alice")
    return hub, Hub(hub).objids(FIRST)


def test_an_upload_becomes_verified_rows(mine):
    hub, (one, two) = mine
    file, sha256 = upload(hub, [row(one, comment='a "b", ü'), row(two, "Skipped")])
    sent = (hub / "incoming" / f".{file}.part").read_bytes()
    done = run(hub, "receive", file, sha256.upper(), "--as", "alice")
    assert (done.returncode, answer(done)) == (0, ["received", file, "2", "0"])
    assert (hub / "incoming" / file).read_bytes() == sent
    assert os.listdir(hub / "incoming") == [file]
    assert rows_of(hub / "verified" / file) == [
        [*labels.COLUMNS, "USER"],
        [*row(one, comment='a "b", ü'), "alice"],
        [*row(two, "Skipped"), "alice"],
    ]
    assert os.listdir(hub / "rejected") == []


def test_receiving_twice_gives_the_same_answer_and_changes_nothing(mine):
    hub, (one, _) = mine
    rows = [row(one), row(Hub(hub).objids(SECOND)[0])]
    file, sha256 = upload(hub, rows)
    command = ("receive", file, sha256, "--as", "alice")
    first = run(hub, *command)
    assert answer(first)[2:] == ["1", "1"]
    before = tree(hub)
    assert run(hub, *command).stdout == first.stdout
    upload(hub, rows)
    assert run(hub, *command).stdout == first.stdout
    assert tree(hub) == before
    assert given(hub, "alice", FIRST) == SECOND
    assert run(hub, *command).stdout == first.stdout, "though the other is hers by now"


def test_what_arrived_damaged_is_thrown_away_and_asked_for_again(mine):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    part = hub / "incoming" / f".{file}.part"
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert done.returncode == 6 and "Send it again" in done.stderr
    assert os.listdir(hub / "incoming") == os.listdir(hub / "verified") == []
    assert run(hub, "receive", file, sha256, "--as", "alice").returncode == 6
    part.write_bytes(whole)
    assert run(hub, "receive", file, sha256, "--as", "alice").returncode == 0


def test_two_files_of_one_name_are_both_kept_and_both_answers_stay(mine):
    hub, (one, two) = mine
    assert send(hub, [row(one)]) == (1, 0)
    file, sha256 = upload(hub, [row(two), row("99")])
    assert send(hub, [row(two), row("99")]) == (1, 1)
    before = tree(hub)
    second = f"alice--2026-01-02_03-04-05-{sha256[:8]}.csv"
    assert sorted(os.listdir(hub / "incoming")) == sorted([file, second])
    assert os.listdir(hub / "rejected") == [second]
    assert send(hub, [row(one)]) == (1, 0)
    assert send(hub, [row(two), row("99")]) == (1, 1)
    assert tree(hub) == before
    assert (hub / "people" / "alice" / f"{FIRST}.done").exists(), "both count"


def test_bad_rows_are_set_aside_each_with_its_reason(mine):
    hub, (one, two) = mine
    other = Hub(hub).objids(SECOND)[0]
    soon = (datetime.now(timezone.utc) + timedelta(hours=23)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    late = (datetime.now(timezone.utc) + timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    bad = {
        row(one, "Godo"): "ACTION is no label",
        row(one, time=late): "TIME is before 2020 or in the future",
        row(one, time="1970-01-01T00:00:07.000Z"): "TIME is before 2020 or in the future",
        row(other): "OBJID is in no chunk that alice was given",
        row("12345"): "OBJID is in no chunk that alice was given",
        row("x/../y"): "OBJID is not 1 to 32 digits",
    }
    rows = [row(one), *bad, ("short", "row"), row(two, time=soon), row(one, "Marginal")]
    assert send(hub, rows) == (2, 7)
    verified = rows_of(hub / "verified" / "alice--2026-01-02_03-04-05.csv")[1:]
    assert [line[:2] for line in verified] == [[two, "Good"], [one, "Marginal"]], "the last counts"
    header, *rejected = rows_of(hub / "rejected" / "alice--2026-01-02_03-04-05.csv")
    assert header == [*labels.COLUMNS, "REASON"]
    assert rejected == [
        *[[*line, reason] for line, reason in bad.items()],
        ["", "", "short,row", "", "", "", "the line is no row, or has no end"],
    ]


def test_hostile_bytes_cost_their_own_lines_only(mine):
    hub, (one, two) = mine
    good = ",".join(row(one)).encode()
    lines = [
        ",".join(labels.COLUMNS).encode(),
        b"\x00\xff\xfe",
        b'"' * 5,
        b"",
        b"x" * 200_000,
        good,
    ]
    torn = ",".join(row(two)).encode()
    lines += [good.replace(b"1.50", b'"\r1.50"'), b'"1\r2",Good,"a\rb","\0","\r",1', b"\0,\r," * 3]
    for _ in range(2):
        assert send(hub, (), text=b"\n".join([*lines, torn])) == (1, 7)
    assert send(hub, (), at="2026-01-02_03-04-06", text=b"") == (0, 0)


def test_a_row_finds_its_chunk_under_any_stamp(mine):
    hub, (one, _) = mine
    assert send(hub, [row(one, stamp="renamed")]) == (1, 0)
    assert rows_of(hub / "verified" / "alice--2026-01-02_03-04-05.csv")[1][4] == "drop"


@pytest.mark.parametrize("stamp", ["drop", "other"])
def test_receive_reads_the_chunk_of_a_rows_drop_first(mine, tmp_path, capsys, stamp):
    hub, (one, _) = mine
    add(hub, [str(tarball(tmp_path / "x.tar.gz", ["100", "101"]))], stamp="other")
    assert len(everything(hub, "alice")) == 5
    objid = {"drop": Hub(hub).objids(FOURTH)[0], "other": "100"}[stamp]
    for name in {FIRST, SECOND, THIRD, FOURTH, "chunk--00005--other"}:
        if not (name == FOURTH if stamp == "drop" else name.endswith(stamp)):
            (hub / "metadata" / f"{name}.csv").unlink()
    assert send(hub, [row(objid, stamp=stamp)]) == (1, 0)


@pytest.mark.parametrize("step", ["incoming", "rejected", "verified", "noted"])
def test_a_power_cut_after_any_step_heals_when_the_file_comes_again(mine, step):
    hub, (one, two) = mine
    send(hub, [row(one)], at="2026-01-01_00-00-00")
    rows = [row(two), row("99")]
    file, sha256 = upload(hub, rows)
    assert answer(run(hub, "receive", file, sha256, "--as", "alice"))[2:] == ["1", "1"]
    whole = tree(hub)
    (hub / "people" / "alice" / f"{FIRST}.done").unlink()
    later = ["noted", "verified", "rejected", "incoming"]
    for undone in later[: later.index(step)]:
        if undone == "noted":
            (hub / "people" / "alice" / f"{FIRST}.2026-01-02_03-04-05").unlink()
        else:
            (hub / undone / file).unlink()
    if step == "incoming":  # what the half-done try thought bad may be good by now
        (hub / "rejected" / file).write_text("of another opinion\n")
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done)[2:] == ["1", "1"]
    now = tree(hub)
    closed = f"people/alice/{FIRST}.done"
    assert now.pop(closed) and whole.pop(closed)
    assert now == whole


def test_what_a_crash_left_in_rejected_goes_when_nothing_is_rejected(mine):
    hub, (one, _) = mine
    (hub / "rejected" / "alice--2026-01-02_03-04-05.csv").write_text("of another opinion\n")
    assert send(hub, [row(one)]) == send(hub, [row(one)]) == (1, 0)
    assert os.listdir(hub / "rejected") == []


def test_a_claim_closes_when_all_is_dealt_with_over_several_uploads(mine):
    hub, (one, two) = mine
    assert send(hub, [row(one)], at="2026-01-02_00-00-00") == (1, 0)
    assert given(hub, "alice") == FIRST
    assert send(hub, [row(one), row("99")], at="2026-01-02_00-00-01") == (1, 1)
    assert given(hub, "alice") == FIRST
    assert send(hub, [row(two, "Skipped")], at="2026-01-02_00-00-02") == (1, 0)
    assert given(hub, "alice") == SECOND
    assert given(hub, "bob") == FIRST, "and only hers"


def test_labels_that_come_after_a_claim_expired_count(mine):
    hub, objids = mine
    age(hub / "claims" / FIRST / "1", 99)
    age(hub / "people" / "alice" / FIRST, 99)
    assert send(hub, [row(objid) for objid in objids]) == (2, 0)


def test_only_a_plain_file_of_ones_own_is_taken_in(mine, tmp_path):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    part = hub / "incoming" / f".{file}.part"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert done.returncode == 1 and not (hub / "incoming" / file).exists()
    part.unlink()
    os.mkfifo(part)
    done = run(hub, "receive", file, sha256, "--as", "alice", timeout=20)
    assert done.returncode == 1 and "not a plain file" in done.stderr
    part.unlink()
    with part.open("wb") as big:
        big.truncate((64 << 20) + 1)
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert done.returncode == 1 and "larger than" in done.stderr
    assert os.listdir(hub / "verified") == []


def receive_quietly(hub, file, sha256):
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        receive(hub, file, sha256, "alice")
    return told.getvalue()


def test_one_upload_received_by_six_processes_at_once_is_kept_once(mine):
    hub, (one, two) = mine
    for second in range(5):
        at = f"2026-01-02_03-04-0{second}"
        file, sha256 = upload(hub, [row(one), row(two)], at=at)
        found = at_once(receive_quietly, *[(hub, file, sha256)] * 6)
        answers = {told.splitlines()[-1] for _, told in found}
        # the part is gone after the first; who comes too late for it finds what was kept
        assert answers == {f"artifactspy-1 received {file} 2 0"}
        assert sorted(os.listdir(hub / "incoming"))[second:] == [file]


def test_what_another_process_took_in_a_moment_ago_is_answered(mine, monkeypatch):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    module = sys.modules["cluster.receive"]
    read, first = module.read_owned, []

    def late(path, *limit):
        if path.name == f".{file}.part":
            monkeypatch.setattr(module, "read_owned", read)
            first.append(receive_quietly(hub, file, sha256))
        return read(path, *limit)

    monkeypatch.setattr(module, "read_owned", late)
    assert [receive_quietly(hub, file, sha256)] == first
    assert os.listdir(hub / "incoming") == [file]


def test_an_upload_is_kept_where_links_are_not_known(mine, monkeypatch):
    hub, (one, _) = mine

    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for action in ("Good", "Other"):
        file, sha256 = upload(hub, [row(one, action)])
        assert receive_quietly(hub, file, sha256).endswith(f"received {file} 1 0\n")
    assert len(os.listdir(hub / "incoming")) == 2
    assert b"Good" in (hub / "incoming" / file).read_bytes()


# ---- collect and status ----


def test_collect_keeps_the_latest_of_each_person_and_detection(hub):
    for user in ("bob", "alice"):
        given(hub, user)
    one, two = sorted(Hub(hub).objids(FIRST))
    send(hub, [row(one, "Good", "2026-01-01T00:00:00.1Z"), row(two)], at="2026-01-03_00-00-00")
    send(hub, [row(one, "Marginal", "2026-01-01T00:00:00.12Z")], at="2026-01-02_00-00-00")
    send(hub, [row(two, "Unsure"), row(one, "Skipped")], "bob", at="2026-01-01_00-00-00")
    send(hub, [row(two, "Other")], "bob", at="2026-01-01_00-00-01")
    done = run(hub, "collect")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"3 labels by 2 people on 2 detections are in {hub}/labels.csv; 1 skipped.\n"
    )
    header, *rows = rows_of(hub / "labels.csv")
    assert header == ["USER", *labels.COLUMNS]
    assert [line[:3] for line in rows] == [
        ["alice", one, "Marginal"],
        ["bob", one, "Skipped"],
        ["alice", two, "Good"],
        ["bob", two, "Other"],
    ]
    before = (hub / "labels.csv").read_bytes()
    run(hub, "collect")
    assert (hub / "labels.csv").read_bytes() == before


def test_labels_are_in_the_order_of_their_numbers(hub):
    rows = [",".join([*row(objid), "zoe"]) for objid in ("10", "9", "09", "1" * 32)]
    text = "\n".join([",".join([*labels.COLUMNS, "USER"]), *rows, ""])
    (hub / "verified" / "zoe--2026-01-03_00-00-00.csv").write_text(text)
    assert run(hub, "collect").returncode == 0
    found = [line[1] for line in rows_of(hub / "labels.csv")[1:]]
    assert found == ["09", "9", "10", "1" * 32]


def test_collect_leaves_out_what_is_no_verified_label(mine):
    hub, (one, two) = mine
    send(hub, [row(one)])
    header = ",".join([*labels.COLUMNS, "USER"])
    bad = [",".join([*row(two), "bob"]), ",".join([*row(two, "Godo"), "alice"]), "x", ""]
    (hub / "verified" / "alice--2026-01-03_00-00-00.csv").write_text("\n".join([header, *bad]))
    (hub / "verified" / "alice--2026-01-04_00-00-00.csv").symlink_to("/etc/passwd")
    (hub / "verified" / "notes.txt").write_text("mine")
    done = run(hub, "collect")
    assert done.returncode == 0
    assert done.stdout.startswith(f"1 label by 1 person on 1 detection is in {hub}/labels.csv;")
    assert "2026-01-03_00-00-00.csv has a row" in done.stderr
    assert "2026-01-04_00-00-00.csv" in done.stderr


def test_status_counts_chunks_and_people_and_warns(hub, tmp_path, capsys):
    users = ("ann", "bob", "cec")
    for user in users:
        given(hub, user)
        send(hub, [row(objid) for objid in Hub(hub).objids(FIRST)], user)
    one = Hub(hub).objids(FIRST)[0]
    send(hub, [row(one, "Skipped", "2026-01-03T00:00:00.0Z")], "bob", at="2026-01-03_00-00-00")
    assert (given(hub, "ann"), given(hub, "ann", SECOND)) == (SECOND, THIRD)
    given(hub, "maximilian", FIRST)
    age(hub / "people" / "ann" / THIRD, 20)
    done = run(hub, "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "chunks   4: 1 complete, 3 need more people (2 have 0 of 3, 1 has 2 of 3)"
    )
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    assert re.search(rf"^ann +2 +0 +2 +1  {today}", done.stdout, re.M)
    assert re.search(rf"^bob +1 +0 +0 +1  {today}", done.stdout, re.M)
    assert re.search(rf"^maximilian +0 +0 +1 +0  {today}", done.stdout, re.M)
    columns = {line.rindex("  20") for line in done.stdout.splitlines() if "  20" in line}
    assert len(columns) == 1, "neatly aligned"
    few = (
        "Fewer than seven chunks wait for someone: add more stamps soon (add), so that nobody "
        "runs dry."
    )
    assert done.stdout.splitlines()[-1] == few
    assert given(hub, "dan") == SECOND
    told = run(hub, "status").stdout.splitlines()[0]
    assert told == "chunks   4: 1 complete, 1 with labelers, 2 need more people (2 have 0 of 3)"
    add(hub, [str(tarball(tmp_path / "more.tar.gz", map(str, range(100, 108))))])
    assert few in run(hub, "status").stdout, "six wait"
    add(hub, [str(tarball(tmp_path / "last.tar.gz", ["200"]))])
    assert few not in run(hub, "status").stdout, "seven wait"


def ago(**time):
    """Return the TIME of a label that was given so long ago."""
    at = datetime.now(timezone.utc) - timedelta(**time)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def status_of(hub):
    return run(hub, "status").stdout.splitlines()


def test_status_tells_the_pace_and_when_the_end_comes(hub):
    assert status_of(hub)[1] == (
        "detections 8: 8 left, which need 24 more answers; none that counts came in the last 7 days"
    )
    for user in ("ann", "bob"):
        given(hub, user)
    one, two = Hub(hub).objids(FIRST)
    send(hub, [row(one, "Good", ago(days=30)), row(two, "Unsure", ago(days=6))], "ann")
    send(hub, [row(one, "Good", ago(hours=1)), row(two, "Skipped", ago(minutes=1))], "bob")
    lines = status_of(hub)
    # three answers in the last week, 20 are lacking: 46.7 days
    assert lines[1] == (
        "detections 8: 8 left, which need 20 more answers: 47 days at the present 0.4 a day"
    )
    assert re.search(r"^ann +2 +0\.1 +0 +1 ", "\n".join(lines), re.M)
    assert re.search(r"^bob +1 +0\.1 +0 +1 ", "\n".join(lines), re.M)
    assert "a day: over the last 7 days" in lines


def test_the_pace_of_a_young_hub_is_taken_since_its_first_label(hub):
    given(hub, "ann")
    one, two = Hub(hub).objids(FIRST)
    send(hub, [row(one, time=ago(hours=2)), row(two, time=ago(hours=1))], "ann")
    lines = status_of(hub)
    assert lines[1].endswith("22 more answers: 11 days at the present 2.0 a day"), "a day at least"
    assert "a day: over the last day" in lines
    send(hub, [row(one, time=ago(hours=60))], "ann", at="2026-01-02_03-04-06")
    assert "2.0 a day" in status_of(hub)[1], "an older answer to the same detection does not count"
    given(hub, "bob")
    send(hub, [row(one, time=ago(hours=60))], "bob")
    lines = status_of(hub)
    assert lines[1].endswith("21 more answers: 18 days at the present 1.2 a day")
    assert "a day: over the 2.5 days since the first label" in lines
    assert re.search(r"^bob +1 +0\.4 ", "\n".join(lines), re.M), "the first counts too"


def test_status_takes_no_notice_of_what_a_gold_chunk_gets_beyond_its_need(hub):
    setting(hub, "labelers", 1)
    text = (hub / "chunks.csv").read_text()
    (hub / "chunks.csv").write_text(re.sub(rf"^({FIRST}(,\w+){{3}}),", r"\1,yes", text, flags=re.M))
    assert [chunk.name for chunk in listed(hub) if chunk.gold] == [FIRST]
    objids = Hub(hub).objids(FIRST)
    users = ("ann", "bob", "cec", "dan")
    for user in users:
        while FIRST not in Hub(hub).claimed(user)[0]:
            assert given(hub, user, *Hub(hub).claimed(user)[0])
    others = {user: len(Hub(hub).claimed(user)[0]) - 1 for user in users}
    for hours, user in enumerate(users, 1):
        send(hub, [row(objid, time=ago(hours=hours)) for objid in objids], user)
    lines = status_of(hub)
    waiting = 3 - sum(others.values())
    assert lines[0].startswith(f"chunks   4: 1 complete, {sum(others.values())} with labelers, ")
    assert f"{waiting} " in lines[0].split("with labelers, ")[1]
    # of the eight labels two were needed; six more are, at two a day
    assert lines[1] == (
        "detections 8: 6 left, which need 6 more answers: 3 days at the present 2.0 a day"
    )
    assert re.search(r"^dan +2 +2\.0 ", "\n".join(lines), re.M), "people's own pace is all they do"
    assert "gold" not in "\n".join(lines)


def test_status_lists_who_has_labels_but_no_folder_and_leaves_the_idle_expert_out(hub):
    text = "\n".join([",".join([*labels.COLUMNS, "USER"]), ",".join([*row("5"), "zoe"]), ""])
    (hub / "verified" / "zoe--2026-01-03_00-00-00.csv").write_text(text)
    Hub(hub).person(pwd.getpwuid(os.getuid()).pw_name)
    names = [line.split("  ")[0] for line in status_of(hub)]
    assert names[3:5] == ["person", "zoe"]
    assert status_of(hub)[4].split() == ["zoe", "1", "0", "0", "0", "2026-01-02", "03:04"]
    assert pwd.getpwuid(os.getuid()).pw_name not in names


def test_status_of_a_finished_hub_says_that_nothing_is_left(hub):
    setting(hub, "labelers", 1)
    while chunk := given(hub, "ann"):
        rows = [row(objid) for objid in Hub(hub).objids(chunk)]
        send(hub, rows, "ann", f"2026-01-02_03-04-{chunk[10:12]}")
    assert status_of(hub)[:2] == [
        "chunks   4: 4 complete, 0 need more people",
        "detections 8: none left",
    ]


# ---- several accounts ----


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


def put(hub, account, rows, user=None):
    file, sha256 = upload(hub, rows, user or account)
    shutil.chown(hub / "incoming" / f".{file}.part", account)
    return file, sha256


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
    line = ",".join([*row(Hub(shared).objids(FIRST)[0]), "USER"])
    written = (("daemon", "daemon"), ("root", "bob"), ("nobody", "daemon"))
    for second, (account, user) in enumerate(written):
        path = shared / "verified" / f"{user}--2026-01-02_03-04-0{second}.csv"
        path.write_text(",".join([*labels.COLUMNS, "USER"]) + f"\n{line.replace('USER', user)}\n")
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
        # 5: not allowed, which on AFS is how a missing ticket looks
        ({"extra_groups": []}, 5, "Permission denied"),
    ],
)
def test_an_account_the_hub_cannot_serve_is_told(shared, change, status, words):
    done = run(shared, "next", **{**by("nobody"), **change})
    assert done.returncode == status
    assert words in done.stderr and "safe" in done.stderr
