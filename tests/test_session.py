"""Whole sessions, from the first picture to verified rows; and what is settled before them."""

import csv
import hashlib
import os
import queue
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT, cluster, fill, hold, tarball, triplets, verified, wait_until
from test_window import ask_for_comment

import labels
import stamps
from look import Look
from session import card, pictures, settings, supply, verdict
from session.session import Session
from session.sync import Sync

# Who labels what


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


# The Session without a window


class Desk:
    """A session whose window is this test: what is delivered waits until it is pumped."""

    def __init__(self, data, hub, user="ann"):
        self.calls, self.said, self.data = queue.SimpleQueue(), [], data
        self.settings = settings.Settings(data, data, str(hub), user, "none", "", False, 0)
        self.sync = Sync(self.settings)
        self.session = Session(
            self.settings, self.sync, self.deliver, lambda: None, self.said.append
        )

    def deliver(self, function, *arguments):
        self.calls.put((function, arguments))

    def pump(self, until):
        """Do what was delivered, as the window does, until a condition holds."""

        def step():
            while not self.calls.empty():
                function, arguments = self.calls.get()
                function(*arguments)
            return until()

        wait_until(step)

    def open(self, until=lambda page: page.pictures):
        self.session.start()
        self.session.show_as(60, Look())
        self.pump(lambda: until(self.session.page()))
        return self

    def label(self, name, comment=""):
        objid = self.session.page().detection.objid
        self.session.clock.start()
        self.session.label(objid, name, comment)
        self.pump(lambda: self.session.page().pictures or not self.session.page().detection)
        return objid

    def close(self):
        ended = []
        self.session.finish(lambda status, said: ended.append((status, said)))
        self.pump(lambda: ended)
        return ended[0]


@pytest.fixture
def desk(tmp_path):
    """Make desks on one data folder; their threads end with the test."""
    desks = []

    def make(hub=tmp_path / "no hub", user="ann"):
        desks.append(Desk(tmp_path / "data", hub, user))
        return desks[-1]

    yield make
    for made in desks:
        made.sync.stop()
        made.session._errands.shutdown()
        made.session._reading.shutdown()


def put(tmp_path, name, members):
    (tmp_path / "data" / "chunks").mkdir(parents=True, exist_ok=True)
    return tarball(tmp_path / "data" / "chunks" / name, members)


def test_what_is_on_screen_stays_until_it_is_drawn_anew(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    subject.session.clock.start()
    before = subject.session.page().pictures
    subject.session.show_as(80, Look(inverted=True))
    assert subject.session.page().pictures is before
    subject.pump(lambda: subject.session.page().pictures is not before)
    assert subject.session.page().pictures[0].startswith(b"P5 80 80 ")
    subject.label("Good")  # and the next one is drawn in the same way
    assert subject.session.page().pictures[0].startswith(b"P5 80 80 ")


def test_a_chunk_that_arrives_leaves_the_page_on_screen(desk, tmp_path):
    """Labelled pages were sorted anew, and the comment for one detection went to another."""
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 6)))
    first = desk().open()
    for name in ("Good", "Good", "Good"):
        first.label(name)
    first.close()
    second = desk().open(lambda page: page.pictures and page.detection.objid == "4")
    for _ in range(3):
        second.session.back()
    second.label("Unsure")
    page = second.session.page()
    assert page.detection.objid == "2"
    put(tmp_path, "b--y.tar.gz", triplets(range(11, 14)))
    second.session._pictures.read_on()
    second.pump(lambda: "b--y" in second.session._chunks)
    assert second.session.page().detection.objid == "2"
    with pytest.raises(labels.LabelError, match="no longer on screen"):
        second.session.label("3", "Good")


def test_an_incomplete_copy_never_overwrites_a_label(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([101, 102]))
    subject = desk().open()
    members = triplets([101, 105])
    del members["batch/diff101.gif"]
    put(tmp_path, "b--y.tar.gz", members)
    chunk = stamps.Chunk(tmp_path / "data" / "chunks" / "b--y.tar.gz")
    subject.label("Good")
    # the reader had looked before the label was there
    opened = pictures.Opened(chunk.name, tuple(chunk.objids), chunk.incomplete, None, True, {}, {})
    subject.session._receive(opened)
    subject.session._record.append()
    rows, _ = labels.read(subject.session._record.path)
    assert [(row.objid, row.action) for row in rows] == [("101", "Good")]


def test_the_first_page_of_a_large_chunk_does_not_wait_for_the_last(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 61)))
    subject = desk()
    subject.session.start()
    arrived = []

    def take():
        while not subject.calls.empty():
            function, arguments = subject.calls.get()
            if isinstance(arguments[0], pictures.Opened):
                arrived.append((len(arguments[0].objids), arguments[0].whole))
            function(*arguments)
        return len(arrived) > 1

    wait_until(take)
    assert arrived == [(pictures.PORTION, False), (60, True)]
    assert [d.objid for d in subject.session._line.pages] == [str(n) for n in range(1, 61)]
    assert subject.session.progress() == (0, 60)


def test_stamps_of_two_chunks_stay_in_memory_and_others_are_read_again(desk, tmp_path):
    for letter, number in zip("abc", (1, 3, 5)):
        put(tmp_path, f"{letter}--x.tar.gz", triplets([number, number + 1]))
    subject = desk()
    subject.open(lambda page: page.pictures and len(subject.session._line.pages) == 6)
    first = subject.session.page().pictures

    def held():
        return [
            name
            for name, chunk in subject.session._pictures.reader._chunks.items()
            if chunk._triplets
        ]

    assert held() == ["a--x", "b--x"]
    for _ in range(5):
        subject.label("Good")
        subject.session.read_ahead()
    subject.pump(lambda: held() == ["b--x", "c--x"])
    for _ in range(5):
        subject.session.back()
        subject.pump(lambda: subject.session.page().pictures)
        subject.session.read_ahead()
    assert subject.session.page().detection.objid == "1"
    assert subject.session.page().pictures == first


def test_a_third_chunk_lets_go_of_its_stamps_while_it_is_read(desk, tmp_path, monkeypatch):
    for letter, number in zip("abc", (1, 11, 21)):
        put(tmp_path, f"{letter}--x.tar.gz", triplets(range(number, number + 9)))
    held, chunks, read = [], {}, stamps.Chunk.read

    def counted(chunk, *count):
        read(chunk, *count)
        chunks[chunk.name] = chunk
        parts = [parts for chunk in chunks.values() for parts in chunk._triplets.values()]
        held.append(sum(len(data) > 0 for part in parts for _, data in part.values()))

    monkeypatch.setattr(stamps.Chunk, "read", counted)
    subject = desk()
    subject.open(lambda page: page.pictures and len(subject.session._line.pages) == 27)
    assert max(held) == 2 * 9 * 3


def three_chunks(desk, tmp_path):
    """Return a desk with three chunks of two, of which the third is not in memory, and its file."""
    for letter, number in zip("abc", (1, 3, 5)):
        path = put(tmp_path, f"{letter}--x.tar.gz", triplets([number, number + 1]))
    subject = desk()
    subject.open(lambda page: page.pictures and len(subject.session._line.pages) == 6)
    return subject, path


def test_a_chunk_whose_file_went_missing_skips_nothing_and_may_come_back(desk, tmp_path):
    """What could not be read again was told to the hub as dealt with."""
    subject, path = three_chunks(desk, tmp_path)
    path.unlink()
    for _ in range(4):
        subject.session.read_ahead()
        subject.label("Good")
    subject.pump(lambda: subject.session.page().detection is None)
    rows, _ = labels.read(subject.session._record.path)
    assert [row.action for row in rows] == ["Good"] * 4
    put(tmp_path, path.name, triplets([5, 6]))
    subject.session._pictures.read_on()
    subject.pump(lambda: subject.session.page().pictures)
    assert [subject.label("Good"), subject.label("Good")] == ["5", "6"]
    assert len([sentence for sentence in subject.said if "cannot be read" in sentence]) == 1


def test_a_chunk_that_is_overwritten_by_a_broken_one_stays_what_it_was(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets(range(1, 8)))
    subject = desk().open()
    subject.label("Good")
    path.write_bytes(b"broken")
    subject.session._pictures.read_on()
    subject.pump(lambda: [s for s in subject.said if "it is no tar.gz" in s])
    assert subject.session.progress() == (1, 7)
    for _ in range(4):
        subject.label("Good")
    rows, _ = labels.read(subject.session._record.path)
    assert [row.action for row in rows] == ["Good"] * 5


def test_the_next_chunk_is_ready_only_if_there_is_one(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 61)))
    subject = desk().open()
    subject.pump(lambda: subject.session._begun)
    assert not subject.session.next_ready and not subject.session.supply.text


def test_a_card_does_not_wait_for_a_fetch(desk, tmp_path, hub):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    asked, go = hold(hub, "next")
    subject = desk(hub).open()
    subject.pump(asked.exists)
    subject.session.save_card()
    try:
        subject.pump(lambda: [s for s in subject.said if s.startswith("Picture: ")])
    finally:
        go.touch()


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


def test_a_comment_for_which_the_disk_has_no_room_can_be_had_again(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()

    def full(*_):
        raise labels.LabelError("full")

    monkeypatch.setattr(labels.LabelFile, "append", full)
    with pytest.raises(labels.LabelError, match="full"):
        subject.session.label("1", "Other", "a long comment")
    assert subject.session.comments.understand("1") == "a long comment"


def test_a_chunk_that_is_still_being_read_is_not_deleted(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets(range(1, 30)))
    reader = desk().session._pictures.reader
    chunk = reader._chunks["a--x"] = stamps.Chunk(path, at_once=False)
    chunk.read(2)
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True)
    labels.LabelFile(sent, "ann").append(labels.row("1", "Good"), labels.row("2", "Good"))
    reader.drop_finished()
    assert chunk.objids == ["1", "2"] and path.exists()


def test_what_another_person_labelled_here_is_not_taken_for_mine(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([101, 102]))
    alice = desk(user="alice").open()
    assert alice.label("Good") == "101"
    alice.close()
    bob = desk(user="bob").open()
    assert bob.session.page().detection.objid == "101"


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


@pytest.mark.parametrize("name", ["a\nb--x.tar.gz", "a,\xe9--x.tar.gz"])
def test_a_chunk_whose_name_would_spoil_the_label_file_is_passed_over(desk, tmp_path, name):
    put(tmp_path, name, triplets([1]))
    put(tmp_path, "b--y.tar.gz", triplets([2]))
    subject = desk().open()
    assert subject.session.page().detection.objid == "2"
    assert any("is passed over: rename it" in sentence for sentence in subject.said)


def test_finished_chunks_that_are_deleted_at_the_start_do_not_stop_it(desk, tmp_path):
    for letter in "abcde":
        put(tmp_path, f"{letter}--x.tar.gz", triplets([ord(letter)]))
    put(tmp_path, "f--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    sent = tmp_path / "data" / "labels" / "sent"
    file = labels.LabelFile(sent, "ann")
    file.append(*[labels.row(str(ord(letter)), "Good") for letter in "abcde"])
    again = desk().open(lambda page: page.pictures and page.detection.objid == "1")
    chunks = tmp_path / "data" / "chunks"
    again.pump(lambda: [path.name for path in chunks.iterdir()] == ["f--x.tar.gz"])
    assert subject and not [said for said in again.said if "went wrong" in said]


def test_a_file_that_cannot_be_read_does_not_keep_the_window_open(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    subject.label("Good")
    waiting = tmp_path / "data" / "labels" / "waiting"
    (waiting / "ann--2026-11-22_00-00-00.csv").symlink_to(tmp_path / "nowhere")
    assert subject.session.supply.to_send() == 1
    monkeypatch.setattr(labels, "settle", lambda *_: 1 / 0)  # a bug, wherever it may be
    status, said = subject.close()
    assert status == 1 and "The labels are on disk" in said


def test_a_row_that_a_spreadsheet_spoilt_does_not_stop_the_session(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True)
    (sent / "ann--2026-11-22_13-08-00.csv").write_text("9,Good,,22/11/2026 13:08,x,1.0\n")
    subject = desk()
    subject.session.supply.state = supply.State.PAUSING  # no hub is asked here
    subject.open()
    subject.pump(lambda: subject.session._begun)
    subject.session._reading.do(int).result()  # today's labels have been counted
    subject.pump(lambda: True)
    assert subject.label("Good") == "1" and subject.session.today == 1
    assert not subject.said


def test_a_bug_in_reading_costs_one_detection(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    real = stamps.Chunk.encoded
    monkeypatch.setattr(
        stamps.Chunk, "encoded", lambda chunk, objid: real(chunk, objid) if objid == "2" else 1 / 0
    )
    subject = desk().open()
    assert subject.session.page().detection.objid == "2"
    assert labels.read(subject.session._record.path)[0][0].action == "Skipped"


def test_a_skipped_row_waits_until_the_disk_has_room(desk, tmp_path, monkeypatch):
    members = triplets([1, 2, 3])
    members["batch/temp1.gif"] = b"broken"
    put(tmp_path, "a--x.tar.gz", members)
    subject = desk()
    monkeypatch.setattr(labels, "LabelFile", full_disk)
    subject.open()
    assert subject.session.page().detection.objid == "2"
    monkeypatch.undo()
    subject.label("Good")
    rows, _ = labels.read(subject.session._record.path)
    assert [(row.objid, row.action) for row in rows] == [("1", "Skipped"), ("2", "Good")]


def full_disk(*_):
    raise labels.LabelError("This label is not saved: the disk is full.")


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


def test_comments_given_before_can_be_had_again_by_their_number(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 15)))
    subject = desk().open()
    comments = subject.session.comments
    with pytest.raises(labels.LabelError, match="There is no comment 7: nothing was labelled"):
        comments.understand(" 7 ")  # nothing is offered yet, and a number alone says nothing
    for comment in ("one", "two", "one", ""):
        subject.label("Other" if comment else "Good", comment)
    assert comments.given == ["one", "two"]  # each once, in their order
    assert comments.understand("2\n") == "two"
    assert comments.understand("2 of them") == "2 of them"
    for text in ("3", "0", "02", "12", "9" * 1999):
        with pytest.raises(labels.LabelError, match="There is no comment [0-9]{1,9}: nothing was"):
            comments.understand(text)
    for number in range(10):
        subject.label("Other", f"number {number}")
    assert comments.understand("1") == "number 1"  # and no more than nine are offered
    rows, _ = labels.read(subject.session._record.path)
    assert [row.comment for row in rows[:4]] == ["one", "two", "one", ""]


def test_the_pace_is_that_of_most_labels_whatever_a_pause_took(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    for number, seconds in enumerate((2, 2, 3600, 2, 2, 2)):
        assert (subject.session.clock.pace is None) == (number < 5)
        subject.session.clock._since = time.monotonic() - seconds
        subject.label("Good")
    assert abs(subject.session.clock.pace - 30) < 1


def test_the_summary_draws_how_often_each_label_was_given(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    assert subject.session.summary() == ["No labels this time."]
    for name in ("Good", "Marginal", "Good", "Good", "Unsure", "Good"):
        subject.label(name)
    subject.session.back()
    subject.pump(lambda: subject.session.page().pictures)
    subject.label("Unsure")  # the last Good: what counts is the latest
    assert subject.session.summary()[1:] == [
        f"  Marginal                      1  {'#' * 10}",
        f"  Good                          3  {'#' * 30}",
        f"  Unsure                        2  {'#' * 20}",
    ]


def test_the_summary_of_practice_sets_labels_against_truth(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 6)))
    subject = desk().open()
    made = ("Good", "Good", "Good", "BadSubtraction")
    subject.session._verdicts.truth = {
        str(n): verdict.Truth(name, "HINT", (1, 25, 25)) for n, name in enumerate(made, 1)
    }
    for name in ("Good", "Marginal", "Good", "Unsure"):
        subject.label(name)
    lines = subject.session.summary()
    at = lines.index("made as, down; labelled, across    1    2    3    4    5    6    7    8")
    assert lines[at + 1 : at + 3] == [
        "  1  BadSubtraction                .    .    .    .    .    .    1    .",
        "  6  Good                          .    .    .    .    1    2    .    .",
    ]
    assert lines[-1] == "2 of 4 as they were made. Practice labels are not kept."


def test_what_gives_practice_away_is_told_after_the_label_only(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    subject.session._verdicts.truth = {"1": verdict.Truth("Good", "HINT", (1, 25, 30))}
    assert subject.session.verdict("1") == verdict.NOTHING
    subject.label("Good")
    assert subject.session.verdict("1").place == (1, 25, 30)
    assert subject.session.verdict("2").place is None


def test_what_others_said_is_told_after_the_label_only(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    votes = verdict.votes_of(tmp_path / "data" / "chunks" / "a--x.tar.gz")
    votes.write_text('OBJID,USER,ACTION,COMMENT\n1,bob,Good,\n1,eve,Other,"a, b"\n1,joe,Good,\n')
    subject = desk().open()
    assert subject.session.verdict("1") == verdict.NOTHING
    subject.label("Good")
    assert subject.session.verdict("1") == (
        None,
        "1, the others: Good 2 (bob, joe); Other 1 (eve: a, b).",
        None,
    )
    subject.label("Good")
    assert subject.session.verdict("2") == verdict.NOTHING


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\0", b"1,bob\n", b'1,"bob,Good\n', b"a,b,c,d,e\n\0"]
)
def test_a_table_of_others_labels_that_cannot_be_read_changes_nothing(desk, tmp_path, content):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    (tmp_path / "data" / "chunks" / "a--x.csv").write_bytes(content)
    subject = desk().open()
    subject.label("Good")
    assert subject.session.verdict("1") == verdict.NOTHING and not said_of_bugs(subject)


def said_of_bugs(subject):
    return [sentence for sentence in subject.said if "went wrong" in sentence]


def test_the_labels_of_others_are_deleted_with_their_chunk(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    votes = verdict.votes_of(path)
    votes.write_text("1,bob,Good,\n")
    sent = path.parent.parent / "labels" / "sent"
    sent.mkdir(parents=True)
    labels.LabelFile(sent, "ann").append(labels.row("1", "Good"), labels.row("2", "Good"))
    subject = desk()
    subject.session.start()
    subject.pump(lambda: not path.exists())
    wait_until(lambda: not votes.exists())


def test_how_much_of_a_chunk_has_arrived_is_told(desk, hub):
    (path,) = hub.glob("chunks/*.tar.gz")
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)  # a file that arrives as slowly as this test writes
    line = os.open(path, os.O_RDWR)
    subject = desk(hub)
    subject.session.start()
    os.write(line, data[: len(data) // 2])
    subject.pump(lambda: subject.session.supply.text == "fetching the next chunk, 50%")
    os.write(line, data[len(data) // 2 :])
    os.close(line)
    subject.session.show_as(60, Look())
    subject.pump(lambda: subject.session.page().pictures)


def cards(subject):
    """Return what a desk was told of picture cards, and of nothing else."""
    return [sentence for sentence in subject.said if sentence.startswith("Picture: ")]


def test_a_card_tells_label_comment_and_where_it_is_from(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    told = []
    real = card.draw
    monkeypatch.setattr(card, "draw", lambda *words: told.append(words[2:]) or real(*words))
    subject.session.save_card()
    subject.pump(lambda: len(cards(subject)) == 1)
    subject.label("Other", "no host")
    subject.session.back()
    subject.pump(lambda: subject.session.page().pictures)
    subject.session.save_card()
    subject.pump(lambda: len(cards(subject)) == 2)
    assert [words[:3] for words in told] == [
        ("1", "not labelled yet", ""),
        ("1", labels.BY_NAME["Other"].title, "no host"),
    ]
    assert all(words[3].startswith("a--x, ann, ") and " UTC" in words[3] for words in told)


def test_two_cards_within_a_second_do_not_overwrite_each_other(desk, tmp_path):
    """Of the same detection in two looks, say, the first was lost."""
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    for number in (1, 2, 3):
        subject.session.save_card()
        subject.pump(lambda n=number: len(cards(subject)) == n)
    assert len(set(cards(subject))) == 3


def test_settings_that_cannot_be_kept_are_one_sentence(small_disk):
    fill(small_disk)
    with pytest.raises(settings.SessionError, match="cannot be kept"):
        chosen(small_disk, user="ann")


def test_session_and_stamps_do_not_import_tk():
    script = "import sys, session.session; print('tkinter' in sys.modules, 'numpy' in sys.modules)"
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
    right = sum(truth[objid] == action for objid, action in expected.items())
    assert f"{right} of 20 as they were made" in program.said()
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


def test_the_verdict_of_practice(desk):
    subject = desk().session
    subject._verdicts.truth = {"1": verdict.Truth("Good", "HINT", (1, 25, 25))}
    for action, agrees in (("Good", True), ("Marginal", False), ("Unsure", None)):
        subject._answers["1"] = labels.row("1", action)
        found, sentence, _ = subject.verdict("1")
        assert found is agrees and "1 was made as Good. HINT." in sentence
    assert subject.verdict("2") == verdict.NOTHING


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
