"""Who gets which chunk: gold ones, large hubs, crowds, and what the expert is given."""

import contextlib
import io
import os
import re
import time
from collections import Counter

import bench_handout
import pytest
from bench_handout import claim, fill, make_hub, name_of

from cluster import handout, room


def given(hub, user, *have):
    """Return the name of the chunk that `next` answers, or None."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert handout.run(hub.folder, have, as_user=user) in (0, 3)
    words = told.getvalue().splitlines()[-1].split()
    return words[2] if len(words) == 5 else None


def work(hub, user, number):
    """Let a person take so many chunks and finish each; return the names."""
    names = []
    for _ in range(number):
        names.append(given(hub, user))
        done = hub.folder / "people" / user / f"{names[-1]}.done"
        done.write_text("")
    return names


def gold_of(hub):
    chunks = hub.chunks()
    return {chunks[place].name for place in chunks.gold()}


@pytest.fixture
def hub(tmp_path):
    """200 chunks, the gold ones drawn as `add` draws them."""
    return make_hub(tmp_path / "hub", 200)


def mark_gold(hub, *numbers):
    """Let these chunks, counted from 0, and no others be gold."""
    header, *lines = (hub.folder / "chunks.csv").read_text().splitlines()
    for place, line in enumerate(lines):
        fields = line.split(",")
        fields[4] = "yes" if place in numbers else ""
        lines[place] = ",".join(fields)
    (hub.folder / "chunks.csv").write_text("\n".join([header, *lines, ""]))


# ---- gold ----


def test_each_person_gets_one_gold_chunk_among_three_and_then_one_in_ten(hub):
    gold = gold_of(hub)
    orders = set()
    for number in range(12):
        names = work(hub, f"user{number}", 23)
        pattern = [name in gold for name in names]
        assert sum(pattern[:3]) == sum(pattern[3:13]) == sum(pattern[13:]) == 1
        orders.add(tuple(pattern))
    assert len(orders) > 6, "nobody can count on where it comes"


def test_gold_chunks_are_not_limited_in_number_of_people_and_others_are(tmp_path):
    hub = make_hub(tmp_path / "hub", 12)
    mark_gold(hub, 5)
    names = [name for number in range(10) for name in work(hub, f"user{number}", 3)]
    counts = Counter(names)
    assert counts.pop(name_of(5)) == 10
    assert set(counts.values()) <= {1, 2, 3}


def test_the_number_of_a_gold_chunk_is_near_those_of_the_others(tmp_path):
    hub = make_hub(tmp_path / "hub", 400)
    fill(hub, 300)
    gold = gold_of(hub)
    for number in range(6):
        for name in work(hub, f"new{number}", 3):
            assert 250 < int(name.split("--")[1]) < 350
    assert any((hub.folder / "people" / "new0" / name).exists() for name in gold)


def test_gold_chunks_near_by_that_lack_people_come_first(tmp_path):
    hub = make_hub(tmp_path / "hub", 30)
    mark_gold(hub, 3, 5)
    for slot, user in enumerate(("ann", "bob", "cec"), 1):
        claim(hub, 3, user, slot)
    for number in range(4):
        (name,) = set(work(hub, f"new{number}", 3)) & gold_of(hub)
        assert name == name_of(5 if number < 3 else 3), "when none lacks any, the nearest"


def test_who_came_before_there_was_gold_gets_one_as_soon_as_there_is(hub):
    mark_gold(hub)
    work(hub, "ann", 8)
    mark_gold(hub, 20)
    assert given(hub, "ann") == name_of(20)


def test_what_the_hub_says_and_keeps_of_a_gold_chunk_is_as_of_any_other(hub, capsys):
    gold = gold_of(hub)
    texts = set()
    for _ in range(13):
        handout.run(hub.folder, as_user="ann")
        told = capsys.readouterr().out
        name = told.splitlines()[-1].split()[2]
        place = hub.folder / "people" / "ann" / name
        kept = [place.read_text(), *((hub.folder / "claims" / name).iterdir())]
        (place.parent / f"{name}.done").write_text("")
        shape = re.sub("[0-9a-f]{64}|[0-9]+", "0", told + kept[0]), len(kept)
        texts.add((name in gold, shape))
    assert {found for found, _ in texts} == {True, False}
    assert len({shape for _, shape in texts}) == 1


def test_nobody_is_turned_away_while_a_gold_chunk_lacks_people(tmp_path):
    hub = make_hub(tmp_path / "hub", 2)
    mark_gold(hub, 0, 1)
    for user in ("ann", "bob", "cec"):
        assert sorted(work(hub, user, 2)) == [name_of(0), name_of(1)]
        assert given(hub, user) is None
    assert given(hub, "dan") in (name_of(0), name_of(1)), "who joins late is measured too"
    (name,) = work(hub, "dan", 1)
    assert given(hub, "dan") is None, "but nobody needs more of them"


# ---- large hubs ----


def counting(monkeypatch):
    """Return a list that gets an entry for each chunk whose claims are looked at."""
    looks, claims = [], room.Room._claims
    monkeypatch.setattr(
        room.Room, "_claims", lambda room, name: looks.append(name) or claims(room, name)
    )
    return looks


@pytest.mark.parametrize("done", [True, False])
def test_a_newcomer_to_a_large_hub_looks_at_a_few_chunks_only(tmp_path, monkeypatch, done):
    hub = make_hub(tmp_path / "hub", 1000)
    fill(hub, 950, done)
    mark_gold(hub)
    looks = counting(monkeypatch)
    for number in range(30):
        looks.clear()
        assert given(hub, f"new{number}") == name_of(950 + number // 3)
        assert len(looks) < 90
    assert len(looks) < 50, "by then it is known what is full"


def test_an_expired_claim_before_thousands_of_full_chunks_is_found(tmp_path):
    hub = make_hub(tmp_path / "hub", 400)
    mark_gold(hub)
    fill(hub, 400)
    for slot in (1, 2):
        claim(hub, 7, "user0", slot, done=False)
        claim(hub, 250, "user0", slot, done=False)
    for number in (7, 250):
        (hub.folder / "people" / "user0" / f"{name_of(number)}.done").unlink(missing_ok=True)
        slot = hub.folder / "claims" / name_of(number) / "1"
        slot.write_text("user0 2026-01-01T00:00:00Z\n")
    assert given(hub, "ann") == name_of(7)
    assert given(hub, "bob") == name_of(250), "though all about it are full"
    assert given(hub, "cec") is None
    assert room.read_full(hub, hub.chunks(), hub.folder / "people" / "bob" / "full")
    old = os.path.getmtime(hub.folder / "claims" / name_of(7) / "2")
    past = time.time() + 15 * 86400
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room.time, "time", lambda: past)
        assert given(hub, "dan") == name_of(7), f"claimed at {old}, never finished"


def test_what_people_noted_as_full_is_not_heeded_when_hub_ini_changed_or_it_makes_no_sense(
    tmp_path,
):
    hub = make_hub(tmp_path / "hub", 200)
    mark_gold(hub)
    fill(hub, 199)
    for _ in range(10):
        given(hub, "ann", name_of(199))
        (hub.folder / "people" / "ann" / name_of(199)).unlink(missing_ok=True)
    note = hub.folder / "people" / "ann" / "full"
    count, until = room.read_full(hub, hub.chunks(), note)
    assert count > 100 and not until
    text = note.read_text()
    for spoilt in (
        "",
        "x",
        text.replace("--", "-"),
        text + "7\n",
        text + "999 0\n",
        text + "-999 0\n",
        "\xff",
    ):
        note.write_text(spoilt, encoding="latin-1")
        assert room.read_full(hub, hub.chunks(), note) is None
        assert given(hub, "bob") == name_of(199)
    note.write_text(text)
    ini = hub.folder / "hub.ini"
    ini.write_text(ini.read_text().replace("labelers = 3", "labelers = 4"))
    assert given(hub, "cec") == name_of(0)


def test_a_persons_own_chunks_do_not_hide_what_others_need(tmp_path):
    hub = make_hub(tmp_path / "hub", 150)
    mark_gold(hub, 3, 70)
    names = work(hub, "ann", 120)
    assert len(set(names)) == 120
    assert work(hub, "bob", 3)[-1] < name_of(8), "only one of three places is taken"


def test_chunks_are_found_by_name_whatever_their_numbers(hub):
    chunks = hub.chunks()
    assert [chunks.find(name_of(place)) for place in (0, 77, 199)] == [0, 77, 199]
    assert chunks.find(name_of(200)) is None
    header, *lines = (hub.folder / "chunks.csv").read_text().splitlines()
    lines = ["damaged", *lines[150:], *lines[:150]]
    (hub.folder / "chunks.csv").write_text("\n".join([header, *lines, ""]))
    assert hub.chunks().find(name_of(0)) == 51


# ---- a crowd at the door ----


def test_a_crowd_that_asks_at_once_upsets_nothing(tmp_path):
    for mark, faults, _ in bench_handout.rush(tmp_path, people=16, rounds=10, chunks=8):
        assert faults == 0, mark
