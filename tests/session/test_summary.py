"""What the terminal is told at the end."""

from conftest import put, triplets

import labels
from session import verdict


def test_the_summary_draws_how_often_each_label_was_given(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    assert subject.session.summary() == ["No labels this time."]
    for name in ("Good", "Marginal", "Good", "Good", "Unsure", "Good"):
        subject.label(name)
    subject.session.back()
    subject.pump(lambda: subject.session.page().pictures)
    subject.label("Unsure")  # the last Good: what counts is the latest
    assert subject.session.summary()[1:] == [
        f"  Marginal                      1  {'#' * 10}",
        f"  Good                          3  {'#' * 30}",
        f"  Unsure                        2  {'#' * 20}",
    ]


def test_the_summary_of_practice_sets_labels_against_truth(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 6)))
    subject = desk().open()
    made = ("Good", "Good", "Good", "BadSubtraction")
    subject.session._verdicts.truth = {
        str(n): verdict.Truth(name, "HINT", (1, 25, 25)) for n, name in enumerate(made, 1)
    }
    for name in ("Good", "Marginal", "Good", "Unsure"):
        subject.label(name)
    lines = subject.session.summary()
    keys = "".join(f"    {label.key}" for label in labels.LABELS)
    at = lines.index(f"made as, down; labelled, across{keys}")
    first, second = lines[at + 1 : at + 3]
    assert first.startswith(
        "  1  BadSubtraction                .    .    .    .    .    .    1    ."
    )
    assert second.startswith(
        "  6  Good                          .    .    .    .    1    2    .    ."
    )
    assert lines[-1] == "2 of 4 as they were made. Practice labels are not kept."
