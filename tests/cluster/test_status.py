"""`status`: how far the chunks and the people are."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import os
import pwd
import re
import time
from datetime import datetime, timedelta, timezone

from hubs import (
    FIRST,
    SECOND,
    THIRD,
    age,
    empty,
    given,
    hub,
    listed,
    row,
    run,
    send,
    setting,
    tarball,
)

import labelfile
from cluster.add import run as add
from cluster.hub import Hub


def test_status_counts_chunks_and_people_and_warns(hub, tmp_path, capsys):
    users = ("ann", "bob", "cec")
    for user in users:
        given(hub, user)
        send(hub, [row(objid) for objid in Hub(hub).objids(FIRST)], user)
    one = Hub(hub).objids(FIRST)[0]
    send(hub, [row(one, "Skipped", "2026-01-03T00:00:00.0Z")], "bob", at="2026-01-03_00-00-00")
    assert (given(hub, "ann"), given(hub, "ann", SECOND)) == (SECOND, THIRD)
    given(hub, "maximilian", FIRST)
    age(hub / "people" / "ann" / THIRD, 20)
    done = run(hub, "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "chunks   4: 1 complete, 3 need more people (2 have 0 of 3, 1 has 2 of 3)"
    )
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    assert re.search(rf"^ann +2 +0 +2 +1  {today}", done.stdout, re.M)
    assert re.search(rf"^bob +1 +0 +0 +1  {today}", done.stdout, re.M)
    assert re.search(rf"^maximilian +0 +0 +1 +0  {today}", done.stdout, re.M)
    columns = {line.rindex("  20") for line in done.stdout.splitlines() if "  20" in line}
    assert len(columns) == 1, "neatly aligned"
    few = (
        "Fewer than seven chunks wait for someone: add more stamps soon (add), so that nobody "
        "runs dry."
    )
    assert done.stdout.splitlines()[-1] == few
    assert given(hub, "dan") == SECOND
    told = run(hub, "status").stdout.splitlines()[0]
    assert told == "chunks   4: 1 complete, 1 with labelers, 2 need more people (2 have 0 of 3)"
    add(hub, [str(tarball(tmp_path / "more.tar.gz", map(str, range(100, 108))))])
    assert few in run(hub, "status").stdout, "six wait"
    add(hub, [str(tarball(tmp_path / "last.tar.gz", ["200"]))])
    assert few not in run(hub, "status").stdout, "seven wait"


def ago(**time):
    """Return the TIME of a label that was given so long ago."""
    at = datetime.now(timezone.utc) - timedelta(**time)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def status_of(hub):
    return run(hub, "status").stdout.splitlines()


def test_status_tells_the_pace_and_when_the_end_comes(hub):
    assert status_of(hub)[1] == (
        "detections 8: 8 left, which need 24 more answers; none that counts came in the last 7 days"
    )
    for user in ("ann", "bob"):
        given(hub, user)
    one, two = Hub(hub).objids(FIRST)
    send(hub, [row(one, "Good", ago(days=30)), row(two, "Unsure", ago(days=6))], "ann")
    send(hub, [row(one, "Good", ago(hours=1)), row(two, "Skipped", ago(minutes=1))], "bob")
    lines = status_of(hub)
    # two answers in the last week, 21 are lacking, as Skipped is none: 73.5 days
    assert lines[1] == (
        "detections 8: 8 left, which need 21 more answers: 74 days at the present 0.3 a day"
    )
    assert re.search(r"^ann +2 +0\.1 +0 +1 ", "\n".join(lines), re.M)
    assert re.search(r"^bob +1 +0\.1 +0 +1 ", "\n".join(lines), re.M)
    assert "a day: over the last 7 days" in lines


def test_the_pace_of_a_young_hub_is_taken_since_its_first_label(hub):
    given(hub, "ann")
    one, two = Hub(hub).objids(FIRST)
    send(hub, [row(one, time=ago(hours=2)), row(two, time=ago(hours=1))], "ann")
    lines = status_of(hub)
    assert lines[1].endswith("22 more answers: 11 days at the present 2.0 a day"), "a day at least"
    assert "a day: over the last day" in lines
    send(hub, [row(one, time=ago(hours=60))], "ann", at="2026-01-02_03-04-06")
    assert "2.0 a day" in status_of(hub)[1], "an older answer to the same detection does not count"
    given(hub, "bob")
    send(hub, [row(one, time=ago(hours=60))], "bob")
    lines = status_of(hub)
    assert lines[1].endswith("21 more answers: 18 days at the present 1.2 a day")
    assert "a day: over the 2.5 days since the first label" in lines
    assert re.search(r"^bob +1 +0\.4 ", "\n".join(lines), re.M), "the first counts too"


def test_status_takes_no_notice_of_what_a_gold_chunk_gets_beyond_its_need(hub):
    setting(hub, "labelers", 1)
    text = (hub / "chunks.csv").read_text()
    (hub / "chunks.csv").write_text(re.sub(rf"^({FIRST}(,\w+){{3}}),", r"\1,yes", text, flags=re.M))
    assert [chunk.name for chunk in listed(hub) if chunk.gold] == [FIRST]
    objids = Hub(hub).objids(FIRST)
    users = ("ann", "bob", "cec", "dan")
    for user in users:
        while FIRST not in Hub(hub).claimed(user)[0]:
            assert given(hub, user, *Hub(hub).claimed(user)[0])
    others = {user: len(Hub(hub).claimed(user)[0]) - 1 for user in users}
    for hours, user in enumerate(users, 1):
        send(hub, [row(objid, time=ago(hours=hours)) for objid in objids], user)
    lines = status_of(hub)
    waiting = 3 - sum(others.values())
    assert lines[0].startswith(f"chunks   4: 1 complete, {sum(others.values())} with labelers, ")
    assert f"{waiting} " in lines[0].split("with labelers, ")[1]
    # of the eight labels two were needed; six more are, at two a day
    assert lines[1] == (
        "detections 8: 6 left, which need 6 more answers: 3 days at the present 2.0 a day"
    )
    assert re.search(r"^dan +2 +2\.0 ", "\n".join(lines), re.M), "people's own pace is all they do"
    assert "gold" not in "\n".join(lines)


def test_status_lists_who_has_labels_but_no_folder_and_leaves_the_idle_expert_out(hub):
    earlier = row("6", time="2026-01-01T03:04:05.678Z")
    lines = [*labelfile.COLUMNS, "USER"], [*row("5"), "zoe"], [*earlier, "zoe"]
    text = "\n".join([*map(",".join, lines), ""])
    (hub / "verified" / "zoe--2026-01-03_00-00-00.csv").write_text(text)
    Hub(hub).person(pwd.getpwuid(os.getuid()).pw_name)
    names = [line.split("  ")[0] for line in status_of(hub)]
    assert names[3:5] == ["person", "zoe"]
    assert status_of(hub)[4].split() == ["zoe", "2", "0", "0", "0", "2026-01-02", "03:04"]
    assert pwd.getpwuid(os.getuid()).pw_name not in names


def test_a_chunk_that_people_could_only_skip_is_not_complete_and_is_told(hub, tmp_path):
    one, two = Hub(hub).objids(FIRST)
    for user in ("ann", "bob", "cec"):
        assert given(hub, user) == FIRST
        send(hub, [row(one, "Skipped"), row(two, "Skipped")], user)
    lines = status_of(hub)
    assert lines[:3] == [
        "chunks   4: 0 complete, 1 only skipped, 3 need more people (3 have 0 of 3)",
        "detections 8: 8 left, which need 24 more answers; none that counts came in the last "
        "7 days",
        f"only skipped: 2 detections, such as {' '.join(sorted((one, two)))}; mend the stamps and "
        "add them again",
    ]
    add(hub, [str(tarball(tmp_path / "again.tar.gz", [one, two]))], stamp="again")
    lines = status_of(hub)
    assert lines[0].startswith("chunks   5: 0 complete, 1 only skipped, 4 need more people")
    assert lines[1].startswith("detections 8: 8 left, which need 24 more answers") and not lines[2]
    while (name := given(hub, "dan", *Hub(hub).claimed("dan")[0])) != "chunk--00005--again":
        assert name
    send(hub, [row(one, stamp="again"), row(two, "Skipped", stamp="again")], "dan")
    lines = status_of(hub)
    assert lines[1].startswith("detections 8: 8 left, which need 23 more answers")
    assert lines[2].startswith(f"only skipped: 1 detection, such as {two};")
    send(hub, [row(two)], "ann", at="2026-01-03_03-04-05")  # who saw the first stamps after all
    assert status_of(hub)[0].startswith("chunks   5: 1 complete, 4 need more people")
    assert status_of(hub)[2] == ""


def test_status_of_a_finished_hub_says_that_nothing_is_left(hub):
    setting(hub, "labelers", 1)
    while chunk := given(hub, "ann"):
        rows = [row(objid) for objid in Hub(hub).objids(chunk)]
        send(hub, rows, "ann", f"2026-01-02_03-04-{chunk[10:12]}")
    assert status_of(hub)[:2] == [
        "chunks   4: 4 complete, 0 need more people",
        "detections 8: none left",
    ]
