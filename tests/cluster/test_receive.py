"""`receive`: uploads, real and hostile ones, and power cuts between any two steps."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import contextlib
import io
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hubs import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    age,
    answer,
    at_once,
    empty,
    everything,
    given,
    hub,
    mine,
    row,
    rows_of,
    run,
    send,
    tarball,
    tree,
    upload,
)

import labelfile
from cluster.add import run as add
from cluster.hub import Hub, now, table
from cluster.receive import run as receive


def test_an_upload_becomes_verified_rows(mine):
    hub, (one, two) = mine
    file, sha256 = upload(hub, [row(one, comment='a "b", ü'), row(two, "Skipped")])
    sent = (hub / "incoming" / f".{file}.part").read_bytes()
    done = run(hub, "receive", file, sha256.upper(), "--as", "alice")
    assert (done.returncode, answer(done)) == (0, ["received", file, "2", "0"])
    assert (hub / "incoming" / file).read_bytes() == sent
    assert os.listdir(hub / "incoming") == [file]
    assert rows_of(hub / "verified" / file) == [
        [*labelfile.COLUMNS, "USER"],
        [*row(one, comment='a "b", ü'), "alice"],
        [*row(two, "Skipped"), "alice"],
    ]
    assert os.listdir(hub / "rejected") == []


def test_a_row_goes_to_the_drop_it_says_where_a_detection_came_anew(mine, tmp_path):
    hub, (one, two) = mine
    assert send(hub, [row(one, "Skipped"), row(two, "Skipped")], at="2026-01-01_00-00-00") == (2, 0)
    add(hub, [str(tarball(tmp_path / "again.tar.gz", [one, two]))], stamp="again")
    again = "chunk--00005--again"
    while given(hub, "alice", *Hub(hub).claimed("alice")[0]) != again:
        pass
    other = row(Hub(hub).objids(SECOND)[0], stamp="renamed")  # which has all tables be read
    rows = [other, row(one, "Skipped"), row(two, stamp="again")]
    assert send(hub, rows, at="2026-01-02_00-00-00") == (3, 0)
    assert not Hub(hub).has_finished("alice", again)
    assert send(hub, [row(one, stamp="again")], at="2026-01-03_00-00-00") == (1, 0)
    assert Hub(hub).has_finished("alice", again)
    kept = rows_of(hub / "verified" / "alice--2026-01-02_00-00-00.csv")[1:]
    assert [line[4] for line in kept] == ["drop", "drop", "again"]


def test_receiving_twice_gives_the_same_answer_and_changes_nothing(mine):
    hub, (one, _) = mine
    rows = [row(one), row(Hub(hub).objids(SECOND)[0])]
    file, sha256 = upload(hub, rows)
    command = ("receive", file, sha256, "--as", "alice")
    first = run(hub, *command)
    assert answer(first)[2:] == ["1", "1"]
    before = tree(hub)
    assert run(hub, *command).stdout == first.stdout
    upload(hub, rows)
    assert run(hub, *command).stdout == first.stdout
    assert tree(hub) == before
    assert given(hub, "alice", FIRST) == SECOND
    second = run(hub, *command)
    assert answer(second)[2:] == ["2", "0"], "what was rejected is hers by now"
    before = tree(hub)
    assert run(hub, *command).stdout == second.stdout and tree(hub) == before


def test_what_arrived_damaged_is_thrown_away_and_asked_for_again(mine):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    part = hub / "incoming" / f".{file}.part"
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert done.returncode == 6 and "Send it again" in done.stderr
    assert os.listdir(hub / "incoming") == os.listdir(hub / "verified") == []
    assert run(hub, "receive", file, sha256, "--as", "alice").returncode == 6
    part.write_bytes(whole)
    assert run(hub, "receive", file, sha256, "--as", "alice").returncode == 0


def test_two_files_of_one_name_are_both_kept_and_both_answers_stay(mine):
    hub, (one, two) = mine
    assert send(hub, [row(one)]) == (1, 0)
    file, sha256 = upload(hub, [row(two), row("99")])
    assert send(hub, [row(two), row("99")]) == (1, 1)
    before = tree(hub)
    second = f"alice--2026-01-02_03-04-05-{sha256[:8]}.csv"
    assert sorted(os.listdir(hub / "incoming")) == sorted([file, second])
    assert os.listdir(hub / "rejected") == [second]
    assert send(hub, [row(one)]) == (1, 0)
    assert send(hub, [row(two), row("99")]) == (1, 1)
    assert tree(hub) == before
    assert (hub / "people" / "alice" / f"{FIRST}.done").exists(), "both count"


def test_bad_rows_are_set_aside_each_with_its_reason(mine):
    hub, (one, two) = mine
    other = Hub(hub).objids(SECOND)[0]
    bad = {
        row(one, "Godo"): "ACTION is no label",
        row(one, time="2026-13-01T00:00:07.000Z"): "TIME is not like 2026-11-22T13:08:00.123Z",
        row(other): "OBJID is in no chunk that alice was given",
        row("12345"): "OBJID is in no chunk that alice was given",
        row("x/../y"): "OBJID is not 1 to 32 digits",
    }
    rows = [row(one), *bad, ("short", "row"), row(two), row(one, "Marginal")]
    assert send(hub, rows) == (2, 6)
    verified = rows_of(hub / "verified" / "alice--2026-01-02_03-04-05.csv")[1:]
    assert [line[:2] for line in verified] == [[two, "Good"], [one, "Marginal"]], "the last counts"
    header, *rejected = rows_of(hub / "rejected" / "alice--2026-01-02_03-04-05.csv")
    assert header == [*labelfile.COLUMNS, "REASON"]
    assert rejected == [
        *[[*line, reason] for line, reason in bad.items()],
        ["", "", "short,row", *[""] * (len(header) - 4), "the line is no row, or has no end"],
    ]


def moment(**later):
    at = datetime.now(timezone.utc) + timedelta(**later)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.mark.parametrize(
    "clock, told",
    [
        ({"days": 3}, "was 3 days ahead of the hub's"),
        ({"hours": 25}, "was 25 hours ahead of the hub's"),
        ({"minutes": 42}, "was 4[12] minutes ahead of the hub's"),
        ("9999-12-31T23:59:59.999Z", "was [0-9]{7} days ahead of the hub's"),
        ("2019-12-31T23:59:59.000Z", "stood at 2019-12-31"),
        ("1970-01-01T00:00:07.000Z", "stood at 1970-01-01"),
    ],
)
def test_labels_of_a_wrong_clock_count_as_of_when_they_arrived(mine, clock, told):
    """They were rejected for good, and the hub was blamed."""
    hub, (one, two) = mine
    before, clock = moment(), clock if isinstance(clock, str) else moment(**clock)
    file, sha256 = upload(hub, [row(one, time=clock), row(two)])
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done)[2:] == ["2", "0"]
    (note,) = [x for x in done.stdout.splitlines() if x.startswith("artifactspy-note ")]
    assert re.search(f"Your computer's clock {told} when 1 label was given: they count", note)
    header, doubtful, sure = rows_of(hub / "verified" / file)
    assert header == [*labelfile.COLUMNS, "USER", "CLOCK"]
    assert doubtful[-1] == clock and before[:19] <= doubtful[3][:19] <= moment()[:19]
    assert sure == [*row(two), "alice", ""]
    assert run(hub, "receive", file, sha256, "--as", "alice").stdout == done.stdout
    later = [row(one, "Marginal", time=moment(seconds=2))]
    assert send(hub, later, at="2026-01-02_03-04-06") == (1, 0)
    assert run(hub, "collect").returncode == 0
    found = {line[1]: line[2] for line in rows_of(hub / "labels.csv")[1:]}
    assert found == {one: "Marginal", two: "Good"}, "the later one counts"
    assert run(hub, "status").returncode == run(hub, "check").returncode == 0


def test_what_was_rejected_before_is_taken_when_it_is_sent_again(mine):
    """The verdict was frozen, so that what a hub of before rejected stayed so for good."""
    hub, (one, two) = mine
    file, _ = upload(hub, [row(one, time="1970-01-01T00:00:07.000Z"), row(two), row("99")])
    data = (hub / "incoming" / f".{file}.part").read_bytes()
    assert send(hub, (), text=data) == (2, 1)
    header, doubtful, sure = rows_of(hub / "verified" / file)
    (hub / "verified" / file).write_bytes(table(header[:-1], [sure[:-1]]))
    _, other = rows_of(hub / "rejected" / file)
    reason = "TIME is before 2020 or in the future"
    bad = [[*row(one, time="1970-01-01T00:00:07.000Z"), reason], other]
    (hub / "rejected" / file).write_bytes(table([*labelfile.COLUMNS, "REASON"], bad))
    assert send(hub, (), text=data) == (2, 1)
    assert rows_of(hub / "verified" / file) == [header, doubtful, sure]
    assert rows_of(hub / "rejected" / file)[1:] == [other]
    (hub / "rejected" / file).unlink()  # a crash between the two, the other way about
    assert send(hub, (), text=data) == (2, 0)


def test_a_crash_amid_a_new_verdict_heals_when_the_file_comes_again(mine, monkeypatch):
    hub, (one, _) = mine
    other = Hub(hub).objids(SECOND)[0]
    assert send(hub, [row(one), row(other)]) == (1, 1)
    assert given(hub, "alice", FIRST) == SECOND
    file, sha256 = upload(hub, [row(one), row(other)])

    def crash(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            receive(hub, file, sha256, "alice")
    upload(hub, [row(one), row(other)])
    assert send(hub, [row(one), row(other)]) == (2, 0)
    assert len(rows_of(hub / "verified" / file)) == 3 and os.listdir(hub / "rejected") == []


def test_millions_of_lines_that_are_none_are_told_as_one(mine):
    hub, (one, _) = mine
    text = "\n".join([",".join(labelfile.COLUMNS), ",".join(row(one)), *["x"] * 200_000, ""])
    assert send(hub, (), text=text.encode()) == send(hub, (), text=text.encode()) == (1, 1001)
    assert (
        rows_of(hub / "rejected" / "alice--2026-01-02_03-04-05.csv")[-1][2]
        == "and all that follows"
    )


def test_hostile_bytes_cost_their_own_lines_only(mine):
    hub, (one, two) = mine
    good = ",".join(row(one)).encode()
    lines = [
        ",".join(labelfile.COLUMNS).encode(),
        b"\x00\xff\xfe",
        b'"' * 5,
        b"",
        b"x" * 200_000,
        good,
    ]
    torn = ",".join(row(two)).encode()
    lines += [good.replace(b"1.50", b'"\r1.50"'), b'"1\r2",Good,"a\rb","\0","\r",1', b"\0,\r," * 3]
    for _ in range(2):
        assert send(hub, (), text=b"\n".join([*lines, torn])) == (1, 7)
    assert send(hub, (), at="2026-01-02_03-04-06", text=b"") == (0, 0)


def test_a_row_finds_its_chunk_under_any_stamp(mine):
    hub, (one, _) = mine
    assert send(hub, [row(one, stamp="renamed")]) == (1, 0)
    assert rows_of(hub / "verified" / "alice--2026-01-02_03-04-05.csv")[1][4] == "drop"


@pytest.mark.parametrize("stamp", ["drop", "other"])
def test_receive_reads_the_chunk_of_a_rows_drop_first(mine, tmp_path, capsys, stamp):
    hub, (one, _) = mine
    add(hub, [str(tarball(tmp_path / "x.tar.gz", ["100", "101"]))], stamp="other")
    assert len(everything(hub, "alice")) == 5
    objid = {"drop": Hub(hub).objids(FOURTH)[0], "other": "100"}[stamp]
    for name in {FIRST, SECOND, THIRD, FOURTH, "chunk--00005--other"}:
        if not (name == FOURTH if stamp == "drop" else name.endswith(stamp)):
            (hub / "metadata" / f"{name}.csv").unlink()
    assert send(hub, [row(objid, stamp=stamp)]) == (1, 0)


@pytest.mark.parametrize("step", ["incoming", "rejected", "verified", "noted"])
def test_a_power_cut_after_any_step_heals_when_the_file_comes_again(mine, step):
    hub, (one, two) = mine
    send(hub, [row(one)], at="2026-01-01_00-00-00")
    rows = [row(two), row("99")]
    file, sha256 = upload(hub, rows)
    assert answer(run(hub, "receive", file, sha256, "--as", "alice"))[2:] == ["1", "1"]
    whole = tree(hub)
    (hub / "people" / "alice" / f"{FIRST}.done").unlink()
    later = ["noted", "verified", "rejected", "incoming"]
    for undone in later[: later.index(step)]:
        if undone == "noted":
            (hub / "people" / "alice" / f"{FIRST}.2026-01-02_03-04-05").unlink()
        else:
            (hub / undone / file).unlink()
    if step == "incoming":  # what the half-done try thought bad may be good by now
        (hub / "rejected" / file).write_text("of another opinion\n")
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done)[2:] == ["1", "1"]
    now = tree(hub)
    closed = f"people/alice/{FIRST}.done"
    assert now.pop(closed) and whole.pop(closed)
    assert now == whole


def test_what_a_crash_left_in_rejected_goes_when_nothing_is_rejected(mine):
    hub, (one, _) = mine
    (hub / "rejected" / "alice--2026-01-02_03-04-05.csv").write_text("of another opinion\n")
    assert send(hub, [row(one)]) == send(hub, [row(one)]) == (1, 0)
    assert os.listdir(hub / "rejected") == []


def test_a_claim_closes_when_all_is_dealt_with_over_several_uploads(mine):
    hub, (one, two) = mine
    assert send(hub, [row(one)], at="2026-01-02_00-00-00") == (1, 0)
    assert given(hub, "alice") == FIRST
    assert send(hub, [row(one), row("99")], at="2026-01-02_00-00-01") == (1, 1)
    assert given(hub, "alice") == FIRST
    assert send(hub, [row(two, "Skipped")], at="2026-01-02_00-00-02") == (1, 0)
    assert given(hub, "alice") == SECOND
    assert given(hub, "bob") == FIRST, "and only hers"


def test_labels_that_come_after_a_claim_expired_count(mine):
    hub, objids = mine
    age(hub / "claims" / FIRST / "1", 99)
    age(hub / "people" / "alice" / FIRST, 99)
    assert send(hub, [row(objid) for objid in objids]) == (2, 0)


def test_only_a_plain_file_of_ones_own_is_taken_in(mine, tmp_path):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    part = hub / "incoming" / f".{file}.part"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    for make in (lambda: None, lambda: os.mkfifo(part), part.mkdir):
        make()
        done = run(hub, "receive", file, sha256, "--as", "alice", timeout=20)
        assert done.returncode == 7 and "is no upload of yours" in done.stderr
        assert answer(done) == ["send", "people/alice"], "there nothing is in the way"
    assert os.listdir(hub / "verified") == []
    own = hub / "people" / "alice" / f".{file}.{sha256[:8]}.part"
    own.write_bytes((tmp_path / "elsewhere").read_bytes())
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done) == ["received", file, "1", "0"]


def test_an_upload_of_a_gib_is_refused_and_leaves_no_part(mine):
    hub, _ = mine
    file = "alice--2026-01-02_03-04-05.csv"
    for part in (f"incoming/.{file}.part", f"people/alice/.{file}.00000000.part"):
        with (hub / part).open("wb") as big:
            big.truncate(1 << 30)
        done = run(hub, "receive", file, "0" * 64, "--as", "alice")
        assert done.returncode == 7 and "at most 8388608 bytes" in done.stderr
        assert not (hub / part).exists()


def test_the_hub_says_where_an_upload_goes_and_takes_it_from_there(mine):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    data = (hub / "incoming" / f".{file}.part").read_bytes()
    (hub / "incoming" / f".{file}.part").unlink()
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert (done.returncode, answer(done)) == (6, ["send", "people/alice"])
    (hub / "people" / "alice" / f".{file}.{sha256[:8]}.part").write_bytes(data)
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done) == ["received", file, "1", "0"]
    assert os.listdir(hub / "people" / "alice") == [FIRST, f"{FIRST}.2026-01-02_03-04-05"]
    done = run(hub, "receive", file, sha256, "--as", "alice")
    assert answer(done) == ["received", file, "1", "0"], "it is not asked for again"


def test_a_second_file_of_a_name_that_has_a_sum_already_gets_a_valid_name(mine):
    hub, (one, two) = mine
    at = "2026-01-02_03-04-05-01234567"
    assert send(hub, [row(one)], at=at) == send(hub, [row(two)], at=at) == (1, 0)
    names = os.listdir(hub / "verified")
    assert len(names) == 2 and all(labelfile.user_of(name) == "alice" for name in names)
    assert run(hub, "collect").stdout.startswith("2 labels by 1 person")


def test_what_uploads_left_a_day_ago_is_swept_and_no_more(mine):
    hub, (one, _) = mine
    paths = [hub / "people" / "alice" / f".x{number}.part" for number in (1, 2)]
    paths += [hub / "incoming" / f".alice--2026-01-0{n}_03-04-05.csv.part" for n in (1, 3)]
    for path in paths:
        path.write_text("half")
    for path in paths[::2]:
        os.utime(path, (1, 1))
    send(hub, [row(one)])
    assert [path.exists() for path in paths] == [False, True, True, True]
    assert run(hub, "collect").returncode == 0
    assert [path.exists() for path in paths] == [False, True, False, True]


def receive_quietly(hub, file, sha256):
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        receive(hub, file, sha256, "alice")
    return told.getvalue()


def test_one_upload_received_by_six_processes_at_once_is_kept_once(mine):
    hub, (one, two) = mine
    for second in range(5):
        at = f"2026-01-02_03-04-0{second}"
        file, sha256 = upload(hub, [row(one), row(two)], at=at)
        found = at_once(receive_quietly, *[(hub, file, sha256)] * 6)
        answers = {told.splitlines()[-1] for _, told in found}
        # the part is gone after the first; who comes too late for it finds what was kept
        assert answers == {f"artifactspy-1 received {file} 2 0"}
        assert sorted(os.listdir(hub / "incoming"))[second:] == [file]


def test_what_another_process_took_in_a_moment_ago_is_answered(mine, monkeypatch):
    hub, (one, _) = mine
    file, sha256 = upload(hub, [row(one)])
    module = sys.modules["cluster.receive"]
    read, first = module.read_owned, []

    def late(path, *limit):
        if path.name == f".{file}.part":
            monkeypatch.setattr(module, "read_owned", read)
            first.append(receive_quietly(hub, file, sha256))
        return read(path, *limit)

    monkeypatch.setattr(module, "read_owned", late)
    assert [receive_quietly(hub, file, sha256)] == first
    assert os.listdir(hub / "incoming") == [file]


def test_an_upload_is_kept_where_links_are_not_known(mine, monkeypatch):
    hub, (one, _) = mine

    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for action in ("Good", "Other"):
        file, sha256 = upload(hub, [row(one, action)])
        assert receive_quietly(hub, file, sha256).endswith(f"received {file} 1 0\n")
    assert len(os.listdir(hub / "incoming")) == 2
    assert b"Good" in (hub / "incoming" / file).read_bytes()
