"""The reader: chunks opened portion by portion, stamps held, given back and drawn."""

import pytest
from conftest import put, triplets, wait_until

import labelfile
import stamps
from session import pictures


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
