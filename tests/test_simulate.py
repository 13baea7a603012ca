"""What comes with the program to practise on: is each detection what its label says?

The rules are measured here on the pixels alone, with a Gaussian filter and the stamps' own
scatter; nothing of the simulator's bookkeeping but the label and the seeing is believed.
"""

import csv
import importlib.util
import io
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
_spec.loader.exec_module(simulate)

DRAWS = 24  # per class
Y, X = np.mgrid[:51, :51] - 25
R = np.hypot(X, Y)


@pytest.fixture(scope="module")
def drawn():
    """Two dozen detections of a class, made when first asked for."""
    made = {}

    def of(label):
        if label not in made:
            seeds = [np.random.default_rng([7, number]) for number in range(DRAWS)]
            made[label] = [simulate.simulate(label, rng) for rng in seeds]
        return made[label]

    return of


@pytest.fixture(scope="module")
def shipped():
    """The set that the default seed makes, as simulated."""
    return simulate.practice_set(60, simulate.SEED)


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def smoothed(image, fwhm):
    """Filter with a Gaussian of this FWHM, by two products with a band matrix; 1 = peak height."""
    steps = np.subtract.outer(np.arange(51), np.arange(51))
    band = np.exp(-4 * np.log(2) * (steps / fwhm) ** 2)
    return band @ image.astype(float) @ band


def significance(image, fwhm, quiet):
    """Filter, in units of the scatter that the filtered image has where it is quiet."""
    filtered = smoothed(image, fwhm)
    return filtered / np.sqrt(np.mean(filtered[quiet] ** 2))


def in_difference(detection):
    """Difference's S/N: its scatter is measured away from the trigger, outliers clipped."""
    fwhm = max(detection.seeing)
    filtered = smoothed(detection.difference, fwhm)
    away = filtered[(R > 2.5 * fwhm) & (np.abs(X) < 22) & (np.abs(Y) < 22)]
    return filtered / away[np.abs(away) < 3 * scatter(away)].std()


@pytest.mark.parametrize("label", simulate.CLASSES)
def test_the_trigger_is_the_highest_point_and_in_the_very_centre(drawn, label):
    ratios = []
    for detection in drawn(label):
        measured = in_difference(detection)
        near = np.where(R <= 4, measured, -np.inf)
        row, column = np.unravel_index(near.argmax(), near.shape)
        assert R[row, column] <= 1.5
        assert detection.snr >= 5
        # Sixty-odd independent places tell one stamp's scatter to 10 %, two dozen stamps' to 2 %
        ratios.append(measured[25, 25] / detection.snr)
        assert measured[25, 25] > 3.6
        assert 0.5 < ratios[-1] < 1.5
    assert 0.9 < np.mean(ratios) < 1.1


@pytest.mark.parametrize("label", simulate.CLASSES)
def test_only_a_bad_subtraction_has_a_bright_and_a_dark_lobe(drawn, label):
    for detection in drawn(label):
        near = in_difference(detection)[2 * max(detection.seeing) >= R]
        if label == "BadSubtraction":
            assert near.max() > 4
            assert near.min() < -4.5
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
        assert star_like(detection) < 0.45
        inside = max(detection.seeing) >= R
        assert detection.difference[inside].sum() > 0.05 * detection.template[inside].sum()


@pytest.mark.parametrize("label", ["Good", "Marginal"])
def test_no_star_is_in_the_centre_of_template_of_a_transient(drawn, label):
    for detection in drawn(label):
        near = smoothed(detection.template, detection.seeing[1]) * (R <= 4)
        row, column = np.unravel_index(near.argmax(), near.shape)
        if R[row, column] <= 1.5:
            xx, yy, xy = ((detection.template * a)[R <= 6].sum() for a in (X * X, Y * Y, X * Y))
            stretched = np.hypot(xx - yy, 2 * xy) / (xx + yy)
            assert star_like(detection) > 0.4 or stretched > 0.2


def hole(detection):
    """Count the adjacent pixels at -4 sigma or lower around Template's very centre."""
    sigma = scatter(detection.template[R > 18])
    dark = detection.template <= -4 * sigma
    grown = np.zeros((51, 51), bool)
    grown[25, 25] = dark[25, 25]
    for _ in range(60):
        wider = grown.copy()
        wider[1:] |= grown[:-1]
        wider[:-1] |= grown[1:]
        wider[:, 1:] |= grown[:, :-1]
        wider[:, :-1] |= grown[:, 1:]
        grown = wider & dark
    return grown.sum()


@pytest.mark.parametrize("label", simulate.CLASSES)
def test_only_a_dark_spot_is_one(drawn, label):
    for detection in drawn(label):
        if label == "DarkSpotInTemplateCenter":
            assert 4 <= hole(detection) <= 12
            assert f" {hole(detection)} dark pixels" in detection.hint
        else:
            assert hole(detection) == 0


def test_a_noisy_template_has_no_object_in_any_of_the_three(drawn):
    for detection in drawn("NoisyTemplate"):
        fwhm = max(detection.seeing)
        inner = (np.abs(X) < 22) & (np.abs(Y) < 22)
        away = inner & (1.5 * fwhm < R)
        for image, width in zip(detection, (*detection.seeing, fwhm)):
            measured = significance(image, width, away)
            # 3 by the simulator's exact noise; the scatter of one stamp tells it to 10 %
            assert np.abs(measured[away]).max() < 3.6
            # Unsmoothed, the highest of 2600 pixels of pure noise is 3.5 and seldom 4.7 sigma
            assert np.abs(image[away] / scatter(image)).max() < 5
        for image, width in zip(detection[:2], detection.seeing):
            assert np.abs(significance(image, width, away)[~away & inner]).max() < 4.8
        assert detection.template.std() > 0.93 * detection.search.std()


@pytest.mark.parametrize("label", ["Good", "Marginal", "BadSubtraction", "PsfInTemplate"])
def test_whatever_is_not_noise_has_an_object_in_template(drawn, label):
    for detection in drawn(label):
        sigma = scatter(detection.template[R > 18])
        inner = smoothed(detection.template, detection.seeing[1])[R < 18]
        assert inner.max() > 12 * sigma


def host_distance(detection):
    """How far from the centre, in FWHM, Template peaks nearest to where the host is said to be."""
    x, y = detection.host
    near = np.hypot(X - x, Y - y) <= 3
    peaks = np.where(near, smoothed(detection.template, detection.seeing[1]), -np.inf)
    row, column = np.unravel_index(peaks.argmax(), peaks.shape)
    return R[row, column] / max(detection.seeing)


def test_a_good_transient_is_bright_and_apart_from_its_host(drawn):
    for detection in drawn("Good"):
        assert in_difference(detection)[25, 25] > 9.5
        assert detection.snr >= 12
        assert host_distance(detection) > 0.7
        middle = R <= 1.5
        assert detection.search[middle].mean() > 1.3 * detection.template[middle].mean()


def test_a_marginal_transient_is_faint_or_near_the_core(drawn):
    kinds = Counter()
    for detection in drawn("Marginal"):
        faint = in_difference(detection)[25, 25] < 10.5
        near = host_distance(detection) < 0.85
        assert faint or near
        kinds[near] += 1
        assert detection.snr <= 8 or np.hypot(*detection.host) <= 0.5 * max(detection.seeing)
    assert min(kinds[True], kinds[False]) >= DRAWS // 6


def test_the_question_that_comes_first_in_the_guide_decides(drawn):
    order = ["BadSubtraction", "PsfInTemplate", "DarkSpotInTemplateCenter", "NoisyTemplate"]
    assert list(simulate.CLASSES) == [*order, "Good", "Marginal"]
    good = drawn("Good")[0]
    spoilt = good._replace(template=good.template.copy())
    spoilt.template[25, 23:28] = -9 * good.sigma
    assert simulate.verdict(good) == "Good"
    assert simulate.verdict(spoilt) == "DarkSpotInTemplateCenter"


def test_a_galaxy_has_half_its_light_inside_its_radius_and_all_of_its_flux():
    for index in (1.0, 2.5, 4.0):
        galaxy = simulate.Source(0.2, -0.3, 1000.0, 3.0, index, 1.0, 0.0)
        light = simulate.sersic(galaxy)
        r = np.hypot(simulate.SUB - 0.2, simulate.SUB[:, None] + 0.3)
        assert light.sum() == pytest.approx(1000)
        # n = 4 has 8 % of its light beyond the field, and only what is in it is counted
        assert light[r <= 3].sum() == pytest.approx(500, rel=0.12 if index == 4 else 0.04)


def test_a_psf_is_half_as_high_at_half_its_fwhm():
    psf = simulate.moffat(4.0, 3.0)
    middle = psf.shape[0] // 2
    assert psf.sum() == pytest.approx(1)
    assert psf[middle, middle + 2 * simulate.FINE] == pytest.approx(psf.max() / 2)


def test_the_kernels_bring_both_images_to_one_psf():
    def through(fwhm):
        fine = simulate.moffat(fwhm, 3.5).reshape(81, 3, 81, 3).sum((1, 3))
        return np.fft.fft2(np.fft.ifftshift(fine))

    for pair in ((3.5, 4.8), (4.8, 3.5)):
        one, two = (through(fwhm) for fwhm in pair)
        kernel_one, kernel_two, common = simulate.matching_kernels(one, two)
        left = np.fft.ifft2(one * kernel_one - two * kernel_two).real
        assert np.abs(left).max() < 2e-3 * np.fft.ifft2(common).real.max()
        assert np.allclose(common, through(4.8))


def test_classes_are_balanced_and_ids_give_nothing_away(shipped):
    assert set(Counter(d.label for _, d in shipped).values()) == {10}
    objids = [objid for objid, _ in shipped]
    assert len(set(objids)) == 60
    assert all(objid.isdecimal() and len(objid) == 9 for objid in objids)
    by_id = [d.label for _, d in sorted(shipped)]
    for order in ([d.label for _, d in shipped], by_id):
        same = sum(a == b for a, b in zip(order, order[1:]))
        assert same < 20  # 59 / 6 by chance, 54 if sorted


def test_hints_are_one_short_line_about_this_detection(shipped):
    hints = [d.hint for _, d in shipped]
    assert all(0 < len(hint) <= 100 and hint.isprintable() for hint in hints)
    assert len(set(hints)) > 30
    for _, d in shipped:
        assert hint_stamp(d.hint) == d.telling
        assert 0 <= d.x < 51 and 0 <= d.y < 51


def hint_stamp(hint):
    return {"Search": "srch", "Template": "temp", "Difference": "diff"}[hint.partition(":")[0]]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_seed_same_bytes_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate.write_practice(tmp_path / name, 3, seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not set(contents(tmp_path / "a")) & set(contents(tmp_path / "c")) - {"truth.csv"}


def test_gif_and_fits_are_the_same_detections(tmp_path):
    arguments = [str(tmp_path / "gif"), "--count", "3", "--seed", "5"]
    assert simulate.main(["practice", *arguments]) == 0
    arguments[0] = str(tmp_path / "fits")
    assert simulate.main(["practice", *arguments, "--format", "fits"]) == 0
    gifs, files = contents(tmp_path / "gif"), contents(tmp_path / "fits")
    assert gifs.pop("truth.csv") == files.pop("truth.csv")
    assert len(gifs) == len(files) == 9
    steps = np.arange(10)
    ticks = np.zeros((51, 51), bool)
    for rows in (steps, 50 - steps):
        ticks[rows, steps] = ticks[rows, 50 - steps] = True
    for name, data in files.items():
        with Image.open(io.BytesIO(gifs[Path(name).stem + ".gif"])) as picture:
            assert picture.mode == "L"  # the palette is the identity
            gray = np.asarray(picture)
        stamp = scaling.read(data, ".fits", name[:4])
        assert stamp.pixels.dtype == np.float32
        assert not stamp.missing.any()
        assert (stamp.gray == gray)[~ticks].all()
        assert (gray[ticks] == 255).all()


def test_fits_row_1_is_at_the_bottom():
    from astropy.io import fits

    pixels = np.arange(51 * 51, dtype=np.float32).reshape(51, 51)
    with fits.open(io.BytesIO(simulate.fits(pixels, "srch"))) as hdus:
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
    assert rows[0] == ["OBJID", "LABEL", "HINT", "STAMP", "X", "Y", "SNR"]
    assert {row[1] for row in rows[1:]} < {label.name for label in labels.LABELS}
    named = {f"{kind}{row[0]}.gif" for row in rows[1:] for kind in stamps.KINDS}
    assert named | {"truth.csv"} == {path.name for path in (DATA / "practice").iterdir()}
    assert len(rows) == 61


def test_the_shipped_set_is_what_the_default_seed_makes(shipped):
    with open(DATA / "practice" / "truth.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(shipped)
    for row, (objid, detection) in zip(rows, shipped):
        assert (row["OBJID"], row["LABEL"]) == (objid, detection.label)
        assert (row["HINT"], row["STAMP"]) == (detection.hint, detection.telling)
        assert (int(row["X"]), int(row["Y"])) == (detection.x, detection.y)
        for kind, pixels in zip(stamps.KINDS, detection):
            with Image.open(DATA / "practice" / f"{kind}{objid}.gif") as picture:
                there = np.asarray(picture).astype(int)
            made = simulate.with_ticks(scaling.scale(pixels, kind)[0])
            assert np.abs(there - made).max() <= 2  # another numpy may round otherwise


def test_the_guide_has_a_picture_of_three_stamps_for_every_label():
    names = {path.name for path in (DATA / "guide").iterdir()}
    assert {f"{label.name}.png" for label in labels.LABELS} <= names
    assert {name.partition(".")[0].partition("-")[0] for name in names} == {*labels.BY_NAME}
    for name in names:
        with Image.open(DATA / "guide" / name) as picture:
            gray = np.asarray(picture.convert("L"))
        assert gray.shape == (51, 159)
        for gap in (slice(51, 54), slice(105, 108)):
            assert (gray[:, gap] == simulate.GAP_GREY).all()
        for left in (0, 54, 108):
            assert gray[12:40, left + 12 : left + 40].std() > 10


def test_the_shipped_icon_is_what_the_program_draws():
    with Image.open(DATA / "icon.png") as picture:
        there = np.asarray(picture).astype(int)
    assert np.abs(there - simulate.icon()).max() <= 2
    assert (there[0, 0, 3], there[64, 64, 3]) == (0, 255)


def test_the_pictures_without_a_truth_show_what_the_guide_says():
    other = simulate.draw_other(np.random.default_rng(3))
    assert smoothed(other.template, 4)[25, 25] < 12 * scatter(other.template)
    assert smoothed(other.search, 4)[25, 25] > 30 * scatter(other.search)
    assert simulate.verdict(other) not in ("Good", "Marginal")
