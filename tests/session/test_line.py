"""The line of pages: back and forth, new ones, and those that go."""

from session.line import Detection, Line


def pages(*objids, chunk="a--x"):
    return [Detection(objid, chunk, number) for number, objid in enumerate(objids, 1)]


def on_screen(line):
    return line.detection and line.detection.objid


def test_one_goes_back_and_forward_as_far_as_one_has_been():
    line = Line()
    line.add([], pages("1", "2", "3"))
    assert on_screen(line) == "1" and not line.turn(-1) and not line.turn(1)
    line.answered(first=True)
    line.answered(first=True)
    assert on_screen(line) == "3" and line.left == 1
    assert line.turn(-2) and on_screen(line) == "1" and line.seen_ahead == 2
    line.answered(first=False)
    assert line.left == 1 and line.seen_ahead == 1
    assert line.turn(1) and not line.turn(1) and on_screen(line) == "3"
    line.answered(first=True)
    assert line.detection is None and line.last == pages("1", "2", "3")[2] and line.left == 0


def test_what_is_on_screen_stays_there_whatever_comes():
    line = Line()
    line.add([], pages("1", "2"))
    line.answered(first=True)
    line.add(pages("8", "9", chunk="b--y"), pages("5", chunk="b--y"))
    assert on_screen(line) == "2" and line.left == 2
    assert [page.objid for page in line.pages] == ["8", "9", "1", "2", "5"]
    assert not line.ends_here
    assert line.turn(-3) and on_screen(line) == "8" and not line.turn(-1)
    assert line.seen_ahead == 3


def test_a_page_that_goes_leaves_its_place_to_the_next():
    line = Line()
    line.add([], pages("1", "2", "3"))
    line.answered(first=True)
    line.turn(-1)
    line.drop(answered=True)
    assert on_screen(line) == "2" and line.left == 2 and line.seen_ahead == 0
    line.drop(answered=False)
    line.drop(answered=False)
    assert line.detection is None and line.last is None and line.left == 0 and line.ends_here


def test_the_page_on_screen_is_the_most_urgent_then_the_next_then_the_one_before():
    line = Line()
    line.add([], pages("1", "2", "3", "4", "5"))
    assert [page.objid for page in line.around()] == ["1", "2", "3"]
    line.answered(first=True)
    assert [page.objid for page in line.around()] == ["2", "3", "1", "4"]


def objids(line):
    return [page.objid for page in line.pages]


def test_a_page_may_be_free_to_go_on_and_stay():
    line = Line()
    line.add([], pages("1", "2"))
    line.answered(first=True, stays=True)
    assert on_screen(line) == "1" and line.left == 1 and line.seen_ahead == 1
    assert line.turn(1) and on_screen(line) == "2"


def test_the_latest_pages_and_those_from_an_earlier_one_on():
    line = Line()
    line.add([], pages(*"123456"))
    assert line.past(3) == []
    for _ in range(5):
        line.answered(first=True)
    assert [page.objid for page in line.past(3)] == ["3", "4", "5"]
    line.turn(-3)
    assert [page.objid for page in line.past(3)] == ["3", "4", "5"]
    line.turn(-1)
    assert [page.objid for page in line.past(3)] == ["2", "3", "4"]
    assert [page.objid for page in line.past(9)] == ["1", "2", "3", "4", "5"]


def test_the_way_to_a_detection_that_was_seen():
    line = Line()
    line.add([], pages("1", "2", "3", "4"))
    line.answered(first=True)
    line.answered(first=True)
    assert line.way_to("1") == -2 and line.way_to("3") == 0 and line.way_to("4") is None


def test_a_page_is_brought_from_those_that_nobody_has_seen():
    line = Line()
    line.add([], pages(*"1234567"))
    line.answered(first=True, stays=True)
    assert not line.bring(lambda page: page.objid == "1", 2)
    assert line.bring(lambda page: page.objid in "37", 2) and objids(line) == [*"1234567"]
    assert line.bring(lambda page: page.objid in "67", 2) and objids(line) == [*"1236457"]
    assert on_screen(line) == "1"


def test_a_page_is_put_off_if_something_comes_after_it():
    line = Line()
    line.add([], pages("1", "2", "3", "4"))
    line.answered(first=True, stays=True)
    assert line.put_off(2) and objids(line) == ["2", "3", "1", "4"]
    assert on_screen(line) == "2" and line.left == 4 and not line.turn(-1) and not line.turn(1)
    line.answered(first=True)
    line.turn(-1)
    line.answered(first=False, stays=True)
    assert on_screen(line) == "2" and line.put_off(9) and objids(line) == ["3", "1", "4", "2"]
    line = Line()
    line.add([], pages("1"))
    line.answered(first=True, stays=True)
    assert not line.put_off(2) and objids(line) == ["1"]
