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
