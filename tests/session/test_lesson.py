"""What practice makes of a miss: it stays, and its kind comes back."""

from conftest import put, triplets

from session import verdict

KINDS = ("Good", "Marginal", "Marginal", "Good", "Marginal", "Marginal", "Marginal", "Good")


def practice(desk, tmp_path, kinds=KINDS):
    """Return a desk with detections 1, 2, ... that are known to be of these kinds."""
    put(tmp_path, "a--x.tar.gz", triplets(range(1, len(kinds) + 1)))
    subject = desk()
    subject.session._verdicts.truth = {
        str(n): verdict.Truth(kind, "HINT", (1, 25, 25)) for n, kind in enumerate(kinds, 1)
    }
    subject.open()
    subject.pump(lambda: len(subject.session._line.pages) == len(kinds))
    return subject


def on_screen(subject):
    return subject.session.page().detection.objid


def go_on(subject):
    subject.session.turn(1)
    subject.pump(lambda: subject.session.page().pictures)
    return on_screen(subject)


def order(subject):
    return [page.objid for page in subject.session._line.pages]


def test_a_miss_stays_on_screen_until_one_goes_on_and_a_right_one_does_not(desk, tmp_path):
    subject = practice(desk, tmp_path)
    subject.label("Good")
    assert on_screen(subject) == "2" and not subject.session.lesson.stays
    subject.label("Good")
    assert on_screen(subject) == "2" == subject.session.lesson.stays
    page = subject.session.page()
    assert page.pictures and page.answer.action == "Good" and subject.session.clock.runs
    assert subject.session.verdict("2").place == (1, 25, 25)
    assert go_on(subject) == "3" and not subject.session.lesson.stays
    subject.label("Unsure")  # is not right either
    assert on_screen(subject) == "3" == subject.session.lesson.stays
    subject.session.back()
    assert on_screen(subject) == "2" and not subject.session.lesson.stays


def test_another_of_the_kind_that_was_missed_comes_soon(desk, tmp_path):
    subject = practice(desk, tmp_path, ("Good", *["Marginal"] * 6, "Good", "Good"))
    subject.label("Marginal")
    assert order(subject) == ["1", "2", "3", "4", "8", "5", "6", "7", "9"]
    assert go_on(subject) == "2"
    assert subject.session.back() and on_screen(subject) == "1"  # it was not put off


def test_one_of_the_kind_that_comes_soon_anyway_is_left_where_it_is(desk, tmp_path):
    subject = practice(desk, tmp_path)
    subject.label("Marginal")
    assert go_on(subject) == "2" and order(subject) == [*"12345678"]


def test_where_no_other_is_left_the_same_comes_once_more_and_the_first_answer_counts(
    desk, tmp_path
):
    kinds = ("NoisyTemplate", *["Good"] * 5)
    subject = practice(desk, tmp_path, kinds)
    subject.label("Good")
    assert go_on(subject) == "2"
    assert order(subject) == ["2", "3", "4", "1", "5", "6"]
    assert not subject.session.back() and subject.session.progress() == (0, 6)
    for _ in range(3):
        subject.label("Good")
    page = subject.session.page()
    assert page.detection.objid == "1" and page.answer is None
    assert subject.session.verdict("1") == verdict.NOTHING
    subject.label("Good")  # again; it does not come a third time
    assert go_on(subject) == "5"
    assert order(subject) == ["2", "3", "4", "1", "5", "6"]
    subject.label("Good")
    subject.label("Good")
    assert subject.session._line.left == 0 and subject.session.progress() == (6, 6)
    report = subject.session.report()
    assert report.right == 5 and list(report.misses) == ["1"]


def test_a_miss_that_is_put_off_counts_as_it_was_answered_first(desk, tmp_path):
    subject = practice(desk, tmp_path, ("NoisyTemplate", "Good", "Good"))
    subject.label("Good")
    assert go_on(subject) == "2"
    subject.label("Good")
    subject.label("Good")
    assert on_screen(subject) == "1"
    subject.label("NoisyTemplate")
    assert subject.session.report().right == 2 and subject.at_the_end()


def test_the_very_last_miss_stays_and_then_it_is_over(desk, tmp_path):
    subject = practice(desk, tmp_path, ("NoisyTemplate",))
    subject.label("Good")
    assert subject.session.lesson.stays == "1"
    subject.session.turn(1)
    assert subject.at_the_end() and not subject.session.lesson.stays


def test_nothing_stays_where_no_truth_is_known(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    subject.label("Good")
    assert on_screen(subject) == "2" and not subject.session.lesson.stays
