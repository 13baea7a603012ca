"""`check`: one line when all is well, else one line for each thing that is not."""

import os
import shutil

import pytest
from hubs import FIRST, FOURTH, SECOND, THIRD, age, given, run, setting, tarball
from test_expert import ME, everyone, label, make_gold, of, wanted

from cluster.add import run as add
from cluster.check import run as check_hub
from cluster.hub import Hub, now
from cluster.init import run as init

FILE = "ann--2026-01-02_03-04-00.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    hub = folder / "hub"
    init(hub)
    setting(hub, "chunk_size", 2)
    add(hub, [str(tarball(folder / "drop.tar.gz", map(str, range(1, 9))))], stamp="drop")
    make_gold(hub, SECOND)
    one, two = of(hub, FIRST)
    everyone(hub, {"ann": {one: "Unsure"}, "bob": {two: "Other"}})
    label(hub, "cec", {of(hub, given(hub, "cec"))[0]: "Good", "99": "Good"}, 20)
    assert wanted(hub) == SECOND
    label(hub, ME, dict.fromkeys(of(hub, SECOND), "Good"), 30)
    assert wanted(hub).startswith("review--")
    assert run(hub, "collect").returncode == 0
    return hub


@pytest.fixture
def busy(made, tmp_path):
    """A hub on which people and the expert have worked, and a review chunk was begun."""
    return shutil.copytree(made, tmp_path / "hub")


def check(hub, capsys):
    """Return the exit status and the lines."""
    capsys.readouterr()
    status = check_hub(hub)
    told = capsys.readouterr()
    assert (told.err == "") == (status == 0)
    return status, told.out.splitlines()


def test_one_line_says_that_all_is_well(busy, capsys):
    assert check(busy, capsys) == (
        0,
        [f"All is as it should be in {busy}: 4 chunks, 4 people."],
    )
    done = run(busy, "check")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_next_command_mends_is_no_violation(busy, capsys):
    (busy / "chunks" / "chunk--00009--x.tar.gz").write_bytes(b"an add was ended here")
    (busy / "claims" / "chunk--00009--x").mkdir()
    (busy / "incoming" / ".zoe--2026-01-02_03-04-05.csv.part").write_text("on its way")
    (busy / "claims" / FOURTH / "9").write_text(f"zoe {now()}\n")
    for slot, text in enumerate(("", "zo", "zoe ", f"zoe {now()[:9]}"), 10):
        (busy / "claims" / FOURTH / str(slot)).write_text(text)
        assert check(busy, capsys)[0] == 0, "a claim whose writer died amid it harms nobody"
        (busy / "claims" / FOURTH / str(slot)).unlink()


def change(path, old, new):
    def spoil(hub):
        text = (hub / path).read_text()
        assert old in text
        (hub / path).write_text(text.replace(old, new, 1))

    return spoil


def write(path, text):
    return lambda hub: (hub / path).write_text(text)


def remove(path):
    def spoil(hub):
        shutil.rmtree(hub / path) if (hub / path).is_dir() else (hub / path).unlink()

    return spoil


def swap(hub):
    one, two = (hub / "chunks" / f"{name}.tar.gz" for name in (FIRST, SECOND))
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def link(hub):
    (hub / "verified" / FILE).rename(hub / "kept")
    (hub / "verified" / FILE).symlink_to(hub / "kept")


def full(hub):
    version = (hub / "hub.ini").stat().st_mtime_ns
    (hub / "people" / "ann" / "full").write_text(f"{version} 2 {SECOND}\n0 0\n")
    (hub / "claims" / SECOND / "1").unlink()
    (hub / "people" / "ann" / SECOND).unlink()
    (hub / "people" / "ann" / f"{SECOND}.done").unlink()
    text = (hub / "chunks.csv").read_text()
    (hub / "chunks.csv").write_text(text.replace(",yes,", ",,"))


def close(hub):
    given(hub, "cec", SECOND)
    assert label(hub, "cec", {of(hub, FIRST)[0]: "Good"}, 21)[:2] == (1, 0)
    (hub / "people" / "cec" / f"{FIRST}.done").write_text("")


def earlier(hub):
    for user, name in (("ann", f"{FIRST}x"), ("cec", FIRST), ("ann", FIRST)):
        (hub / "earlier" / user).mkdir(exist_ok=True)
        (hub / "earlier" / user / name).write_text(f"{user} {now()}\n")


def crowd(hub):
    for slot, user in enumerate(("dan", "eve", "fay", "gus"), 11):
        given(hub, user)  # makes their folders
        line = f"{user} {now()}\n"
        (hub / "claims" / FOURTH / str(slot)).write_text(line)
        (hub / "people" / user / FOURTH).write_text(line)
    os.utime(hub / "hub.ini", (1, 1))


@pytest.mark.parametrize(
    "spoil, line",
    [
        (lambda hub: (hub / "people").chmod(0o2775), "people: its mode is 2775, not 3775; run"),
        (lambda hub: (hub / "expert").chmod(0o755), "expert: its mode is 755, not 700; run init"),
        (lambda hub: hub.chmod(0o2777), ".: its mode is 2777, not 2750"),
        (lambda hub: hub.chmod(0o2755), ".: its mode is 2755, not 2750"),
        (remove("rejected"), "rejected: No such file or directory; run init"),
        (remove(f"claims/{THIRD}"), f"claims/{THIRD}: No such file"),
        (write("hub", "#!/bin/sh\n"), "hub: it is not the program"),
        (change("chunks.csv", THIRD, "x"), "chunks.csv: line 4 is no chunk"),
        (change("chunks.csv", ",yes,", ",yea,"), f"chunks.csv: gold of {SECOND} is neither"),
        (change("chunks.csv", THIRD, FIRST), f"chunks.csv: {FIRST} is out of order, or there"),
        (remove(f"chunks/{THIRD}.tar.gz"), f"chunks/{THIRD}.tar.gz: No such file"),
        (swap, f"chunks/{FIRST}.tar.gz: it is not what chunks.csv says"),
        (swap, f"chunks/{SECOND}.tar.gz: its detections are not those of its table"),
        (remove(f"metadata/{THIRD}.csv"), f"metadata/{THIRD}.csv: No such file"),
        (write(f"metadata/{THIRD}.csv", "SNID\n1\n2\n"), "it is no table that begins with OBJID"),
        (write(f"metadata/{THIRD}.csv", "OBJID\n77\n"), "it has 1 detection, chunks.csv says 2"),
        (
            lambda hub: shutil.copy(hub / f"metadata/{FIRST}.csv", hub / f"metadata/{THIRD}.csv"),
            f"is in {FIRST} as well",
        ),
        (write("chunks/notes.txt", ""), "chunks/notes.txt: it does not belong there"),
        (write(f"claims/{FIRST}/x", ""), f"claims/{FIRST}/x: it does not belong there"),
        (write(f"claims/{FIRST}/9", f"ann {now()}"), f"{FIRST}/9: ann has this chunk twice"),
        (write(f"claims/{FIRST}/9", "x\n"), f"claims/{FIRST}/9: {ME} wrote it, and it does not"),
        (write(f"claims/{FIRST}/9", "zoe 2999-01-01T00:00:00Z\n"), "9: it is from the future"),
        (lambda hub: os.utime(hub / f"claims/{FIRST}/1", (2**33,) * 2), "1: it is from the future"),
        (change(f"verified/{FILE}", "2026-01", "9999-01"), f"verified/{FILE}: 1 row is no label"),
        (earlier, f"earlier/ann/{FIRST}x: there is no such chunk"),
        (earlier, f"earlier/cec/{FIRST}: there is no such chunk, or labels of it are missing"),
        (crowd, f"claims/{FOURTH}/14: gus got it while"),
        (remove(f"claims/{FIRST}/1"), f"people/ann/{FIRST}: there is no claim of ann in claims/"),
        (remove(f"people/ann/{FIRST}.done"), f"people/ann/{FIRST}: all is dealt with, but"),
        (close, f"{FIRST}.done: 1 detection is not dealt with in verified/"),
        (write("people/ann/chunk--00099--x", ""), "people/ann/chunk--00099--x: there is no such"),
        (write("people/notes", ""), "people/notes: it is no person's folder"),
        (full, f"people/ann/full: {SECOND} has room"),
        (remove(f"verified/{FILE}"), f"incoming/{FILE}: it was never verified"),
        (remove(f"incoming/{FILE}"), f"verified/{FILE}: there is no such upload in incoming"),
        (change(f"verified/{FILE}", ",drop,", ",drip,"), f"verified/{FILE}: 1 row is no label of"),
        (change(f"verified/{FILE}", ",ann", ",bob"), f"verified/{FILE}: 1 row is no label of ann"),
        (link, f"verified/{FILE}: it is not a plain file"),
        (write("incoming/x.csv", ""), "incoming/x.csv: it does not belong there"),
        (write("agreement/ann", "3 2\n"), "agreement/ann: it is no agreement"),
        (write("expert/incoming/" + FILE, ""), f"expert/incoming/{FILE}: ann is not the expert"),
        (write("expert/votes/chunk--00099--x.csv", ""), "expert/votes/chunk--00099--x.csv: there"),
        (write("expert/chunks/x.tar.gz", ""), "expert/chunks/x.tar.gz: it does not belong"),
    ],
)
def test_each_thing_that_is_amiss_is_a_line(busy, capsys, spoil, line):
    spoil(busy)
    status, lines = check(busy, capsys)
    assert status == 1
    assert any(line in found for found in lines), lines


def test_what_everybody_skipped_is_named_until_it_comes_anew(tmp_path, capsys):
    hub, source = tmp_path / "hub", str(tarball(tmp_path / "drop.tar.gz", ["1", "2"]))
    init(hub)
    add(hub, [source], stamp="drop")
    for user, second in (("ann", 1), ("bob", 2)):
        assert given(hub, user) == FIRST
        label(hub, user, {"1": "Skipped", "2": "Skipped" if user == "ann" else "Good"}, second)
        given(hub, user, FIRST)
    assert check(hub, capsys) == (
        1,
        [
            f"chunks/{FIRST}.tar.gz: 1 detection was skipped by everybody, such as 1; "
            "mend the stamps and add them again"
        ],
    )
    add(hub, [source], stamp="again")
    assert check(hub, capsys)[0] == 0
    again = "chunk--00002--again"
    assert given(hub, "ann", FIRST) == again
    assert check(hub, capsys)[0] == 0, "what ann skipped before is dealt with there alone"
    label(hub, "ann", {"1": "Good"}, 3, "again")
    assert Hub(hub).has_finished("ann", again) and check(hub, capsys)[0] == 0
    label(hub, "ann", {"2": "Good"}, 4, "drop")  # who looks at the first stamps again
    assert check(hub, capsys)[0] == 0


def test_a_review_chunk_must_be_whole_and_its_detections_where_it_says(busy, capsys):
    (path,) = (busy / "expert" / "chunks").iterdir()
    table = busy / "expert" / "metadata" / f"{path.name[:-7]}.csv"
    table.write_text(table.read_text().replace("--drop", "--drip"))
    assert any("is not in the chunk it names" in line for line in check(busy, capsys)[1])
    path.write_bytes(path.read_bytes()[:100])
    assert any(f"{path.name}: it ends too early" in line for line in check(busy, capsys)[1])


def test_claims_that_were_right_when_they_were_made_stay_right(busy, capsys):
    for slot, user in enumerate(("dan", "eve", "fay"), 11):
        (busy / "claims" / FOURTH / str(slot)).write_text(f"{user} {now()}\n")
    age(busy / "claims" / FOURTH / "1", 20)
    age(busy / "claims" / FOURTH / "2", 20)
    os.utime(busy / "hub.ini", (1, 1))
    for user in ("ann", "bob"):  # who finished after it had gone to others
        done = busy / "people" / user / f"{FOURTH}.done"
        os.utime(done)
    assert check(busy, capsys)[0] == 0
    text = (busy / "hub.ini").read_text()
    (busy / "hub.ini").write_text(text.replace("labelers = 3", "labelers = 1"))
    assert check(busy, capsys)[0] == 0, "and after the setting was lowered"
