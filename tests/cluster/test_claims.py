"""`next`: claims by real processes; faults by making the state they leave."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import os
import time
from collections import Counter

import pytest
from hubs import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    age,
    answer,
    at_once,
    claims_by_chunk,
    empty,
    everything,
    forget_claims,
    given,
    hub,
    listed,
    row,
    run,
    send,
    setting,
)

from cluster import claims
from cluster.hub import Hub, now


def test_asking_twice_gives_the_same_chunk_until_it_is_held(hub):
    done = run(hub, "next", "--as", "alice")
    chunk = listed(hub)[0]
    assert (done.returncode, answer(done)) == (0, ["chunk", FIRST, chunk.sha256, chunk.bytes])
    assert answer(run(hub, "next", "--as", "alice")) == answer(done)
    foreign = ("batch--1--x", "x" * 230, "a b", "../../x")
    assert answer(run(hub, "next", "--have", *foreign, FIRST, "--as", "alice"))[1] == SECOND
    assert given(hub, "alice", SECOND) == FIRST
    assert os.listdir(hub / "claims" / FIRST) == ["1"]


def test_the_chunk_begun_first_is_given_back_first(hub):
    for have in ((), (FIRST,), (FIRST, SECOND)):
        given(hub, "alice", *have)
    age(hub / "people" / "alice" / SECOND, 3)
    assert given(hub, "alice") == SECOND


def test_a_chunk_goes_to_as_many_people_as_the_settings_say(hub):
    users = ["ann", "bob", "cec", "dan", "eve", "fay", "gus"]
    assert [given(hub, user) for user in users] == [FIRST] * 3 + [SECOND] * 3 + [THIRD]
    setting(hub, "labelers", 4)
    assert given(hub, "hal") == FIRST


def test_nothing_is_left_when_a_person_has_had_every_chunk(hub):
    have = []
    while (name := given(hub, "alice", *have)) is not None:
        have.append(name)
    assert have == [FIRST, SECOND, THIRD, FOURTH]
    done = run(hub, "next", "--as", "alice", "--have", *have)
    assert (done.returncode, answer(done)) == (3, ["nothing"])


def test_an_expired_claim_makes_room_and_its_slot_is_not_used_again(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    age(hub / "claims" / FIRST / "1", 13.9)
    assert given(hub, "dan") == SECOND
    age(hub / "claims" / FIRST / "1", 14.1)
    before = (hub / "claims" / FIRST / "1").read_bytes()
    assert given(hub, "eve") == FIRST
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["1", "2", "3", "4"]
    assert (hub / "claims" / FIRST / "1").read_bytes() == before
    assert given(hub, "fay") == SECOND
    assert given(hub, "ann") == FIRST, "what comes late counts all the same"


def test_a_finished_claim_does_not_expire(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    send(hub, [row(objid) for objid in Hub(hub).objids(FIRST)], "ann")
    age(hub / "claims" / FIRST / "1", 99)
    assert given(hub, "dan") == SECOND


def test_who_could_only_skip_a_chunk_is_no_labeler_of_it(hub):
    """Where as many people as it takes had a screen that shows nothing, nobody was asked again."""
    setting(hub, "labelers", 1)
    one, two = Hub(hub).objids(FIRST)
    assert given(hub, "ann") == FIRST
    send(hub, [row(one, "Skipped")], "ann", "2026-01-02_00-00-00")
    send(hub, [row(two, "Skipped")], "ann", "2026-01-02_00-00-01")
    assert given(hub, "ann") == SECOND, "not the same again"
    assert given(hub, "bob") == THIRD, "it is ann's as long as a claim lasts"
    for path in ((hub / "claims" / FIRST / "1"), (hub / "people" / "ann" / FIRST)):
        age(path, 15)
    long_ago = time.time() - 15 * 86400
    os.utime(hub / "people" / "ann" / f"{FIRST}.done", (long_ago, long_ago))
    told = run(hub, "status").stdout
    assert told.startswith("chunks   4: 0 complete, 2 with labelers, 2 need more people"), told
    assert given(hub, "cec") == FIRST
    assert given(hub, "dan") == FOURTH
    send(hub, [row(one), row(two)], "cec")
    told = run(hub, "status").stdout
    assert told.startswith("chunks   4: 1 complete, 3 with labelers, 0 need more people"), told
    done = run(hub, "check")
    assert done.returncode == 0, done.stdout


def test_a_label_that_comes_later_makes_a_labeler_of_who_skipped_a_chunk(hub):
    setting(hub, "labelers", 1)
    one, two = Hub(hub).objids(FIRST)
    given(hub, "ann")
    send(hub, [row(one, "Skipped"), row(two, "Skipped")], "ann", "2026-01-02_00-00-00")
    send(hub, [row(two)], "ann", "2026-01-02_00-00-01")
    for path in ((hub / "claims" / FIRST / "1"), (hub / "people" / "ann" / FIRST)):
        age(path, 15)
    assert given(hub, "bob") == SECOND
    one, two = Hub(hub).objids(SECOND)
    send(hub, [row(one)], "bob", "2026-01-02_00-00-00")
    send(hub, [row(two, "Skipped")], "bob", "2026-01-02_00-00-01")
    for path in ((hub / "claims" / SECOND / "1"), (hub / "people" / "bob" / SECOND)):
        age(path, 15)
    assert given(hub, "cec") == THIRD, "a label in an earlier upload counts too"


def test_a_crash_between_the_two_files_of_a_claim_heals(hub):
    (hub / "claims" / FIRST / "1").write_text(f"alice {now()}\n")
    assert [given(hub, user) for user in ("ann", "bob", "cec")] == [FIRST, FIRST, SECOND]
    assert given(hub, "alice") == FIRST, "though it is full: she is one of the three"
    assert (hub / "people" / "alice" / FIRST).exists()
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["1", "2", "3"]


def test_a_claim_that_the_owner_removed_by_hand_makes_room(hub):
    for user in ("ann", "bob", "cec"):
        given(hub, user)
    (hub / "claims" / FIRST / "1").unlink()
    assert [given(hub, user) for user in ("dan", "eve")] == [FIRST, SECOND]
    assert sorted(os.listdir(hub / "claims" / FIRST)) == ["1", "2", "3"]


def test_a_claim_seen_between_creating_and_writing_is_its_writers(hub, monkeypatch):
    path = hub / "claims" / FIRST / "1"
    path.touch()
    line = "alice 2026-01-01T00:00:00Z\n"
    monkeypatch.setattr(claims.time, "sleep", lambda _: path.write_text(line))
    assert claims.read_claim(path).user == "alice"


def test_a_claim_written_just_after_it_was_read_is_its_writers(hub, monkeypatch):
    """It was no longer empty, and so taken for nonsense: the place of nobody but the owner."""
    path = hub / "claims" / FIRST / "1"
    path.touch()
    reading = claims.read_owned

    def too_early(*what):
        found = reading(*what)
        path.write_text("alice 2026-01-01T00:00:00Z\n")
        return found

    monkeypatch.setattr(claims, "read_owned", too_early)
    assert claims.read_claim(path).user == "alice"


@pytest.mark.parametrize(
    "text", ["", "../../x 2026-01-01T00:00:00Z\n", "nonsense\n", "a b c\n", "\xff"]
)
def test_a_claim_that_makes_no_sense_is_its_file_owners_from_when_it_was_made(
    hub, text, monkeypatch
):
    monkeypatch.setattr(claims, "user_name", lambda uid: f"u{uid}")
    setting(hub, "labelers", 1)
    path = hub / "claims" / FIRST / "1"
    path.write_text(text, encoding="latin-1")
    os.utime(path, (time.time() - 60,) * 2)
    assert claims.read_claim(path) == (f"u{os.getuid()}", path.stat().st_mtime)
    assert given(hub, "alice") == SECOND
    os.utime(path, (1, 1))
    assert given(hub, "bob") == FIRST


@pytest.mark.parametrize("people, laptops", [(12, 1), (4, 3)])
def test_who_asks_at_once_fills_every_slot_and_none_twice(hub, people, laptops):
    users = [f"user{number}" for number in range(people)]
    for _ in range(8):
        forget_claims(hub)
        found = at_once(given, *[(hub, user) for user in users for _ in range(laptops)])
        claims = claims_by_chunk(hub)
        assert sorted(sum(claims.values(), [])) == sorted(users), "each person is in one chunk"
        full, rest = divmod(people, 3)
        assert [len(claims[chunk.name]) for chunk in listed(hub)][: full + 1] == (
            [3] * full + [rest] * (full < 4)
        )
        for (_, user), name in found:
            assert user in claims[name]
            assert os.listdir(hub / "people" / user) == [name]


def test_twelve_people_who_take_all_they_can_leave_nothing_and_share_nothing(hub):
    for _ in range(4):
        forget_claims(hub)
        found = at_once(everything, *[(hub, f"user{number}") for number in range(12)])
        for (_, user), names in found:
            assert len(names) == len(set(names)), user
            assert set(os.listdir(hub / "people" / user)) == set(names)
        for name, users in claims_by_chunk(hub).items():
            assert len(users) == len(set(users)) == 3
            assert users == sorted(user for (_, user), names in found if name in names)


def test_a_rush_on_expired_claims_gives_no_more_than_there_is_room_for(hub):
    for _ in range(4):
        forget_claims(hub)
        for user in ("ann", "bob", "cec"):
            given(hub, user)
        for slot in "12":
            age(hub / "claims" / FIRST / slot, 20)
        found = at_once(given, *[(hub, f"user{number}") for number in range(8)])
        assert Counter(name for _, name in found) == {FIRST: 2, SECOND: 3, THIRD: 3}
        assert sorted(os.listdir(hub / "claims" / FIRST)) == list("12345")
