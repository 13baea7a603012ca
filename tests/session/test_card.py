"""The picture card of a detection: what stands on it and where."""

import io

import numpy as np
import pytest
from conftest import hold, put, triplets
from PIL import Image

import labels
import scaling
from look import Look
from session import card


def flat(shade, shape=(51, 51)):
    gray = np.full(shape, shade, np.uint8)
    return scaling.Stamp(gray, gray, gray < 0)


def drawn(triplet=None, wanted=None, said="Good", comment="", about="a--x, ann"):
    triplet = triplet or [flat(shade) for shade in (60, 120, 180)]
    png = card.draw(triplet, wanted or Look(), "284239958", said, comment, about)
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB")).astype(int)


def colour(text):
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


def shown(pixels, shade):
    """Return left, top, width and height of what has a shade of grey."""
    rows, columns = np.nonzero((pixels == shade).all(axis=2))
    left, top = columns.min(), rows.min()
    return left, top, columns.max() - left + 1, rows.max() - top + 1


def test_the_three_stamps_stand_side_by_side_in_their_order():
    pixels = drawn()
    boxes = [shown(pixels, shade) for shade in (60, 120, 180)]
    assert all(box[2:] == (card.SIDE, card.SIDE) for box in boxes)
    assert len({box[1] for box in boxes}) == 1
    steps = np.diff([box[0] for box in boxes])
    assert (steps == card.SIDE + card.GAP).all()
    assert boxes[0][0] == card.GAP == pixels.shape[1] - boxes[2][0] - card.SIDE


def test_they_look_as_they_were_looked_at():
    pixels = drawn(wanted=Look(inverted=True))
    boxes = [shown(pixels, shade) for shade in (195, 135, 75)]
    assert boxes == [shown(drawn(), shade) for shade in (60, 120, 180)]


def test_stamps_of_different_shapes_have_one_zoom_and_missing_pixels_their_colour():
    values = np.full((30, 30), 7.0)
    values[:10] = np.nan
    template = scaling.Stamp(values, *scaling.scale(values, "temp"), "temp")
    pixels = drawn([flat(60, (60, 40)), template, flat(180, (1, 1))])
    assert shown(pixels, 60)[2:] == (card.SIDE * 40 // 60, card.SIDE)
    assert shown(pixels, 180)[2:] == (card.SIDE // 60, card.SIDE // 60)
    holes = (pixels == scaling.MISSING_COLOUR).all(axis=2)
    assert holes.sum() == card.SIDE // 2 * (card.SIDE // 6)


def test_label_and_comment_stand_below_and_a_long_comment_makes_the_card_taller():
    below = shown(drawn(), 60)[1] + card.SIDE
    ink = [
        (drawn(comment=text)[below:] == colour(card.INK)).all(axis=2).sum() for text in ("", "x")
    ]
    assert 0 < ink[0] < ink[1]
    assert (drawn(about="somebody")[below:] == colour(card.DIM)).all(axis=2).any()
    heights = [drawn(comment="a word " * count).shape[0] for count in (1, 40, 280)]
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("comment", ["x" * 2000, "W" * 300, "🌟 é ж 漢字 \u202e", "%s {} \\ \x7f"])
def test_any_comment_can_be_drawn_within_the_card(comment):
    pixels = drawn(comment=comment)
    width = 3 * card.SIDE + 4 * card.GAP
    assert pixels.shape[1] == width
    margin = pixels[:, width - card.GAP // 2 :]
    assert (margin == colour(card.GROUND)).all()


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


def test_a_card_tells_whom_to_ask_and_that_practice_is_simulated(desk, tmp_path, monkeypatch):
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    told = []
    real = card.draw
    monkeypatch.setattr(card, "draw", lambda *words: told.append(words[5]) or real(*words))
    for contact, practice in (("ask@example.org", False), ("", True)):
        subject.session.settings = subject.settings._replace(contact=contact, practice=practice)
        subject.session.save_card()
        subject.pump(lambda: cards(subject))
        subject.said.clear()
    assert told[0].endswith(" UTC. Contact: ask@example.org") and "Simulated" not in told[0]
    assert told[1].startswith("Simulated, for practice. a--x, ann") and "Contact" not in told[1]


def test_two_cards_within_a_second_do_not_overwrite_each_other(desk, tmp_path):
    """Of the same detection in two looks, say, the first was lost."""
    put(tmp_path, "a--x.tar.gz", triplets([1, 2]))
    subject = desk().open()
    for number in (1, 2, 3):
        subject.session.save_card()
        subject.pump(lambda n=number: len(cards(subject)) == n)
    assert len(set(cards(subject))) == 3
