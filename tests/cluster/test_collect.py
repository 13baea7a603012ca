"""`collect`: the latest of each person and detection, and nothing that is no label."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import os
from datetime import datetime, timezone

from hubs import (
    FIRST,
    empty,
    given,
    hub,
    mine,
    row,
    rows_of,
    run,
    send,
)

import labelfile
import labels
from cluster.hub import Hub


def test_collect_keeps_the_latest_of_each_person_and_detection(hub):
    for user in ("bob", "alice"):
        given(hub, user)
    one, two = sorted(Hub(hub).objids(FIRST))
    send(hub, [row(one, "Good", "2026-01-01T00:00:00.1Z"), row(two)], at="2026-01-03_00-00-00")
    send(hub, [row(one, "Marginal", "2026-01-01T00:00:00.12Z")], at="2026-01-02_00-00-00")
    send(hub, [row(two, "Unsure"), row(one, "Skipped")], "bob", at="2026-01-01_00-00-00")
    send(hub, [row(two, "Other")], "bob", at="2026-01-01_00-00-01")
    done = run(hub, "collect")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"3 labels by 2 people on 2 detections are in {hub}/labels.csv; 1 skipped.\n"
    )
    header, *rows = rows_of(hub / "labels.csv")
    assert header == ["USER", *labelfile.COLUMNS]
    assert [line[:3] for line in rows] == [
        ["alice", one, "Marginal"],
        ["bob", one, "Skipped"],
        ["alice", two, "Good"],
        ["bob", two, "Other"],
    ]
    before = (hub / "labels.csv").read_bytes()
    run(hub, "collect")
    assert (hub / "labels.csv").read_bytes() == before


def test_labels_are_in_the_order_of_their_numbers(hub):
    rows = [",".join([*row(objid), "zoe"]) for objid in ("10", "9", "09", "1" * 32)]
    text = "\n".join([",".join([*labelfile.COLUMNS, "USER"]), *rows, ""])
    (hub / "verified" / "zoe--2026-01-03_00-00-00.csv").write_text(text)
    assert run(hub, "collect").returncode == 0
    found = [line[1] for line in rows_of(hub / "labels.csv")[1:]]
    assert found == ["09", "9", "10", "1" * 32]


def test_collect_and_status_outlive_times_that_cannot_be(mine):
    """TIME 9999 ended `status` in a traceback."""
    hub, (one, two) = mine
    times = ("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.0Z", "1999-01-01T00:00:00.0Z")
    lines = [",".join([*row(one, time=time), "alice"]) for time in times]
    lines.append(",".join([*row(two), "alice"]))
    header = ",".join([*labelfile.COLUMNS, "USER"])
    path = hub / "verified" / "alice--2026-01-03_00-00-00.csv"
    path.write_text("\n".join([header, *lines, ""]))
    os.utime(hub / "people" / "alice", (2**40, 2**40))
    for verb in ("collect", "status"):
        done = run(hub, verb)
        assert done.returncode == 0 and "(3 rows in all)" in done.stderr
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    assert today in done.stdout, "nobody is seen in the future"
    assert [line[1] for line in rows_of(hub / "labels.csv")[1:]] == [two]
    assert f"{path.name}: 3 rows are no labels" in run(hub, "check").stdout


def test_collect_leaves_out_what_is_no_verified_label(mine):
    hub, (one, two) = mine
    send(hub, [row(one)])
    header = ",".join([*labelfile.COLUMNS, "USER"])
    bad = [",".join([*row(two), "bob"]), ",".join([*row(two, "Godo"), "alice"]), "x", ""]
    (hub / "verified" / "alice--2026-01-03_00-00-00.csv").write_text("\n".join([header, *bad]))
    (hub / "verified" / "alice--2026-01-04_00-00-00.csv").symlink_to("/etc/passwd")
    (hub / "verified" / "notes.txt").write_text("mine")
    done = run(hub, "collect")
    assert done.returncode == 0
    assert done.stdout.startswith(f"1 label by 1 person on 1 detection is in {hub}/labels.csv;")
    assert "2026-01-03_00-00-00.csv has a row" in done.stderr
    assert "2026-01-04_00-00-00.csv" in done.stderr
