"""The labels, and what they amount to."""

import labels


def test_the_names_are_those_of_existing_tables_and_the_keys_are_1_to_8():
    assert [label.name for label in labels.LABELS] == [
        "BadSubtraction",
        "PsfInTemplate",
        "NoisyTemplate",
        "DarkSpotInTemplateCenter",
        "Marginal",
        "Good",
        "Unsure",
        "Other",
    ]
    assert [label.key for label in labels.LABELS] == list("12345678")


def test_a_label_is_offered_once_and_asked_for_once():
    for what in ("name", "title", "key", "asked"):
        assert len({getattr(label, what) for label in labels.LABELS}) == len(labels.LABELS)
    assert sorted(label.asked for label in labels.LABELS) == list(range(1, len(labels.LABELS) + 1))
    assert all(label.question.endswith("?") and label.meaning for label in labels.LABELS)


def test_what_is_no_class_is_no_vote():
    assert [label.name for label in labels.LABELS if not labels.is_vote(label.name)] == ["Unsure"]
    assert not labels.is_vote(labels.SKIPPED) and not labels.is_vote("Godo")
    assert labels.REAL == ("Marginal", "Good") and set(labels.REAL) < set(labels.CLASSES)
