"""Faults as laptops have them: no label whose picture had gone is lost, and none counts twice."""

import contextlib
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import (
    KINDS,
    ROOT,
    Desk,
    cluster,
    fill,
    midnight_in,
    put,
    tarball,
    triplets,
    verified,
    wait_until,
)
from onscreen import pass_time, plain

import disk
import labelfile
import stamps

SEED = 20261122
KEYS = "1234567"


def shade_of(objid):
    return 30 + int(objid) % 200


def shade_on_screen(program):
    """Return the one grey in a corner of Difference, which is painted last; else None."""
    pixels = np.frombuffer(program.difference(), np.uint8)
    side = int((pixels.size // 3) ** 0.5)
    red, green, blue = pixels.reshape(side, side, 3)[: side // 4, : side // 4].reshape(-1, 3).T
    only = red.min() == red.max() and (red == green).all() and (red == blue).all()
    return int(red[0]) if only else None


def seconds_of_presses(program, seconds):
    """Press keys rapidly for some seconds, and return the shades of the pictures that went."""
    seen = [wait_until(lambda: shade_on_screen(program))]
    end = time.monotonic() + seconds
    keys = random.Random(seconds)
    while time.monotonic() < end:
        program.screen.key(keys.choice(KEYS))
        pass_time(0.01)
        shade = shade_on_screen(program)
        if shade not in (None, seen[-1]):
            seen.append(shade)
    return seen[:-1]


def test_kill_9_at_any_moment_of_rapid_presses_loses_no_label(start, tmp_path, long):
    moments = 300 if long else 12
    hub, dice, given, pictures = tmp_path / "hub", random.Random(SEED), {}, 0
    cluster("init", hub)
    members = {
        f"batch/{kind}{n}.gif": plain(shade_of(n)) for n in range(1, 10 * moments) for kind in KINDS
    }
    cluster("add", hub, tarball(tmp_path / "drop.tar.gz", members), "--stamp", "first")
    for _ in range(moments):
        program = start("--hub", hub, "--user", "ann").open_window(picture=False)
        before = len(program.rows())
        gone = seconds_of_presses(program, dice.uniform(0, 1.5))
        os.kill(program.pid, signal.SIGKILL)
        program.end()
        program.kill()

        def kept(program=program, before=before, gone=gone):
            rows = program.rows()[before:]
            return [shade_of(row.objid) for row in rows][: len(gone)] == gone

        wait_until(kept, what="every row")  # an upload may be moving a file at the moment
        pictures += len(gone)
        given.update((row.objid, row.action) for row in program.rows())
    program = start("--hub", hub, "--user", "ann").open_window(picture=False)
    assert program.close() == 0
    given.update((row.objid, row.action) for row in program.rows())
    assert len(given) >= pictures > moments and verified(hub) == given


def test_kill_9_of_sync_sh_and_of_all_it_called_loses_no_label_and_no_chunk(tmp_path, long):
    """Moments spread over a fetch and an upload; `hub receive` is among what dies in its middle."""
    moments, dice = 300 if long else 8, random.Random(SEED)
    hub, data = tmp_path / "hub", tmp_path / "data"
    cluster("init", hub)
    (hub / "hub.ini").write_text(
        (hub / "hub.ini").read_text().replace("chunk_size = 50", "chunk_size = 4")
    )
    source = tarball(tmp_path / "drop.tar.gz", triplets(range(1, 1 + 4 * moments)))
    cluster("add", hub, source, "--stamp", "first")
    (data / "labels" / "waiting").mkdir(parents=True)
    (data / "settings.ini").write_text(f"[artifactspy]\nhub = {hub}\nuser = ann\n")
    env = {**os.environ, "ARTIFACTSPY_DATA": str(data)}

    def sync(verb, seconds=None):
        process = subprocess.Popen([ROOT / "sync.sh", verb], env=env, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    began = time.monotonic()
    assert sync("fetch") == 0
    whole, given, cut = time.monotonic() - began, {}, 0
    for moment in range(moments):
        cut += sync("fetch", dice.uniform(0, whole)) == -signal.SIGKILL
        assert sync("fetch") in (0, 3)
        objid = str(1 + moment)
        file = labelfile.LabelFile(data / "labels" / "waiting", "ann")
        file.append(labelfile.row(objid, "Good", metadata_stamp="first"))
        file.close()
        given[objid] = "Good"
        cut += sync("upload", dice.uniform(0, 1.5 * whole)) == -signal.SIGKILL
    assert sync("upload") == 0 and cut > moments / 2
    assert verified(hub) == given
    assert cluster("check", hub).startswith("All is as it should be")
    while sync("fetch") != 3:
        pass
    found = [stamps.Chunk(path).objids for path in sorted(data.glob("chunks/*.tar.gz"))]
    assert sorted(int(objid) for objids in found for objid in objids) == list(
        range(1, 1 + 4 * moments)
    )
    assert not list(data.glob("*/.*.part")) and not list(data.glob("*/*/.*.part"))


@contextlib.contextmanager
def fault(kind, folder, place):
    """Let nothing be written into one place of a data folder that is a small disk."""
    if kind == "full":
        filler = fill(folder)
        yield
        filler.unlink()
    elif kind == "read-only":
        there = folder / "labels" / place
        there.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", there, there], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", there], check=True)
        yield
        subprocess.run(["umount", there], check=True)
    else:  # and cannot be made again
        away = folder / "labels" / "away"
        away.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (folder / "labels" / place).rename(away)
        (folder / "labels" / place).write_text("a file where the folder was")
        yield
        (folder / "labels" / place).unlink()
        with contextlib.suppress(FileNotFoundError):
            away.rename(folder / "labels" / place)


FAULTS = "full", "read-only", "removed"


@pytest.fixture
def on_small_disk(small_disk, tmp_path):
    """Make desks whose data folder is a small disk."""
    (tmp_path / "data").symlink_to(small_disk)
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 6)))
    desks = []

    def make(hub=tmp_path / "no hub"):
        desks.append(Desk(tmp_path / "data", hub))
        return desks[-1]

    yield make
    for made in desks:
        made.sync.stop()
        made.session._errands.shutdown()
        made.session._reading.shutdown()


@pytest.mark.parametrize(
    "before, kind",
    # in a folder that became read-only a file that is open already can still be written
    [(0, "full"), (2, "full"), (0, "read-only"), (0, "removed"), (2, "removed")],
)
def test_a_press_that_cannot_be_kept_is_not_accepted_and_the_same_press_works_afterwards(
    on_small_disk, small_disk, before, kind
):
    subject = on_small_disk().open()
    subject.pump(lambda: subject.session._begun)
    for _ in range(before):
        subject.label("Good")
    page = subject.session.page()
    with fault(kind, small_disk, "open"):
        with pytest.raises(labelfile.LabelError) as error:
            # on a full disk what the file's last block holds is taken
            for _ in range(4):
                subject.session.label(subject.session.page().detection.objid, "Other", "x" * 1900)
                subject.pump(lambda: subject.session.page().pictures)
                page = subject.session.page()
        assert str(error.value).count(". ") == 1 and "press again" in str(error.value)
        assert subject.session.page() == page and page.pictures
    objid = subject.session.page().detection.objid
    subject.session.label(objid, "Other", "x" * 1900)
    subject.close()
    files = sorted(small_disk.glob("labels/*/*.csv"))  # one that came back waits in open/
    rows = [row for file in files for row in labelfile.read(file).rows]
    assert [row.objid for row in rows] == [str(n) for n in range(1, int(objid) + 1)]
    assert not list(small_disk.glob("labels/*/*.torn"))


@pytest.mark.parametrize("kind", FAULTS)
def test_labels_that_cannot_be_settled_stay_and_the_next_start_sends_them(
    on_small_disk, small_disk, hub, kind
):
    subject = on_small_disk(hub).open()
    objids = [subject.label("Good") for _ in range(2)]
    with fault(kind, small_disk, "waiting"):
        status, said = subject.close()
        assert status == 1 and "The labels are on disk" in said
    again = on_small_disk(hub).open()
    assert again.session.page().detection.objid == "3"
    again.pump(lambda: list(small_disk.glob("labels/*/*--*.csv")))
    again.close()
    rows = [row for file in small_disk.glob("labels/*/*.csv") for row in labelfile.read(file).rows]
    assert [row.objid for row in rows] == objids


@pytest.mark.parametrize("kind", FAULTS)
def test_labels_that_cannot_be_put_among_the_sent_ones_are_at_the_hub_once(
    start, hub, small_disk, kind
):
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    given = {row.objid: row.action for row in (program.label(key) for key in "16")}
    with fault(kind, small_disk, "sent"):
        assert program.close() == 1 or kind == "full"  # a rename needs no room
    program = start("--hub", hub, "--user", "ann", data=small_disk).open_window()
    wait_until(lambda: verified(hub) == given, what="the labels at the hub")
    assert program.close() == 0
    assert verified(hub) == given


@pytest.fixture
def shifted(monkeypatch):
    """Set the clock of what writes label files, in seconds ahead of the true one."""
    real = disk.datetime

    class Clock(real):
        @classmethod
        def now(cls, zone=None):
            return real.now(zone) + disk.timedelta(seconds=seconds[0])

    seconds = [0.0]
    monkeypatch.setattr(disk, "datetime", Clock)
    monkeypatch.setattr(labelfile, "datetime", Clock)
    return lambda ahead: seconds.__setitem__(0, ahead)


@pytest.mark.parametrize("jump", [-7200, -0.5, 7200])
def test_the_latest_press_counts_though_the_clock_jumps(desk, hub, shifted, jump):
    subject = desk(hub).open()
    first = subject.label("Good")
    shifted(jump)
    second = subject.label("Marginal")
    for _ in range(2):
        subject.session.back()
    subject.pump(lambda: subject.session.page().pictures)
    assert subject.label("Unsure") == first
    assert subject.close()[0] == 0
    shifted(0)
    again = desk(hub).open()
    again.session.back()
    again.pump(lambda: again.session.page().pictures)
    last = again.label("BadSubtraction")
    assert again.close()[0] == 0
    files = sorted(hub.glob("verified/*.csv"))
    answers = labelfile.latest(files, {first, second})
    wanted = {first: "Unsure", second: "Marginal", last: "BadSubtraction"}
    assert {objid: row.action for objid, row in answers.items()} == wanted


def test_two_sessions_of_one_second_on_two_laptops_both_arrive(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(disk, "time_names", lambda: iter(["2026-11-22_13-08-00"] * 2))
    desks = [Desk(tmp_path / name, hub) for name in ("one", "two")]
    given = {}
    for subject in desks:
        subject.open()
    for subject, name in zip(desks, ("Good", "Marginal")):
        if name == "Marginal":  # both have the same chunk: the second labels other detections
            subject.label("Unsure")
            subject.label("Unsure")
        for _ in range(3):
            given[subject.label(name)] = name
    assert [subject.close()[0] for subject in desks] == [0, 0]
    rows = [row for file in hub.glob("verified/*.csv") for row in labelfile.read(file).rows]
    assert given.items() <= {(row.objid, row.action) for row in rows}
    for subject in desks:
        subject.session._reading.shutdown()
        subject.session._errands.shutdown()


def clocks_change_in(seconds, ahead):
    """Return a time zone whose clocks are put ahead, or back, by an hour in so many seconds."""
    then = time.gmtime(time.time() + seconds + (0 if ahead else 3600))
    at = f"{then.tm_yday - 1}/{then.tm_hour}:{then.tm_min:02d}:{then.tm_sec:02d}"
    other = f"{(then.tm_yday + 180) % 365}/3"
    return f"AAA0BBB,{at},{other}" if ahead else f"AAA0BBB,{other},{at}"


@pytest.mark.parametrize("change", ["midnight", "ahead", "back"])
def test_a_session_over_midnight_and_over_a_change_of_the_clocks_loses_nothing(start, hub, change):
    at = time.time() + 8
    zone = midnight_in(8) if change == "midnight" else clocks_change_in(8, change == "ahead")
    program = start("--hub", hub, "--user", "ann", env={"TZ": zone}).open_window()
    rows = [program.label("6")]
    wait_until(lambda: time.time() > at + 1, seconds=20, what=change)
    rows.append(program.label("1"))
    program.page_turns(lambda: program.screen.key("BackSpace"))
    rows[1] = program.label("5")
    assert 0 < labelfile.given_at(rows[1]) - labelfile.given_at(rows[0]) < 60
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}
