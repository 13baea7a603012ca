"""How long a detection was on screen, and the pace."""

import time

from conftest import put, triplets


def test_the_pace_is_that_of_most_labels_whatever_a_pause_took(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    for number, seconds in enumerate((2, 2, 3600, 2, 2, 2)):
        assert (subject.session.clock.pace is None) == (number < 5)
        subject.session.clock._since = time.monotonic() - seconds
        subject.label("Good")
    assert abs(subject.session.clock.pace - 30) < 1
