"""What the expert is given and says, what people learn of it, and what others never see."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import contextlib
import io
import os
import re
import shutil
import subprocess
import time

import pytest
from hubs import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    answer,
    by,
    empty,
    given,
    hub,
    listed,
    put,
    row,
    rows_of,
    run,
    send,
    shared,
    stamp_bytes,
    tarball,
    tree,
    upload,
)

import disk
import stamps
from cluster import chunks, claims, consensus, handout, review, verified
from cluster import receive as receiving
from cluster.add import run as add
from cluster.hub import Hub, account_name

ME = account_name(os.getuid())


def make_gold(hub, *names):
    header, *lines = (hub / "chunks.csv").read_text().splitlines()
    for place, line in enumerate(lines):
        fields = line.split(",")
        fields[4] = "yes" if fields[0] in names else ""
        lines[place] = ",".join(fields)
    (hub / "chunks.csv").write_text("\n".join([header, *lines, ""]))


def wanted(hub, *have):
    """Return the name of the chunk that the expert is given, or None."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = handout.run(hub, have, expert=True)
    words = told.getvalue().splitlines()[-1].split()
    assert (status, len(words)) in ((0, 5), (3, 2))
    return words[2] if status == 0 else None


def label(hub, user, actions, second, stamp="drop"):
    """Let someone label detections: {OBJID: ACTION}."""
    at = f"2026-01-02_03-04-{second:02d}"
    rows = [row(objid, action, stamp=stamp) for objid, action in actions.items()]
    file, sha256 = upload(hub, rows, user, at)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert receiving.run(hub, file, sha256, user) == 0
    return tuple(map(int, told.getvalue().splitlines()[-1].split()[3:]))


def everyone(hub, answers):
    """Let people take all chunks and label them; answers[user][objid], Good if not there."""
    for second, (user, actions) in enumerate(answers.items()):
        have = []
        while (name := given(hub, user, *have)) is not None:
            have.append(name)
        objids = [objid for name in have for objid in Hub(hub).objids(name)]
        assert label(hub, user, {o: actions.get(o, "Good") for o in objids}, second)[1] == 0
    return sorted(objids)


def of(hub, *names):
    return [objid for name in names for objid in Hub(hub).objids(name)]


# ---- what the expert is given ----


def test_gold_chunks_that_lack_an_expert_label_come_first_and_an_unsure_is_an_answer(hub):
    make_gold(hub, SECOND, FOURTH)
    assert wanted(hub) == SECOND == wanted(hub), "asking twice"
    assert wanted(hub, SECOND) == FOURTH
    one, two = of(hub, SECOND)
    label(hub, ME, {one: "Good"}, 1)
    assert wanted(hub) == SECOND, "one is left"
    label(hub, ME, {two: "Unsure"}, 2)
    assert wanted(hub) == FOURTH
    label(hub, ME, dict.fromkeys(of(hub, FOURTH), "Skipped"), 3)
    assert wanted(hub) is None
    assert verified.gold_truth(Hub(hub)) == {one: "Good"}
    assert os.listdir(hub / "claims" / SECOND) == [], "no place of a labeler is taken"


def test_a_review_chunk_has_what_most_needs_the_expert(hub):
    objids = of(hub, FIRST, SECOND, THIRD, FOURTH)
    unsure, disputed, split, unseen, *_ = objids
    everyone(
        hub,
        {
            "ann": {
                **{unsure: "Unsure", disputed: "Marginal"},
                **{split: "BadSubtraction", unseen: "Skipped"},
            },
            "bob": {disputed: "BadSubtraction", split: "BadSubtraction", unseen: "Skipped"},
            "cec": {unsure: "Skipped", disputed: "Other", unseen: "Skipped"},
        },
    )
    name = wanted(hub)
    assert re.fullmatch("review--00001--20[0-9-]{8}_[0-9-]{8}", name)
    assert of(hub, name) == [unsure, disputed]
    archive = hub / "expert" / "chunks" / f"{name}.tar.gz"
    opened = stamps.Chunk(archive)
    assert (opened.objids, opened.damage, opened.incomplete) == ([unsure, disputed], None, {})
    homes = {
        member: data
        for n in listed(hub)
        for member, data in stamps.members(hub / "chunks" / f"{n.name}.tar.gz")
    }
    assert all(homes[member] == data for member, data in stamps.members(archive))
    votes = rows_of(hub / "expert" / "votes" / f"{name}.csv")
    assert votes[0] == ["OBJID", "USER", "ACTION", "COMMENT"]
    assert [line[:3] for line in votes[1:]] == sorted(
        [
            [unsure, "ann", "Unsure"],
            [unsure, "bob", "Good"],
            [disputed, "ann", "Marginal"],
            [disputed, "bob", "BadSubtraction"],
            [disputed, "cec", "Other"],
        ]
    )
    before = tree(hub)
    assert wanted(hub) == name and tree(hub) == before, "the same until it is worked off"
    stamp = stamps.metadata_stamp(name)
    assert label(hub, ME, {unsure: "Unsure"}, 30, stamp) == (1, 0)
    assert wanted(hub) == name
    assert label(hub, ME, {disputed: "Good"}, 31, stamp) == (1, 0)
    (second,) = {wanted(hub), wanted(hub)}
    assert second.startswith("review--00002--")
    assert not set(of(hub, second)) & {unsure, disputed}, "answered, be it with Unsure"
    assert split in of(hub, second) and unseen not in of(hub, second), "nobody said anything of it"


def test_gold_chunks_come_before_a_review_chunk_that_is_begun(hub):
    everyone(hub, {"ann": {"1": "Unsure"}})
    review = wanted(hub)
    make_gold(hub, SECOND)
    assert wanted(hub) == SECOND and wanted(hub, SECOND) == review


def test_a_review_chunk_has_the_latest_stamps_of_what_came_anew(hub, tmp_path):
    everyone(hub, {"ann": {"1": "Skipped"}})
    add(hub, [str(tarball(tmp_path / "again.tar.gz", ["1"]))], stamp="again")
    given(hub, "ann", FIRST, SECOND, THIRD, FOURTH)
    assert label(hub, "ann", {"1": "Unsure"}, 30, "again") == (1, 0)
    table = rows_of(Hub(hub).metadata_file(wanted(hub)))
    assert ["1", "chunk--00005--again"] in table


def test_a_review_chunk_never_unpacks_to_more_than_a_labeller_takes(hub, monkeypatch):
    everyone(hub, {"ann": {"1": "Unsure", "2": "Unsure"}})
    size = chunks.size_in_archive(len(stamp_bytes(kind, "1")) for kind in stamps.KINDS)
    monkeypatch.setattr(review, "UNPACKED_LIMIT", 2 * size - 1)
    assert of(hub, wanted(hub)) == ["1"]


def test_what_the_expert_says_of_a_review_chunk_belongs_to_the_drop_it_is_from(hub, tmp_path):
    add(hub, [str(tarball(tmp_path / "b.tar.gz", ["100"]))], stamp="later")
    everyone(hub, {"ann": {"100": "Unsure", "1": "Unsure"}})
    name = wanted(hub)
    assert set(of(hub, name)) == {"1", "100"}
    stamp = stamps.metadata_stamp(name)
    assert label(hub, ME, {"1": "Good", "100": "Other", "2": "Good"}, 30, stamp) == (2, 1)
    found = verified.expert_rows(Hub(hub))
    assert {o: found[o].metadata_stamp for o in found} == {"1": "drop", "100": "later"}


def test_a_review_chunk_that_was_not_finished_when_the_power_went_does_not_exist(hub):
    everyone(hub, {"ann": {"1": "Unsure"}})
    name = wanted(hub)
    (hub / "expert" / "chunks" / f"{name}.tar.gz").unlink()
    for path in (hub / "expert" / "votes").iterdir():
        path.unlink()
    again = wanted(hub)
    assert again.startswith("review--00001--") and "1" in of(hub, again)
    shutil.rmtree(hub / "expert" / "votes")
    (hub / "expert" / "votes").mkdir()
    assert wanted(hub) == again
    assert len(rows_of(hub / "expert" / "votes" / f"{again}.csv")) > 1


def test_a_review_chunk_is_there_when_all_of_it_is(hub, monkeypatch):
    everyone(hub, {"ann": {"1": "Unsure"}})
    write, written = disk.write_whole, []

    def then_the_power_goes(path, *more):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *more)

    monkeypatch.setattr(disk, "write_whole", then_the_power_goes)
    with pytest.raises(KeyboardInterrupt):
        wanted(hub)
    monkeypatch.undo()
    assert "1" in of(hub, wanted(hub))


def test_two_laptops_that_ask_at_once_get_one_review_chunk(hub, monkeypatch):
    """The name had the time of asking: each made a chunk of its own of the same detections."""
    everyone(hub, {"ann": {"1": "Unsure"}})
    weigh, found = consensus.weigh, []

    def while_the_other_asks(*what):
        monkeypatch.setattr(consensus, "weigh", weigh)
        found.append(wanted(hub))
        return weigh(*what)

    monkeypatch.setattr(consensus, "weigh", while_the_other_asks)
    found.append(wanted(hub))
    assert found == ["review--00001--2026-01-02_03-04-05"] * 2, "the time of the latest label"
    assert os.listdir(hub / "expert" / "chunks") == [f"{found[0]}.tar.gz"]
    assert run(hub, "check").returncode == 0


def test_nothing_is_left_for_the_expert_where_all_agree(hub):
    assert wanted(hub) is None
    agreed = {user: {} for user in ("ann", "bob", "cec")}
    everyone(hub, agreed)
    done = run(hub, "next", "--expert")
    assert (done.returncode, answer(done)) == (3, ["nothing"]), done.stderr


def test_only_the_owner_as_themself_is_the_expert(hub):
    done = run(hub, "next", "--expert", "--as", "alice")
    assert done.returncode == 7
    assert f"Only {ME}, who owns this hub, is its expert, not alice" in done.stderr
    make_gold(hub, FIRST)
    assert answer(run(hub, "next", "--expert", "--as", ME))[1] == FIRST


# ---- what the expert says ----


def test_the_expert_takes_no_labelers_place(hub):
    """Their label is no vote: chunks stayed one vote short, and status said so for ever."""
    first = given(hub, ME)
    label(hub, ME, dict.fromkeys(of(hub, first), "Good"), 1)
    everyone(hub, {"ann": {}, "bob": {}, "cec": {}})
    assert given(hub, "dan") is None
    told = run(hub, "status").stdout
    assert told.startswith("chunks   4: 4 complete, 0 need more people\ndetections 8: none left\n")
    assert f"\n{ME} " not in told
    assert run(hub, "check").returncode == 0


def test_the_experts_uploads_are_kept_apart_and_never_count_as_votes(hub):
    make_gold(hub, FIRST)
    everyone(hub, {"ann": {}})
    one, two = of(hub, FIRST)
    wanted(hub)
    assert send(hub, [row(one, "Other"), row("77")], ME) == (1, 1)
    file = f"{ME}--2026-01-02_03-04-05.csv"
    for folder in ("incoming", "verified", "rejected"):
        assert os.listdir(hub / "expert" / folder) == [file]
        assert file not in os.listdir(hub / folder)
    assert send(hub, [row(one, "Other"), row("77")], ME) == (1, 1), "once more, the same answer"
    assert {user for user, _ in verified.gather(Hub(hub))} == {"ann"}
    send(hub, [row(one, "Good", "2026-01-03T00:00:00.0Z")], ME, at="2026-01-01_00-00-00")
    assert {o: r.action for o, r in verified.expert_rows(Hub(hub)).items()} == {one: "Good"}


def test_the_expert_may_label_as_anyone_does_and_it_is_expert_work(hub):
    assert given(hub, ME) == FIRST
    assert label(hub, ME, dict.fromkeys(of(hub, FIRST), "Good"), 1) == (2, 0)
    assert (hub / "people" / ME / f"{FIRST}.done").exists()
    assert verified.gather(Hub(hub)) == {}
    assert set(verified.expert_rows(Hub(hub))) == set(of(hub, FIRST))
    one, two, *_ = of(hub, FIRST, SECOND)
    everyone(hub, {"ann": {one: "Unsure", two: "Unsure"}})
    assert not set(of(hub, wanted(hub))) & {one, two}, "it was answered"


def test_the_expert_labels_only_what_they_were_given(hub):
    make_gold(hub, FIRST)
    assert label(hub, ME, dict.fromkeys(of(hub, FIRST), "Good"), 1) == (0, 2)
    wanted(hub)
    assert label(hub, ME, dict.fromkeys(of(hub, FIRST, SECOND), "Good"), 2) == (2, 2)


def test_each_person_learns_how_often_the_expert_agreed(hub):
    make_gold(hub, FIRST, SECOND)
    one, two, three, four = of(hub, FIRST, SECOND)
    answers = {"ann": {two: "Other"}, "bob": {one: "Unsure", two: "Skipped", three: "Other"}}
    everyone(hub, {**answers, "dan": {}})
    for _ in range(2):
        name = wanted(hub)
        label(hub, ME, dict.fromkeys(of(hub, name), "Good"), 40 + int(name.split("--")[1]))
    label(hub, ME, {four: "Unsure"}, 50)
    done = run(hub, "collect")
    assert done.stdout.endswith("; 1 skipped. The expert's 4 rows stand above them.\n")
    told = {path.name: path.read_text() for path in (hub / "agreement").iterdir()}
    assert told == {"ann": "2 3\n", "bob": "0 1\n", "dan": "3 3\n"}
    before = tree(hub)
    assert run(hub, "collect").returncode == 0 and tree(hub) == before
    assert len(rows_of(hub / "labels.csv")) == 25, "three people's eight each, and no expert's"
    assert send(hub, [row(one)], "ann", at="2026-01-05_00-00-00") == (1, 0, 2, 3)
    assert send(hub, [row(one)], "ann", at="2026-01-05_00-00-00") == (1, 0, 2, 3)
    for spoilt in ("", "x y\n", "2 3", "2 3\n4", "4 3\n"):
        (hub / "agreement" / "ann").write_text(spoilt)
        assert send(hub, [row(one)], "ann", at="2026-01-05_00-00-00") == (1, 0)
    (hub / "agreement" / "ann").unlink()
    (hub / "agreement" / "ann").symlink_to(hub / "agreement" / "bob")
    assert send(hub, [row(one)], "ann", at="2026-01-05_00-00-00") == (1, 0)
    label(hub, ME, dict.fromkeys((one, two, three), "Unsure"), 55)
    assert run(hub, "collect").returncode == 0
    assert os.listdir(hub / "agreement") == [], "what was taken back is no longer told"


# ---- several accounts ----


def test_labelers_see_nothing_of_the_expert_but_their_own_agreement(shared):
    make_gold(shared, FIRST)
    assert answer(run(shared, "next", **by("nobody")))[1]
    name = next(p.name for p in (shared / "people" / "nobody").iterdir())
    (shared / "people" / "nobody" / name).touch()
    assert run(shared, "next", "--expert", **by("nobody")).returncode == 7
    assert answer(run(shared, "next", "--expert"))[1] == FIRST
    objids = of(shared, FIRST)
    assert send(shared, [row(objid) for objid in objids], ME) == (2, 0)
    while FIRST not in os.listdir(shared / "people" / "nobody"):
        have = [n for n in os.listdir(shared / "people" / "nobody") if n.startswith("chunk")]
        assert run(shared, "next", "--have", *have, **by("nobody")).returncode == 0
    rows = [row(objid) for objid in objids]
    done = run(shared, "receive", *put(shared, "nobody", rows), **by("nobody"))
    assert answer(done)[2:] == ["2", "0"], done.stderr
    assert run(shared, "collect").returncode == 0
    done = run(shared, "receive", *put(shared, "nobody", rows), **by("nobody"))
    assert answer(done)[2:] == ["2", "0", "2", "2"]
    shutil.chown(shared / "agreement" / "nobody", "nobody")
    done = run(shared, "receive", *put(shared, "nobody", rows), **by("nobody"))
    assert answer(done)[2:] == ["2", "0"], "the owner's word alone is passed on"
    shutil.chown(shared / "agreement" / "nobody", ME)
    for attempt in (
        "ls expert",
        "cat expert/verified/*",
        "touch agreement/nobody",
        "ls expert/votes",
    ):
        done = subprocess.run(
            ["sh", "-c", f"cd '{shared}' && {attempt}"], capture_output=True, **by("nobody")
        )
        assert done.returncode != 0, attempt
    assert run(shared, "check", **by("nobody")).returncode == 7
    done = run(shared, "check")
    assert done.returncode == 0, done.stdout


def test_a_claim_in_anothers_name_is_its_writers(shared):
    slot = shared / "claims" / FIRST / "1"
    slot.write_text(f"nobody {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
    shutil.chown(slot, "daemon")
    assert claims.read_claim(slot, os.getuid()).user == "daemon"
    assert answer(run(shared, "next", **by("nobody")))[1] == FIRST
    assert sorted(os.listdir(shared / "claims" / FIRST)) == ["1", "2"], "a place of their own"
    done = run(shared, "check")
    assert done.returncode == 1 and f"claims/{FIRST}/1: daemon wrote it" in done.stdout
