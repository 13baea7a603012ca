"""Verified rows are read by the names of their columns, those of earlier versions too."""

# ruff: noqa: F401, F811 (pytest finds fixtures by their names)

import subprocess
import sys

import pytest
from hubs import FIRST, TIME, copy_clone, empty, given, hub, row, rows_of, run, upload

import labelfile
import labels
from cluster import verified
from cluster.hub import Hub, table


def write(hub, header, *lines, file="zoe--2026-01-03_00-00-00.csv"):
    path = hub / "verified" / file
    path.write_bytes(table(header, lines))
    return path


def test_a_table_of_fewer_columns_still_counts_with_the_defaults_of_the_others(hub):
    write(hub, ("OBJID", "ACTION", "TIME", "USER"), ("5", "Good", TIME, "zoe"))
    (found,) = verified.gather(Hub(hub)).values()
    assert found == labelfile.Row(objid="5", action="Good", time=TIME)
    assert run(hub, "collect").stdout.startswith("1 label by 1 person on 1 detection is in")


def test_columns_are_found_in_any_order_and_those_that_nobody_knows_are_passed_over(hub):
    header = ("USER", "NOTE", *reversed(labelfile.COLUMNS))
    path = write(hub, header, ("zoe", "of a later version", *reversed(row("5"))))
    (label,) = verified.read(path).rows
    assert label == (labelfile.Row(*row("5")), "zoe", "")


def test_a_header_that_is_none_stands_above_the_columns_of_today(hub):
    path = write(hub, ("header",), (*row("5"), "zoe"))
    assert verified.read(path).rows == [verified.Verified(labelfile.Row(*row("5")), "zoe")]


def test_a_line_that_is_no_row_is_none_and_counted(hub):
    path = write(hub, verified.COLUMNS, (*row("5"), "zoe"), ("short",), (*row("6"), "zoe", "x"))
    assert [label and label.row.objid for label in verified.read(path).rows] == ["5", None, None]
    assert verified.count(path) == 3
    assert verified.count(write(hub, verified.COLUMNS, file="ann--2026-01-03_00-00-00.csv")) == 0


def test_another_column_in_labels_reaches_all_tables_of_the_hub(hub, tmp_path):
    """A hub on which people have worked goes on under a program whose rows have one field more."""
    for user in ("ann", "bob"):
        given(hub, user)
    one, two = Hub(hub).objids(FIRST)
    file, sha256 = upload(hub, [row(one)], "ann")
    assert run(hub, "receive", file, sha256, "--as", "ann").returncode == 0
    clone = copy_clone(tmp_path / "clone")
    source = (clone / "labelfile.py").read_text()
    changed = source.replace("\n\n\nCOLUMNS = ", '\n    zoom: str = "1"\n\n\nCOLUMNS = ')
    assert changed != source
    (clone / "labelfile.py").write_text(changed)

    def later(*words):
        command = [sys.executable, "-m", "cluster", words[0], hub, *words[1:]]
        return subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True).stdout

    header = ",".join((*labelfile.COLUMNS, "ZOOM"))
    lines = [",".join((*row(objid), "3")) for objid in (two, "99")]
    file, sha256 = upload(hub, (), "bob", text="\n".join((header, *lines, "")).encode())
    assert later("receive", file, sha256, "--as", "bob").endswith(f"received {file} 1 1\n")
    columns = [*labelfile.COLUMNS, "ZOOM"]
    assert rows_of(hub / "verified" / file) == [[*columns, "USER"], [*row(two), "3", "bob"]]
    assert rows_of(hub / "rejected" / file)[0] == [*columns, "REASON"]
    later("collect")
    header, *rows = rows_of(hub / "labels.csv")
    assert header == ["USER", *columns]
    assert sorted(rows) == [["ann", *row(one), "1"], ["bob", *row(two), "3"]]
    assert later("check").startswith("All is as it should be")
    assert run(hub, "check").returncode == 0, "and back again"


def test_a_label_stands_above_what_was_skipped_in_another_drop(hub):
    late, early = "2026-01-03T00:00:00.0Z", TIME
    rows = [row("5", "Good", early, "new"), row("5", "Skipped", late, "old")]
    rows += [row("6", "Good", early, "new"), row("6", "Skipped", late, "new")]
    for order in (rows, rows[::-1]):
        write(hub, verified.COLUMNS, *((*fields, "zoe") for fields in order))
        found = verified.gather(Hub(hub))
        assert found["zoe", "5"].action == "Good"
        assert found["zoe", "6"].action == "Skipped", "of one drop the latest counts"
