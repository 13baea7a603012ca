"""What comes with the program to practise on: is each detection what its label says?

The rules are measured here on the pixels alone, with a Gaussian filter and the stamps' own
scatter; nothing of the simulator's bookkeeping but the label and the seeing is believed. And what
is called real is measured beside real stamps.
"""

import csv
import importlib.util
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labels
import scaling
import stamps

DATA = Path(__file__).resolve().parent.parent / "data"
_spec = importlib.util.spec_from_file_location("simulate", DATA / "simulate.py")
simulate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(simulate)  # which finds the modules beside it, so that we can

import draw  # noqa: E402
import sky  # noqa: E402
import visible  # noqa: E402

DRAWS = 24  # per class
Y, X = np.mgrid[:51, :51] - 25
R = np.hypot(X, Y)
STEPS = np.arange(10)
TICKS = np.zeros((51, 51), bool)
for _rows in (STEPS, 50 - STEPS):
    TICKS[_rows, STEPS] = TICKS[_rows, 50 - STEPS] = True


@pytest.fixture(scope="module")
def drawn():
    """Two dozen clear detections of a class, made when first asked for."""
    made = {}

    def of(label):
        if label not in made:
            seeds = [np.random.default_rng([7, number]) for number in range(DRAWS)]
            made[label] = [draw.simulate(label, rng)[0] for rng in seeds]
        return made[label]

    return of


@pytest.fixture(scope="module")
def shipped():
    """The sets that the default seed makes, as simulated, by level."""
    return {
        level: list(simulate.practice_set(60, simulate.SEED, level)) for level in simulate.LEVELS
    }


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def smoothed(image, fwhm):
    """Filter with a Gaussian of this FWHM, by two products with a band matrix; 1 = peak height."""
    steps = np.subtract.outer(np.arange(51), np.arange(51))
    band = np.exp(-4 * np.log(2) * (steps / fwhm) ** 2)
    return band @ image.astype(float) @ band


def in_difference(detection):
    """Difference's S/N: its scatter is measured away from the trigger, outliers clipped."""
    fwhm = detection.seeing[0]
    filtered = smoothed(detection.difference, fwhm)
    away = filtered[(R > 2.5 * fwhm) & (np.abs(X) < 22) & (np.abs(Y) < 22)]
    return filtered / away[np.abs(away) < 3 * scatter(away)].std()


@pytest.mark.parametrize("label", visible.CLASSES)
def test_the_trigger_is_the_highest_point_and_in_the_very_centre(drawn, label):
    ratios = []
    for detection in drawn(label):
        measured = in_difference(detection)
        near = np.where(R <= 4, measured, -np.inf)
        row, column = np.unravel_index(near.argmax(), near.shape)
        assert R[row, column] <= 1.5
        # Sixty-odd independent places tell one stamp's scatter to 10 %, two dozen stamps' to 2 %
        ratios.append(measured[25, 25] / detection.snr)
        assert measured[25, 25] > 3
    assert 0.85 < np.mean(ratios) < 1.15


@pytest.mark.parametrize("label", visible.CLASSES)
def test_only_a_bad_subtraction_has_a_bright_and_a_dark_lobe(drawn, label):
    for detection in drawn(label):
        near = in_difference(detection)[1.6 * max(detection.seeing) >= R]
        if label == "BadSubtraction":
            assert near.max() > 3.7
            assert near.min() < -3.9
            assert 0.3 < -near.min() / near.max()
        else:
            assert near.min() > -5


def star_like(detection):
    """Is the light in Template's centre as concentrated as a point source's?"""
    image, fwhm = detection.template, detection.seeing[1]
    core, ring = (1.0 * fwhm / 2 >= R), (R > fwhm / 2) & (fwhm >= R)
    return image[ring].mean() / image[core].mean()


def test_a_star_is_in_the_centre_of_template_and_varies(drawn):
    for detection in drawn("PsfInTemplate"):
        sigma = scatter(detection.template[R > 18])
        near = smoothed(detection.template, detection.seeing[1]) * (R <= 4)
        row, column = np.unravel_index(near.argmax(), near.shape)
        assert R[row, column] <= 1.5
        assert near.max() > 25 * sigma
        # A Moffat PSF has 0.23 to 0.3 there, noise and a galaxy beside it allowed for
        assert star_like(detection) < 0.5
        inside = max(detection.seeing) >= R
        assert detection.difference[inside].sum() > 0.03 * detection.template[inside].sum()


def hole(detection):
    """Count the adjacent pixels at -3.2 sigma or lower around Template's very centre."""
    sigma = scatter(detection.template[R > 18])
    dark = detection.template <= -3.2 * sigma
    grown = dark & (R < 2)
    for _ in range(60):
        wider = grown.copy()
        wider[1:] |= grown[:-1]
        wider[:-1] |= grown[1:]
        wider[:, 1:] |= grown[:, :-1]
        wider[:, :-1] |= grown[:, 1:]
        grown = wider & dark
    return grown.sum()


@pytest.mark.parametrize("label", visible.CLASSES)
def test_only_a_dark_spot_is_one_and_it_is_dark_on_the_screen(drawn, label):
    for detection in drawn(label):
        if label == "DarkSpotInTemplateCenter":
            assert 4 <= hole(detection) <= 12
            gray = visible.stretched(detection.template, detection.bright).astype(int)
            assert gray[24:27, 24:27].min() + 35 < np.median(gray)
        else:
            assert hole(detection) <= 1


def test_a_noisy_template_has_no_object_in_any_of_the_three(drawn):
    for detection in drawn("NoisyTemplate"):
        away = (np.abs(X) < 22) & (np.abs(Y) < 22) & (1.5 * max(detection.seeing) < R)
        for image in detection[:3]:
            # Unsmoothed, the highest of 2600 pixels of pure noise is 3.5 and seldom 4.7 sigma
            assert np.abs(image[away] / scatter(image)).max() < 5.2
        assert detection.template.std() > 0.93 * detection.search.std()


def test_a_good_transient_is_bright_and_apart_from_its_host(drawn):
    for detection in drawn("Good"):
        assert in_difference(detection)[25, 25] > 5.5
        x, y = np.rint(detection.host).astype(int)
        assert np.hypot(x, y) >= 0.9 * max(detection.seeing)
        template = smoothed(detection.template, detection.seeing[1])
        assert template[25 + y, 25 + x] > 8 * scatter(detection.template)
        # Somewhere between the two, Search is darker than at the new point, in 3 x 3 pixels' mean
        search, steps = smoothed(detection.search, 1.5), np.linspace(0, 1, 20)
        between = search[np.rint(25 + y * steps).astype(int), np.rint(25 + x * steps).astype(int)]
        assert search[24:27, 24:27].max() > between.min() + scatter(search)


def test_a_marginal_transient_is_faint_or_near_the_core(drawn):
    kinds = Counter()
    for detection in drawn("Marginal"):
        near = np.hypot(*detection.host) < 0.85 * max(detection.seeing)
        assert near or visible.dip(detection) < 2 or detection.snr < 7.5
        kinds[near] += 1
    assert min(kinds[True], kinds[False]) >= DRAWS // 6


def test_what_is_visible_decides_whatever_was_drawn(drawn):
    order = ["BadSubtraction", "PsfInTemplate", "DarkSpotInTemplateCenter", "NoisyTemplate"]
    assert list(visible.CLASSES) == [*order, "Good", "Marginal"]
    good = next(g for g in drawn("Good") if np.median(visible.stretched(g.template)) > 45)
    spoilt = good._replace(template=good.template.copy())
    spoilt.template[25, 23:28] = -9 * good.sigma[1]
    for level in draw.LEVELS:
        assert visible.answer(good, level).label == "Good"
        found = visible.answer(spoilt, level)
        assert found.label == "DarkSpotInTemplateCenter" and (found.stamp, found.y) == ("temp", 25)
        assert found.hint.startswith("Template: ")
    # beside something far brighter, nobody can see that
    bright = spoilt.template.copy()
    bright[:3] = 3000 * good.sigma[1]
    assert visible.answer(spoilt._replace(template=bright), "real").label != found.label
    # where no point stands apart in Search, it is Marginal; and without a host, something else
    blurred = good._replace(search=np.full_like(good.search, good.search[25, 25]))
    assert visible.answer(blurred, "real").label == "Marginal"
    assert visible.answer(good._replace(host=None), "real").label == "Other"


def test_at_the_border_both_labels_are_right_and_the_hint_says_so(shipped):
    border = [answer for _, _, answer in shipped["real"] if answer.also]
    assert 3 <= len(border) <= 20
    for answer in border:
        assert answer.also in labels.BY_NAME and answer.also != answer.label
        assert answer.hint.endswith(
            f"; at the border, {labels.title(answer.also)} is right as well"
        )
    assert not any(answer.also for _, _, answer in shipped["clear"])


def test_more_than_two_labels_that_could_be_right_make_it_unsure(drawn, monkeypatch):
    good = drawn("Good")[0]
    arguable = dict.fromkeys(visible.QUESTIONS, lambda detection: None)
    monkeypatch.setattr(visible, "QUESTIONS", arguable)
    assert visible.answer(good, "real")[:2] == ("Unsure", "Good")
    assert visible.answer(good, "clear") is None


@pytest.mark.parametrize("level", draw.LEVELS)
@pytest.mark.parametrize("kind", draw.OTHERS, ids=lambda kind: kind.__name__)
def test_what_none_of_the_questions_asks_about_is_other(kind, level):
    detection, answer = draw.simulate("Other", np.random.default_rng(3), level, kind)
    assert answer.label == "Other"
    centre = smoothed(detection.search - np.median(detection.search), 3)[25, 25]
    assert centre > 6 * scatter(detection.search)
    if kind is not draw.draw_ring:  # whose halo Template may have, too
        assert smoothed(detection.template, 3)[25, 25] < centre


def test_a_cosmic_ray_is_sharper_than_the_seeing_allows():
    for number in range(5):
        rng = np.random.default_rng([3, number])
        detection, _ = draw.simulate("Other", rng, "clear", draw.draw_cosmic_ray)
        light = np.sort(detection.search[R < 8])[::-1]
        star = np.sort(sky.moffat(detection.seeing[0], 3.5).ravel())[::-1]
        assert light[:12].sum() / light[0] < 0.7 * star[:12].sum() / star[0]


def test_a_galaxy_has_half_its_light_inside_its_radius_and_all_of_its_flux():
    for index in (1.0, 2.5, 4.0):
        galaxy = sky.Source(0.2, -0.3, 1000.0, 3.0, index, 1.0, 0.0)
        light = sky.galaxy_light(galaxy)
        r = np.hypot(sky.GRID - 0.2, sky.GRID[:, None] + 0.3)
        assert light.sum() == pytest.approx(1000)
        # n = 4 has 8 % of its light beyond the field, and only what is in it is counted
        assert light[r <= 3].sum() == pytest.approx(500, rel=0.16 if index == 4 else 0.1)


def test_a_psf_is_half_as_high_at_half_its_fwhm():
    psf = sky.moffat(4.0, 3.0)
    middle = psf.shape[0] // 2
    assert psf.sum() == pytest.approx(1)
    assert psf[middle, middle + 2] == pytest.approx(psf.max() / 2)


def test_a_psf_that_is_not_round_has_the_size_of_a_round_one():
    psf = sky.moffat(4.0, 3.0, 0.64, np.pi / 2)
    middle = psf.shape[0] // 2
    down = np.flatnonzero(psf[:, middle] >= psf.max() / 2)
    across = np.flatnonzero(psf[middle] >= psf.max() / 2)
    assert (len(down), len(across)) == (5, 3)  # 4 / 0.8 and 4 * 0.8, at whole pixels
    assert np.sum(psf >= psf.max() / 2) == pytest.approx(
        np.sum(sky.moffat(4.0, 3.0) >= psf.max() / 2), abs=2
    )


def test_a_galaxy_bends_leans_to_a_side_and_has_knots():
    plain = sky.Source(0.0, 0.0, 1000.0, 3.0, 1.0, 0.5, 0.0)
    smooth = sky.galaxy_light(plain)
    middle = sky.WIDE // 2
    bent = sky.galaxy_light(plain._replace(bend=0.4))
    for column in (middle - 6, middle + 6):
        rows = [np.sum(light[:, column] * sky.GRID) for light in (smooth, bent)]
        assert rows[0] == pytest.approx(0, abs=1e-9) and rows[1] < -1
    leaning = sky.galaxy_light(plain._replace(lopsided=0.3))
    assert leaning[:, middle + 1 :].sum() > 1.5 * leaning[:, :middle].sum()
    knotty = sky.galaxy_light(plain._replace(knots=((2.0, 0.0, 0.1),))) - smooth
    assert knotty.sum() == pytest.approx(100, rel=0.01)
    across = 3 * 2.0  # three pixels are its radius
    assert np.unravel_index(knotty.argmax(), knotty.shape) == (middle, middle + across)


def test_the_kernel_makes_up_for_a_drift_but_for_its_slack():
    host, slack, left = [sky.Source(0.0, 0.0, 3e5, 2.0)], ((1, 0, 0.2),), []
    for drift, wrong in (((0.0, 0.0), ()), ((0.4, -0.3), ()), ((0.4, -0.3), slack)):
        conditions = sky.Sky((4.0, 3.6), 3.5, 1000.0, 8, (0.4, 0.2), 1e-5, drift=drift, slack=wrong)
        images = sky.expose(np.random.default_rng(1), host, host, conditions).images
        left.append(images[2][R < 6].std())
        x = [(image * (R < 12) * X).sum() / (image * (R < 12)).sum() for image in images[:2]]
        assert x[1] - x[0] == pytest.approx(drift[0], abs=0.1)
    assert left[1] < 1.2 * left[0] and left[2] > 1.5 * left[0]
    # which moves light, but makes none
    assert sky.image_of(sky.misfit(slack)).sum() == pytest.approx(0, abs=1e-9)


def test_template_alone_may_have_uneven_noise_and_an_uneven_background():
    conditions = sky.Sky((4.0, 4.0), 3.5, 1000.0, 1, (0.4, 0.2), 1e-4)
    half = np.where(sky.GRID > 0, 3.0, 1.0) * np.ones((sky.WIDE, 1))
    for what in ({"uneven": half}, {"background": 200 * (half - 1)}):
        blemishes = sky.Blemishes(**what)
        images = sky.expose(np.random.default_rng(1), [], [], conditions, blemishes=blemishes)[0]
        left, right = ([image[:, side] for image in images] for side in (X[0] < -5, X[0] > 5))
        louder = [b.std() / a.std() for a, b in zip(left, right)]
        higher = [b.mean() - a.mean() for a, b in zip(left, right)]
        assert louder[0] == pytest.approx(1, abs=0.1) and abs(higher[0]) < 5
        if "uneven" in what:
            assert louder[1] == pytest.approx(3, rel=0.1) and louder[2] > 1.3
        else:
            assert higher[1] == pytest.approx(400, abs=10) and higher[2] < -380


def test_template_shows_a_part_only_of_the_noise_that_difference_has():
    def alike(shared):
        conditions = sky.Sky((4.0, 4.0), 3.5, 1000.0, 0.2, (0.4, 0.2), 1e-4, shared=shared)
        images = sky.expose(np.random.default_rng(1), [], [], conditions).images
        return np.corrcoef(*(smoothed(image, 4).ravel() for image in images[1:]))[0, 1]

    assert alike(1.0) < -0.85 and -0.7 < alike(0.4) < -0.35


def test_the_kernel_gives_template_the_psf_of_search():
    for pair in ((3.5, 4.2), (4.8, 3.5)):
        search, template = (sky.waves(sky.moffat(fwhm, 3.5)) for fwhm in pair)
        kernel = sky.matching_kernel(search, template, 3e-6)
        left = sky.image_of(search - template * kernel)
        assert np.abs(left).max() < 0.03 * sky.image_of(search).max()


def test_the_noise_of_a_resampled_template_is_correlated_and_that_of_search_is_not():
    conditions = sky.Sky((4.0, 4.0), 3.5, 1000.0, 4, (0.4, 0.0), 1e-4)
    search, template, _ = sky.expose(np.random.default_rng(1), [], [], conditions).images

    def correlation(image, pixels):
        return np.corrcoef(image[:, pixels:].ravel(), image[:, :-pixels].ravel())[0, 1]

    assert abs(correlation(search, 1)) < 0.06 and abs(correlation(search, 2)) < 0.06
    # Lanczos weights have negative lobes; downwards it was resampled by nothing
    assert 0.1 < correlation(template, 1) < 0.35 and -0.25 < correlation(template, 2) < -0.06
    assert abs(correlation(template.T, 1)) < 0.06
    assert search.std() == pytest.approx(2 * template.std(), rel=0.1)


# As hard as the sky: the same measures of real stamps and of ours


def measures(triplet):
    """Measure three stamps of 8 bits: what a labeler has to cope with, in Difference above all.

    Noise and median in grey levels; the centre's 9 pixels in sigma of a pixel; the correlation of
    neighbouring pixels, bright and dark ones clipped.
    """
    found = []
    for gray in triplet:
        gray = gray.astype(float)
        level, noise = np.median(gray[~TICKS]), scatter(gray[~TICKS])
        clipped = np.where(
            TICKS | (R < 4), np.nan, np.clip(gray, level - 3 * noise, level + 3 * noise)
        )
        pairs = [(clipped[:, 1:], clipped[:, :-1]), (clipped[1:], clipped[:-1])]
        a, b = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
        there = np.isfinite(a) & np.isfinite(b)
        beside = np.corrcoef(a[there], b[there])[0, 1] if noise else 0
        found.append((level, noise, (gray[R <= 1.5].mean() - level) / max(noise, 1), beside))
    return found


def real_triplets(folder):
    """Return the stamps of DES, the survey whose pictures ours are to be like."""
    with tarfile.open(folder / "des-public-01.tar.gz") as archive:
        found = {Path(m.name).stem: archive.extractfile(m).read() for m in archive if m.isfile()}
    return [
        [
            np.asarray(Image.open(io.BytesIO(found[f"{kind}{name[4:]}"])).convert("L"))
            for kind in stamps.KINDS
        ]
        for name in sorted(found)
        if name.startswith("srch")
    ]


def test_the_harder_half_is_as_hard_as_the_sky(real, shipped):
    ours = np.array([measures(simulate.grays(found)) for _, found, _ in shipped["real"]])
    theirs = np.array([measures(triplet) for triplet in real_triplets(real)])
    ours, theirs = np.median(ours, 0), np.median(theirs, 0)
    print(ours.round(2), theirs.round(2), sep="\n")
    level, noise, centre, beside = (ours / theirs)[2]  # of Difference
    assert 0.8 < level < 1.2 and 0.8 < noise < 1.2 and 0.8 < centre < 1.2
    assert (np.abs(ours - theirs)[:, 3] < (0.15, 0.15, 0.05)).all()
    assert 0.7 < (ours / theirs)[0, 1] < 1.4 and 0.7 < (ours / theirs)[1, 1] < 1.4


def matching(triplet):
    """Fit D = a S - K * T with a kernel K of 7 x 7 pixels, as one does who looks for the simulator.

    Returns
    -------
    lopsided : float
        The part of the kernel that is odd about its centre over the part that is even, squared.
    explained : float
        R^2 of the fit, where nothing is cut off or masked.
    """
    search, template, difference = (gray.astype(float) for gray in triplet)
    steps = [(row, column) for row in range(-3, 4) for column in range(-3, 4)]
    cut = TICKS | (template >= 254)
    cut = sum(np.roll(cut, step, (0, 1)) for step in steps).astype(bool)
    values, counts = np.unique(difference, return_counts=True)
    flat = (difference == values[counts.argmax()]) & (counts.max() > 120)
    use = ~(cut | flat | (search >= 254) | (difference <= 0) | (difference >= 255))
    use[:3] = use[-3:] = use[:, :3] = use[:, -3:] = False
    columns = [np.roll(template, step, (0, 1))[use] for step in steps]
    terms = np.array([np.ones(use.sum()), search[use], *columns]).T
    found = np.linalg.lstsq(terms, difference[use], rcond=None)[0]
    kernel = found[2:].reshape(7, 7)
    odd, even = kernel - kernel[::-1, ::-1], kernel + kernel[::-1, ::-1]
    left = difference[use] - terms @ found
    return np.sum(odd**2) / np.sum(even**2), 1 - left.var() / difference[use].var()


def test_difference_is_what_it_is_for_real_and_not_a_perfect_subtraction(real, shipped):
    ours = np.array([matching(simulate.grays(found)) for _, found, _ in shipped["real"]])
    theirs = np.array([matching(triplet) for triplet in real_triplets(real)])
    print(np.percentile(ours, (0, 25, 50, 75), 0), np.percentile(theirs, (0, 25, 50, 75), 0))
    (lopsided, explained), there = np.median(ours, 0), np.median(theirs, 0)
    assert 0.5 < lopsided / there[0] < 2
    assert abs(explained - there[1]) < 0.08
    assert explained - np.percentile(ours[:, 1], 10) > 0.08  # and they differ


def masked(gray):
    """Is a part of a stamp, of 50 pixels and more, of one and the same grey?"""
    gray = gray[:, 1:-1]
    same = (gray[1:-1, 1:-1] == gray[:-2, 1:-1]) & (gray[1:-1, 1:-1] == gray[2:, 1:-1])
    same &= (gray[1:-1, 1:-1] == gray[1:-1, :-2]) & (gray[1:-1, 1:-1] == gray[1:-1, 2:])
    return same.sum() > 50


def test_as_many_are_masked_as_are_for_real(real, shipped):
    ours = [masked(simulate.grays(found)[2]) for _, found, _ in shipped["real"]]
    theirs = [masked(triplet[2]) for triplet in real_triplets(real)]
    assert np.mean(theirs) > 0.15
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.08


def test_a_stamp_is_stretched_as_those_of_the_survey_are(real, shipped):
    """A few pixels are black and fewer white: by that their makers chose the limits."""
    ours = [simulate.grays(found) for _, found, _ in shipped["real"]]
    for sets in (ours, real_triplets(real)):
        grays = [gray[~TICKS] for triplet in sets for gray in triplet]
        assert np.median([np.sum(gray == 0) for gray in grays]) == pytest.approx(13, abs=2)
        assert np.median([np.sum(gray == 255) for gray in grays]) == pytest.approx(3, abs=1)


# What is written


def test_all_labels_have_their_share_and_ids_give_nothing_away(shipped):
    assert [*shipped] == ["clear", "real"]
    for found in shipped.values():
        assert Counter(answer.label for *_, answer in found) == {
            label.name: 4 if label.name == "Unsure" else 8 for label in labels.LABELS
        }
        objids = [objid for objid, *_ in found]
        assert all(objid.isdecimal() and len(objid) == 9 for objid in objids)
        by_id = [answer.label for _, _, answer in sorted(found, key=lambda one: one[0])]
        for order in ([answer.label for *_, answer in found], by_id):
            same = sum(a == b for a, b in zip(order, order[1:]))
            assert same < 20  # 59 / 8 by chance, 52 if sorted
    assert len({objid for found in shipped.values() for objid, *_ in found}) == 120


def test_hints_are_one_plain_line_about_this_detection(shipped):
    hints = [answer.hint for found in shipped.values() for *_, answer in found]
    assert all(0 < len(hint) <= 140 and hint.isprintable() for hint in hints)
    assert len(set(hints)) > 20
    puzzling = ("electron", "S/N", "sigma", "made as", "PSF")
    assert not any(word in hint for word in puzzling for hint in hints)
    for found in shipped.values():
        for *_, answer in found:
            assert hint_stamp(answer.hint) == answer.stamp
            assert 0 <= answer.x < 51 and 0 <= answer.y < 51


def hint_stamp(hint):
    return {"Search": "srch", "Template": "temp", "Difference": "diff"}[hint.partition(":")[0]]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_seed_same_bytes_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate.write_practice(tmp_path / name, 3, seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not set(contents(tmp_path / "a")) & set(contents(tmp_path / "c")) - {"truth.csv"}


def test_it_tells_each_that_is_made_and_can_make_one_level_alone(tmp_path, capsys):
    arguments = ["practice", str(tmp_path / "a"), "--count", "3", "--level", "real", "--tell"]
    assert simulate.main(arguments) == 0
    assert capsys.readouterr().out == "1\n2\n3\n"
    with (tmp_path / "a" / "truth.csv").open(newline="") as table:
        assert [row["LEVEL"] for row in csv.DictReader(table)] == ["real"] * 3


def test_gif_and_fits_are_the_same_detections(tmp_path):
    arguments = [str(tmp_path / "gif"), "--count", "2", "--seed", "5"]
    assert simulate.main(["practice", *arguments]) == 0
    arguments[0] = str(tmp_path / "fits")
    assert simulate.main(["practice", *arguments, "--format", "fits"]) == 0
    gifs, files = contents(tmp_path / "gif"), contents(tmp_path / "fits")
    assert gifs.pop("truth.csv") == files.pop("truth.csv")
    assert len(gifs) == len(files) == 12
    for name, data in files.items():
        with Image.open(io.BytesIO(gifs[Path(name).stem + ".gif"])) as picture:
            assert picture.mode == "L"  # the palette is the identity
            gray = np.asarray(picture)
        stamp = scaling.read(data, ".fits", name[:4])
        assert stamp.pixels.dtype == np.float32
        # the one is the other's ranks, but for what is cut off at both ends
        there = ~(TICKS | stamp.missing | (gray == 0) | (gray == 255))
        order = np.argsort(stamp.pixels[there])
        assert (np.diff(gray[there][order].astype(int)) >= 0).all()
        assert (gray[TICKS] == 255).all()


def test_fits_row_1_is_at_the_bottom():
    from astropy.io import fits

    pixels = np.arange(51 * 51, dtype=np.float32).reshape(51, 51)
    with fits.open(io.BytesIO(simulate.fits(pixels))) as hdus:
        assert hdus[0].data.dtype == np.dtype(">f4")
        assert (hdus[0].data[0] == pixels[-1]).all()


def test_a_folder_in_use_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    assert simulate.main(["practice", str(tmp_path), "--count", "2", "--seed", "1"]) == 1
    assert "is not empty; nothing was changed" in capsys.readouterr().err
    assert contents(tmp_path) == {"thesis.tex": b"mine"}


def test_the_shipped_truth_names_the_shipped_stamps():
    text = (DATA / "practice" / "truth.csv").read_bytes().decode("utf-8")
    assert "\r" not in text and text.endswith("\n")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["OBJID", "LABEL", "ALSO", "LEVEL", "HINT", "STAMP", "X", "Y", "SNR"]
    named = {f"{kind}{row[0]}.gif" for row in rows[1:] for kind in stamps.KINDS}
    assert named | {"truth.csv"} == {path.name for path in (DATA / "practice").iterdir()}
    assert len(rows) == 121
    assert sum(path.stat().st_size for path in (DATA / "practice").iterdir()) < 1.5e6


def test_the_shipped_set_is_what_the_default_seed_makes(shipped):
    with open(DATA / "practice" / "truth.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    made = [(level, *one) for level, found in shipped.items() for one in found]
    assert len(rows) == len(made)
    for row, (level, objid, detection, answer) in zip(rows, made):
        assert (row["OBJID"], row["LEVEL"]) == (objid, level)
        there = (row["LABEL"], row["ALSO"], row["HINT"], row["STAMP"], int(row["X"]), int(row["Y"]))
        assert there == answer
        for kind, gray in zip(stamps.KINDS, simulate.grays(detection)):
            with Image.open(DATA / "practice" / f"{kind}{objid}.gif") as picture:
                there = np.asarray(picture).astype(int)
            assert np.abs(there - gray).max() <= 2  # another numpy may round otherwise


def test_the_guide_has_a_picture_of_three_stamps_for_every_label_and_says_where_to_look():
    names = {path.name for path in (DATA / "guide").glob("*.png")}
    assert {f"{label.name}.png" for label in labels.LABELS} <= names
    assert {name.partition(".")[0].partition("-")[0] for name in names} == {*labels.BY_NAME}
    for name in names:
        with Image.open(DATA / "guide" / name) as picture:
            gray = np.asarray(picture.convert("L"))
        assert gray.shape == (51, 159)
        for gap in (slice(51, 54), slice(105, 108)):
            assert (gray[:, gap] == simulate.GAP_GREY).all()
    with (DATA / "guide" / "places.csv").open(newline="") as table:
        places = list(csv.DictReader(table))
    assert {place["FILE"] for place in places} == names
    for place in places:
        assert place["STAMP"] in stamps.KINDS
        assert 15 <= int(place["COLUMN"]) <= 35 and 15 <= int(place["ROW"]) <= 35


def test_the_shipped_guide_is_what_the_default_seed_makes(tmp_path):
    simulate.write_guide(tmp_path)
    made, there = contents(tmp_path), contents(DATA / "guide")
    assert made.keys() == there.keys() and made["places.csv"] == there["places.csv"]
    for name in made.keys() - {"places.csv"}:
        one, other = (
            np.asarray(Image.open(io.BytesIO(d[name]))).astype(int) for d in (made, there)
        )
        assert np.abs(one - other).max() <= 2


def test_the_shipped_icon_is_what_the_program_draws():
    with Image.open(DATA / "icon.png") as picture:
        there = np.asarray(picture).astype(int)
    assert np.abs(there - simulate.icon()).max() <= 2
    assert (there[0, 0, 3], there[64, 64, 3]) == (0, 255)
