"""What runs off the window's thread."""

import threading

import pytest

from session.settings import SessionError
from session.worker import Worker


@pytest.fixture
def worker():
    """Make a worker whose deliveries are listed."""
    delivered = []
    made = Worker(
        "test", lambda function, *words: delivered.append((function, *words)), print, "LOG"
    )
    made.delivered = delivered
    yield made
    made.shutdown()


def test_things_are_done_in_turn_and_off_this_thread(worker):
    threads = []
    for _ in range(3):
        worker.do(lambda: threads.append(threading.current_thread()))
    worker.do(int).result()
    assert len(set(threads)) == 1 and threads[0] is not threading.current_thread()


def test_an_answer_is_delivered(worker):
    worker.do(max, 3, 7, then=worker.do).result()
    assert worker.delivered == [(worker.do, 7)]


def test_a_bug_is_told_and_the_next_thing_is_done(worker, caplog):
    worker.do(lambda: 1 / 0)
    worker.do(int, then=len).result()
    (say, sentence), answer = worker.delivered
    assert say is print and "the labels are safe" in sentence and "LOG" in sentence
    assert answer == (len, 0) and "ZeroDivisionError" in caplog.text


def test_an_expected_failure_is_its_sentence(worker):
    def fail():
        raise SessionError("No.")

    worker.do(fail).result()
    assert worker.delivered == [(print, "No.")]


def test_what_has_not_begun_can_be_cancelled(worker):
    go, done = threading.Event(), []
    worker.do(go.wait, 5)
    second = worker.do(done.append, 2)
    worker.do(done.append, 3)
    assert second.cancel()
    go.set()
    worker.do(int).result()
    assert done == [3]


def test_after_the_last_thing_nothing_begins(worker):
    done = []
    worker.close(done.append, 1).result()
    assert worker.do(done.append, 2) is None
    worker.shutdown()
    assert done == [1]
