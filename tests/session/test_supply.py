"""When the hub is asked, when it is left alone, what is told of it."""

import hashlib
import os
import re
import threading

from conftest import put, triplets

import stamps
from look import Look
from session import supply
from session.folder import Folder
from session.settings import SessionError, Settings, stored
from session.sync import Sync


def test_no_second_fetch_begins_while_what_the_first_brought_is_opened(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2, 3]))
    subject, fetches, opened = desk(), [], threading.Event()

    def call(verb):
        if verb == "fetch":
            fetches.append(verb)
            if len(fetches) == 1:
                put(tmp_path, "b--x.tar.gz", triplets(range(11, 91)))
        return 0, ""

    monkeypatch.setattr(subject.sync, "call", call)
    subject.open()
    read = stamps.Chunk.read
    monkeypatch.setattr(stamps.Chunk, "read", lambda *a: (opened.wait(5), read(*a)))
    subject.pump(lambda: subject.session.supply.state is supply.State.OPENING)
    subject.session.clock.start()
    subject.session.label(subject.session.page().detection.objid, "Good")
    opened.set()
    subject.pump(lambda: len(subject.session._line.pages) == 83)
    subject.pump(lambda: subject.session.supply.state is supply.State.WATCHING)
    assert len(fetches) == 1


def test_a_fetch_that_cannot_begin_is_tried_again(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk()

    def call(verb):
        raise PermissionError(13, "Permission denied", "sync.sh")

    monkeypatch.setattr(subject.sync, "call", call)
    subject.open()
    subject.pump(lambda: subject.session.supply.state is supply.State.PAUSING)
    assert any("sync.sh cannot be run (Permission denied)" in said for said in subject.said)


def test_a_fetch_that_brings_nothing_new_is_not_repeated_at_once(desk, tmp_path, hub):
    """A chunk that gzip finds damaged, though its sum is right, was fetched ten times a second."""
    (path,) = hub.glob("chunks/*.tar.gz")
    path.write_bytes(path.read_bytes() + b"trailing rubbish that gzip does not like")
    table = hub / "chunks.csv"
    text = table.read_text()
    old = text.splitlines()[1].split(",")
    new = [hashlib.sha256(path.read_bytes()).hexdigest(), str(path.stat().st_size)]
    table.write_text(text.replace(f"{old[1]},{old[2]}", ",".join(new)))
    subject = desk(hub).open()
    subject.pump(lambda: "no next chunk yet, next try at" in subject.session.supply.text)


def test_the_pauses_between_attempts_grow_up_to_five_minutes(desk, monkeypatch):
    pauses = []

    class Timer(threading.Timer):
        def __init__(self, seconds, *arguments):
            pauses.append(seconds)
            super().__init__(0, *arguments)

    monkeypatch.setattr(threading, "Timer", Timer)
    subject = desk()
    subject.session.start()
    subject.pump(lambda: len(pauses) >= 7)
    assert pauses[:7] == [30, 60, 120, 240, 300, 300, 300]
    assert len(subject.said) == 1  # the reason is told once


def test_an_errand_that_is_just_starting_can_be_stopped(desk):
    subject = desk()
    subject.sync.only_upload()
    assert subject.sync.call("fetch") == (1, "Stopped; nothing is lost.")
    assert subject.sync.call("upload") == (0, "No labels are waiting to be sent.")
    subject.sync.stop()
    assert subject.sync.call("upload") == (1, "Stopped; nothing is lost.")


def test_how_much_of_a_chunk_has_arrived_is_told(desk, hub):
    (path,) = hub.glob("chunks/*.tar.gz")
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)  # a file that arrives as slowly as this test writes
    line = os.open(path, os.O_RDWR)
    subject = desk(hub)
    subject.session.start()
    os.write(line, data[: len(data) // 2])
    text = re.compile(r"fetching the next chunk, (4[0-9]|50)%")  # some kB are on their way
    subject.pump(lambda: text.fullmatch(subject.session.supply.text))
    os.write(line, data[len(data) // 2 :])
    os.close(line)
    subject.session.show_as(60, Look())
    subject.pump(lambda: subject.session.page().pictures)


def test_hub_and_user_are_remembered_once_the_hub_has_answered(tmp_path, hub):
    data = tmp_path / "data"
    data.mkdir()
    given = {"hub": str(hub), "user": "ann"}
    chosen = Settings(data, data, str(hub), "ann", "none", "", False, 0, given=given)
    sync = Sync(chosen)
    subject = supply.Supply(
        sync,
        Folder(data, "ann"),
        *(lambda *_: None for _ in range(6)),
    )
    script = hub / "hub"
    script.rename(hub / "real-hub")
    assert subject._call("fetch")[0] == 7
    assert sync.forgets and not stored(data / "settings.ini")
    (hub / "real-hub").rename(script)
    assert subject._call("fetch")[0] == 0
    assert stored(data / "settings.ini") == given and not sync.forgets


def test_what_is_done_before_the_hub_is_asked_says_how_far_it_is_and_why_not(tmp_path):
    data, got = tmp_path / "data", []
    sync = Sync(Settings(data, data, "no hub", "ann", "none", "", False, 0))

    def before(tell):
        tell("making 2 of 3")
        raise SessionError("the disk is full")

    nothing = [lambda *_: None] * 4
    subject = supply.Supply(
        sync, Folder(data, "ann"), None, lambda *call: got.append(call), *nothing, before=before
    )
    subject._fetch()
    assert got == [(subject._preparing, "making 2 of 3"), (subject._fetched, 1, "the disk is full")]


def test_a_command_is_heard_line_by_line(tmp_path):
    sync, heard = Sync(Settings(tmp_path, tmp_path, "no hub", "ann", "none", "", False, 0)), []
    assert sync.run(["printf", "1\\n2\\nhalf a line"], 10, heard=heard.append) == (0, "half a line")
    assert heard[-1] == "2" and set(heard) <= {"1", "2"}
