"""The reader: chunks opened portion by portion, stamps held, given back and drawn."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import KINDS, ROOT, fits_bytes, noise, put, triplets, wait_until

import labelfile
import scaling
import stamps
from look import Look
from session import pictures
from session.folder import Folder
from session.line import Detection


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
    rows, _ = labelfile.read(subject.session._record.path)
    assert [row.action for row in rows] == ["Good"] * 4
    put(tmp_path, path.name, triplets([5, 6]))
    subject.session._pictures.read_on()
    subject.pump(lambda: subject.session.page().pictures)
    assert [subject.label("Good"), subject.label("Good")] == ["5", "6"]
    assert len([sentence for sentence in subject.said if "cannot be read" in sentence]) == 1


def test_a_chunk_that_is_still_being_read_is_not_deleted(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets(range(1, 30)))
    reader = desk().session._pictures.reader
    chunk = reader._chunks["a--x"] = stamps.Chunk(path, at_once=False)
    chunk.read(2)
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True)
    labelfile.LabelFile(sent, "ann").append(labelfile.row("1", "Good"), labelfile.row("2", "Good"))
    reader.drop_finished()
    assert chunk.objids == ["1", "2"] and path.exists()


def test_a_damaged_chunk_stays_though_all_that_can_be_read_of_it_is_dealt_with(desk, tmp_path):
    """The rest of it, which nobody has seen, was gone with it."""
    path = put(tmp_path, "a--x.tar.gz", triplets(range(1, 12)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    subject = desk().open()
    subject.pump(lambda: subject.session._begun)
    reader = subject.session._pictures.reader
    chunk = reader._chunks["a--x"]
    readable = {*chunk.objids, *chunk.incomplete}
    assert 0 < len(readable) < 11 and chunk.damage
    acknowledge(tmp_path, readable)
    reader.drop_finished()
    assert path.exists()


def test_a_chunk_some_of_whose_rows_were_rejected_stays(desk, tmp_path):
    path = put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    reader = desk().session._pictures.reader
    rejected = acknowledge(tmp_path, ["1", "2"]).with_suffix(".rejected")
    rejected.write_text("2\n")
    reader.drop_finished()
    assert path.exists()
    rejected.unlink()
    reader.drop_finished()
    assert not path.exists()


def acknowledge(tmp_path, objids):
    """Make a label file that the hub has taken in, with labels of some detections."""
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True, exist_ok=True)
    file = labelfile.LabelFile(sent, "ann")
    file.append(*[labelfile.row(objid, "Good") for objid in objids])
    return file.path


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
    file = labelfile.LabelFile(sent, "ann")
    file.append(*[labelfile.row(str(ord(letter)), "Good") for letter in "abcde"])
    again = desk().open(lambda page: page.pictures and page.detection.objid == "1")
    chunks = tmp_path / "data" / "chunks"
    again.pump(lambda: [path.name for path in chunks.iterdir()] == ["f--x.tar.gz"])
    assert subject and not [said for said in again.said if "went wrong" in said]


# A machine on which nothing can be drawn


def reading(tmp_path, members):
    """Return a reader that has opened a chunk, what it tells, and the chunk's detections."""
    put(tmp_path, "a--x.tar.gz", members)
    told, said = [], []
    reader = pictures.Reader(Folder(tmp_path / "data", "ann"), told.append, said.append)
    while not told or not isinstance(told[-1], pictures.AllOpened):
        reader.read_on()
    opened = next(message for message in told if isinstance(message, pictures.Opened))
    told.clear()
    detections = [Detection(objid, opened.chunk, 1) for objid in opened.objids]
    return reader, told, detections


@pytest.mark.parametrize("error", [AttributeError("no numpy.product"), ValueError("dtype size")])
def test_what_fails_on_a_good_stamp_too_breaks_the_sitting_once(tmp_path, monkeypatch, error):
    def broken(*_):
        raise error

    reader, told, detections = reading(tmp_path, triplets([1, 2]))
    monkeypatch.setattr(scaling, "pictures", broken)
    for detection in detections:
        reader.draw(detection, pictures.Wanted(99, Look()))
    (message,) = told
    assert isinstance(message, pictures.Broken)
    assert str(error) in message.sentence and "all labels are safe" in message.sentence


def test_what_fails_on_one_detection_alone_costs_that_one(tmp_path, monkeypatch):
    reader, told, detections = reading(tmp_path, triplets([1, 2]))
    draw = scaling.triplet

    def broken(objid, encoded):
        assert objid != "1"
        return draw(objid, encoded)

    monkeypatch.setattr(scaling, "triplet", broken)
    for detection in detections:
        reader.draw(detection, pictures.Wanted(99, Look()))
    assert [type(message) for message in told] == [pictures.Unreadable, pictures.Drawing]


@pytest.mark.parametrize("package", ["numpy", "PIL"])
def test_a_package_that_cannot_be_imported_skips_nothing(tmp_path, package):
    """Another Python's numpy on PYTHONPATH, say: no stamp is to blame."""
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    (tmp_path / "other" / package).mkdir(parents=True)
    (tmp_path / "other" / package / "__init__.py").write_text(
        "raise ImportError('\\n\\nImporting the C-extensions failed.\\nmore')"
    )
    script = """
import sys
from look import Look
from pathlib import Path
from session import pictures
from session.folder import Folder
from session.line import Detection
told = []
reader = pictures.Reader(Folder(Path(sys.argv[1]), "ann"), told.append, print)
while not told or not isinstance(told[-1], pictures.AllOpened):
    reader.read_on()
told.clear()
for objid in "12":
    reader.draw(Detection(objid, "a--x", 1), pictures.Wanted(99, Look()))
print(*told, sep="\\n")
"""
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "data"],
        env={"PYTHONPATH": f"{tmp_path / 'other'}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = run.stdout.splitlines()
    assert line.startswith("Broken(sentence=")
    assert "(ImportError: Importing the C-extensions failed.)" in line


def test_a_look_that_needs_what_is_not_there_breaks_nothing_but_says_so(tmp_path, monkeypatch):
    members = {f"{kind}1.fits": fits_bytes(noise().astype(np.float32)) for kind in KINDS}
    reader, told, (detection,) = reading(tmp_path, members)
    monkeypatch.setitem(sys.modules, "astropy.visualization", None)
    reader.draw(detection, pictures.Wanted(99, Look("zscale")))
    (message,) = told
    assert isinstance(message, pictures.Broken) and "astropy.visualization" in message.sentence


def test_a_chunk_that_was_begun_comes_before_those_of_smaller_names(desk, tmp_path):
    """The next start began another chunk than the one in which the last had stopped."""
    put(tmp_path, "b--x.tar.gz", triplets([1, 2, 3]))
    first = desk().open()
    first.label("Good")
    first.close()
    put(tmp_path, "a--x.tar.gz", triplets([11, 12]))
    put(tmp_path, "c--x.tar.gz", triplets([21]))
    again = desk().open(lambda page: page.pictures)
    again.pump(lambda: again.session._begun)
    assert [page.objid for page in again.session._line.pages] == ["1", "2", "3", "11", "12", "21"]
    assert again.session.page().detection.objid == "2"


def test_a_chunk_of_which_something_was_only_skipped_is_not_begun(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([11, 12]))
    put(tmp_path, "b--x.tar.gz", triplets([1, 2]))
    sent = tmp_path / "data" / "labels" / "sent"
    sent.mkdir(parents=True)
    row = labelfile.row("1", "Skipped", "why", "x")
    labelfile.LabelFile(sent, "ann").append(row)
    subject = desk().open()
    assert subject.session.page().detection.objid == "11"
