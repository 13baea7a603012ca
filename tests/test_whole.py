"""Whole sessions with real stamps, from the first picture to verified rows."""

import csv

import pytest
from conftest import cluster, verified


@pytest.mark.parametrize(
    "name",
    [
        "des-public-01",
        "decam-public-01",
        "mixed-public-01",
        "ztf-public-01",
    ],
)
def test_every_real_detection_is_shown_labelled_and_received(start, real, tmp_path, name):
    hub = tmp_path / "hub"
    table = real / f"{name}.csv"
    cluster("init", hub)
    cluster("add", hub, real / f"{name}.tar.gz", "--metadata", table, "--stamp", name)
    with table.open(newline="") as rows:
        objids = {row["OBJID"] for row in csv.DictReader(rows)}
    program = start("--hub", hub, "--user", "ann").open_window()
    for number in range(len(objids)):
        program.label("1234567"[number % 7])
    assert program.close() == 0
    rows = verified(hub)
    assert set(rows) == objids and "Skipped" not in rows.values()
    assert not list((program.data / "chunks").iterdir())
