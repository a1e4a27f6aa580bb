"""Matching: scores against a plain loop, bounds and invariances, places found where they were planted, ghosts."""

import math
from pathlib import Path

import matplotlib
import naive
import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import matching
from diffuseconv._jit import matching as loops

PORTRAIT = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
PROMISED = 1e-7


def texture(shape, rng=0):
    return np.random.default_rng(rng).random(shape)


# --- scores ----------------------------------------------------------------------------------------------------------


@given(strategies.searches())
def test_score_is_the_plain_loop(search):
    image, template = search
    np.testing.assert_allclose(matching.score(image, template), naive.score(image, template), rtol=0, atol=1e-11)


@given(st.data(), strategies.searches(most=5))
def test_score_behind_every_wall_is_the_plain_loop(data, search):
    image, template = search
    names = data.draw(strategies.boundaries(image.ndim))
    ours = matching.score(image, template, mode="same", boundary=names)
    np.testing.assert_allclose(ours, naive.score(image, template, names), rtol=0, atol=1e-11)


def test_a_template_wider_than_the_image_sees_it_fold():
    image, template = texture((3, 4)), texture((9, 11), rng=1)
    for name in ("reflecting", "periodic", "absorbing", "zero"):
        ours = matching.score(image, template, mode="same", boundary=name)
        np.testing.assert_allclose(ours, naive.score(image, template, (name, name)), rtol=0, atol=1e-12)


@given(
    strategies.fields(strategies.shapes((1, 2), most=8), size=1e6), strategies.fields(strategies.shapes((1, 2), most=4))
)
def test_score_never_leaves_its_bounds(image, template):
    if template.ndim == image.ndim and np.ptp(template):
        for dtype in (np.float32, np.float64):
            if not np.ptp(template.astype(dtype)):
                continue
            score = matching.score(image.astype(dtype), template.astype(dtype), mode="same")
            assert score.dtype == dtype
            assert np.abs(score).max() <= 1


@given(strategies.searches(), st.sampled_from([1, 3, -1, -7]), st.integers(-(10**6), 10**6))
def test_score_does_not_see_gain_and_offset(search, gain, offset):
    image, template = search
    score = matching.score(image, template)
    np.testing.assert_allclose(
        matching.score(gain * image + offset, template), np.sign(gain) * score, rtol=0, atol=PROMISED
    )
    np.testing.assert_allclose(
        matching.score(image, gain * template + offset), np.sign(gain) * score, rtol=0, atol=PROMISED
    )


@given(strategies.searches(), st.sampled_from([2.0**-900, 2.0**900]))
def test_score_does_not_see_the_unit(search, unit):
    image, template = search
    score = matching.score(image, template)
    np.testing.assert_array_equal(matching.score(unit * image, template), score)
    np.testing.assert_array_equal(matching.score(image, unit * template), score)


@given(st.data(), strategies.searches())
def test_a_window_scores_one_with_itself_and_minus_one_with_its_negative(data, search):
    image, template = search
    score = matching.score(image, template)
    place = tuple(data.draw(st.integers(0, n - 1)) for n in score.shape)
    window = image[tuple(slice(p, p + m) for p, m in zip(place, template.shape, strict=True))]
    if np.ptp(window):
        assert matching.score(image, window)[place] == pytest.approx(1, abs=1e-12)
        assert matching.score(image, 5 - 2 * window)[place] == pytest.approx(-1, abs=1e-12)
    else:
        assert score[place] == 0


@pytest.mark.parametrize("bright", [1e3, 1e8, 1e12])
def test_a_bright_block_does_not_spoil_the_dark(bright):
    """Faint texture beside a block 1e15 times as bright: sums over the picture would swallow it."""
    image = 1e-3 * texture((40, 60))
    template = image[20:27, 10:19].copy()
    plain = naive.score(image, template)
    image[:, 45:] += bright
    score = matching.score(image, template)
    inside = np.s_[:, : 45 - 9 + 1]
    np.testing.assert_allclose(score[inside], plain[inside], rtol=0, atol=PROMISED)
    assert score[20, 10] == pytest.approx(1, abs=PROMISED)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, -1e9])
def test_an_offset_costs_only_what_the_data_lost(offset):
    image, template = texture((30, 31)), texture((5, 6), rng=2)
    shifted = image + offset
    plain = naive.score(shifted - offset, template)  # exact (Sterbenz), so it is what the shifted image still knows
    np.testing.assert_allclose(matching.score(shifted, template), plain, rtol=0, atol=PROMISED)


def test_float32_with_an_offset_agrees_with_float64_of_the_same_values():
    image = (texture((50, 40)) + 1000).astype(np.float32)
    template = image[5:15, 8:20]
    score = matching.score(image, template)
    assert score.dtype == np.float32
    exact = naive.score(image.astype(np.float64), template.astype(np.float64))
    np.testing.assert_allclose(score, exact, rtol=0, atol=2e-7)  # a rounding to float32 of values up to 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e30, -7e-12])
def test_flat_windows_score_nothing(dtype, level):
    image = np.full((12, 13), level, dtype)
    assert not matching.score(image, texture((3, 4))).any()
    assert matching.find(image, texture((3, 4))) == []
    nearly = image * (1 + np.finfo(dtype).eps * np.random.default_rng(3).integers(-1, 2, image.shape)).astype(dtype)
    assert not matching.score(nearly, texture((3, 4))).any()


def test_cross_correlation_is_convolution_with_the_flipped_template():
    image, template = texture((12, 15)), texture((3, 5))
    flipped = dc.convolve(image, template[::-1, ::-1], boundary="zero")
    np.testing.assert_allclose(
        flipped, naive.convolve(image, template, ("zero", "zero"), flip=False), rtol=0, atol=1e-13
    )


@given(st.integers(1, 9), st.integers(0, 12), st.integers(1, 70), st.integers(1, 3))
def test_window_sums_as_plain_python_and_compiled(width, more, columns, layers):
    """Additions of numbers >= 0 alone: each sum is right to one rounding for every addition."""
    values = np.random.default_rng(width).random((layers, width + more, columns)) ** 20
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)
    exact = [[[math.fsum(window) for window in row] for row in layer] for layer in windows]
    sums = np.full((layers, more + 1, columns), np.nan)
    loops.sum_columns(values, width, sums, 0, columns // 2)
    loops.sum_columns(values, width, sums, columns // 2, columns)
    np.testing.assert_allclose(sums, exact, rtol=width * 2.0**-53, atol=0)
    lines = np.ascontiguousarray(np.moveaxis(values, 1, 2)).reshape(-1, width + more)
    for loop in (loops.sum_rows, loops.sum_rows.py_func):
        sums = np.full((len(lines), more + 1), np.nan)
        loop(lines, width, sums, 0, len(lines) // 2)
        loop(lines, width, sums, len(lines) // 2, len(lines))
        expected = np.moveaxis(exact, 1, 2).reshape(sums.shape)
        np.testing.assert_allclose(sums, expected, rtol=width * 2.0**-53, atol=0)


@pytest.mark.parametrize("settings", [{"_TILE": 1}, {"_CELL": 1, "_CALL": 0}], ids=["many tiles", "a tile cut again"])
@pytest.mark.parametrize("corner", [100.0, -1e6])
def test_a_bright_and_even_corner_costs_no_digits_anywhere(corner, settings, monkeypatch):
    """Tiles know their own middle and range only."""
    for name, value in settings.items():
        monkeypatch.setattr(matching, name, value)
    image, template = texture((61, 47)), texture((5, 4))
    image[:30, :20] = corner + 1e-3 * image[:30, :20]
    score = matching.score(image, template)
    np.testing.assert_allclose(score, naive.score(image, template), rtol=0, atol=1e-7)


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4, st.integers(0, 6), st.booleans()), max_size=4), st.booleans())
def test_blocks_of_any_brightness_cost_no_digits(blocks, cut):
    """Blocks, one over another, are brighter by up to six digits each, in contrast or in the mean."""
    image, template = texture((24, 27)), texture((3, 4))
    for top, left, high, wide, power, offset in blocks:
        block = np.s_[top : top + high, left : left + wide]
        image[block] = image[block] + 10.0**power if offset else image[block] * 10.0**power
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_CELL": 1, "_CALL": 0}.items() if cut else ():
            patch.setattr(matching, name, value)
        score = matching.score(image, template)
    np.testing.assert_allclose(score, naive.score(image, template), rtol=0, atol=1e-7)


@pytest.mark.parametrize("corner", [0.0, 100.0])
def test_same_bits_for_any_number_of_threads(corner, monkeypatch):
    for name, value in {"_TILE": 1, "_CELL": 1, "_CALL": 0}.items():
        monkeypatch.setattr(matching, name, value)
    image, template = texture((70, 200)), texture((11, 12))
    image[:50, :90] = corner + 1e-3 * image[:50, :90]
    threads = numba.get_num_threads()
    many = matching.score(image, template)
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(matching.score(image, template), many)
    finally:
        numba.set_num_threads(threads)


# --- places ----------------------------------------------------------------------------------------------------------


@given(st.data(), strategies.SEEDS, st.integers(1, 3))
def test_found_where_planted(data, seed, ndim):
    """The window itself scores 1, and nothing can score more; the parabola never leaves the next cells."""
    shape = tuple(data.draw(st.integers(8, 20)) for _ in range(ndim))
    image = np.random.default_rng(seed).random(shape)
    widths = tuple(data.draw(st.integers(3, n - 2)) for n in shape)
    place = tuple(data.draw(st.integers(0, n - m)) for n, m in zip(shape, widths, strict=True))
    template = image[tuple(slice(p, p + m) for p, m in zip(place, widths, strict=True))]
    (match,) = matching.find(3 - 2 * image, -template)
    assert match.score == pytest.approx(1, abs=1e-9)
    assert np.abs(np.subtract(match.corner, place)).max() <= 1
    np.testing.assert_allclose(np.subtract(match.position, match.corner), [m // 2 for m in widths])
    (behind,) = matching.find(image, template, mode="same", boundary=data.draw(strategies.BOUNDARIES))
    assert np.abs(np.subtract(behind.corner, place)).max() <= 1


def blurred(shape, width, rng):
    """Periodic noise, blurred, as its transform: it can be shifted by any fraction of a cell exactly."""
    frequencies = np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")
    plane = np.fft.fftn(np.random.default_rng(rng).normal(size=shape))
    for axis, (n, f) in enumerate(zip(shape, frequencies, strict=True)):
        plane *= np.exp(-2 * (np.pi * width * f) ** 2)
        if n % 2 == 0:
            np.moveaxis(plane, axis, 0)[n // 2] = 0
    return plane, frequencies


@pytest.mark.parametrize(("width", "accuracy"), [(0.0, 0.15), (1.0, 0.02), (2.0, 0.02), (5.0, 0.02)])
def test_places_between_cells(width, accuracy):
    plane, frequencies = blurred((96, 96), width, rng=5)
    template = np.fft.ifftn(plane).real[30:62, 40:72]
    for shift in np.random.default_rng(6).uniform(-0.5, 0.5, (12, 2)):
        turns = sum(f * s for f, s in zip(frequencies, shift, strict=True))
        moved = np.fft.ifftn(plane * np.exp(-2j * np.pi * turns)).real
        (match,) = matching.find(moved, template)
        assert np.abs(np.subtract(match.corner, (30, 40)) - shift).max() < accuracy
        assert match.score <= 1


@pytest.mark.parametrize("corner", [0.0, 0.4, 1.0, 1.6, 2.0, 3.5, 5.0, 8.25])
def test_places_near_the_edge(corner):
    """Where half of a peak's surroundings are missing; the place 0.02 cells away is where the scores alone tell it."""
    down, right = np.mgrid[:40, :50]
    template = np.exp(-((down[:21, :21] - 10) ** 2 + (right[:21, :21] - 10) ** 2) / 18)
    for row, column in ((corner, 12.0), (12.0, corner), (corner, corner), (19 - corner, 29 - corner)):
        image = np.exp(-((down - 10 - row) ** 2 + (right - 10 - column) ** 2) / 18)
        match = matching.find(image, template)[0]
        assert np.abs(np.subtract(match.corner, (row, column))).max() < 0.02
        assert match.score > 0.9999


@pytest.mark.parametrize("top", [(0.0, 0.25), (-0.5, 0.75)])
def test_a_parabola_is_climbed_to_its_top(top):
    down, across = np.mgrid[-1:2, -1:2] - np.reshape(top, (2, 1, 1))
    move, height = matching._parabola_top(3.0 - down**2 - 2 * across**2 + down * across)
    np.testing.assert_allclose(move, top, atol=1e-14)
    assert height == pytest.approx(3.0, rel=1e-14)


@pytest.mark.parametrize("top", [-5.0, 5.0])
def test_a_parabola_is_not_climbed_beyond_the_neighbours(top):
    move, height = matching._parabola_top(-((np.arange(-1.0, 2.0) - top) ** 2))
    assert move == np.sign(top)
    assert height == -25 + 5  # half of what the slope of 10 promises


def test_a_ridge_is_not_climbed_along():
    """Stripes are alike wherever they are shifted along themselves; the place across them is still found."""
    x = np.arange(40)
    image = np.tile(np.exp(-((x - 20.3) ** 2) / 18), (30, 1))
    template = np.tile(np.exp(-((np.arange(21) - 10) ** 2) / 18), (5, 1))
    match = matching.find(image, template)[0]
    assert match.position[1] == pytest.approx(20.3, abs=0.05)
    assert match.position[0] == pytest.approx(round(match.position[0]), abs=1e-3)


def test_matches_come_by_their_own_scores():
    """Between the cells a peak is higher than its cell, by up to 0.1 in noise: enough to change places."""
    rng = np.random.default_rng(9)
    matches = matching.find(rng.random((60, 60)), rng.random((5, 5)), 50)
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)


def test_two_copies_and_no_shoulders():
    rng = np.random.default_rng(7)
    image = 0.3 * rng.random((80, 90))
    patch = dc.load_image(PORTRAIT, shape=(16, 16))
    for row, column in ((10, 12), (50, 60)):
        image[row : row + 16, column : column + 16] = patch
    matches = matching.find(image, patch, 5)
    assert sorted(np.rint(m.corner).tolist() for m in matches[:2]) == [[10, 12], [50, 60]]
    assert all(m.score < 0.9 for m in matches[2:])
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)
    for a in range(len(matches)):
        for b in range(a):
            assert np.abs(np.subtract(matches[a].corner, matches[b].corner)).max() >= 8 - 2  # each moves a cell at most
    assert len(matching.find(image, patch, 5, minimum=0.95)) == 2
    assert len(matching.find(image, patch, 10**6, separation=1000)) == 1


def test_places_keep_apart_around_the_seam():
    rng = np.random.default_rng(11)
    image, template = rng.normal(size=(24, 30)), rng.normal(size=(8, 8))
    found = [m.position for m in matching.find(image, template, 99, mode="same", boundary="periodic", separation=7)]
    distance = np.abs(np.subtract.outer(found, found)[:, [0, 1], :, [0, 1]])
    distance = np.minimum(distance, np.reshape(image.shape, (2, 1, 1)) - distance).max(axis=0)
    np.fill_diagonal(distance, np.inf)
    assert len(found) > 5
    assert distance.min() >= 7 - 2  # each moves a cell at most


@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_the_face_is_found_in_noise(noise):
    portrait = dc.load_image(PORTRAIT, shape=(150, 128))
    face = portrait[25:75, 45:90]
    (match,) = matching.find(portrait + noise * np.random.default_rng(8).normal(size=portrait.shape), face)
    assert np.abs(np.subtract(match.corner, (25, 45))).max() < 1
    assert 0.5 < match.score < 1


def test_a_few_seconds_of_a_song_in_the_song():
    rate, rng = 800, np.random.default_rng(9)
    notes = rng.choice([110.0, 123.5, 130.8, 146.8, 164.8, 174.6, 196.0], 40)
    time = np.arange(rate // 4) / rate
    song = np.concatenate([np.sin(2 * np.pi * note * time) * np.exp(-3 * time) for note in notes])
    clip = 0.2 * song[3100:4700] + 0.05 * rng.normal(size=1600)
    (match,) = matching.find(song + 0.2 * rng.normal(size=song.size), clip)
    assert match.corner[0] == pytest.approx(3100, abs=0.5)


def test_a_colour_template_is_found_by_its_colours():
    colours = dc.load_image(PORTRAIT, shape=(75, 64), gray=False)
    template = colours[20:40, 20:44]
    assert matching.score(colours, template).shape == (56, 41, 1)
    (match,) = matching.find(colours, template)
    assert np.rint(match.corner).tolist() == [20, 20, 0]
    swapped = colours[..., ::-1]
    assert matching.find(swapped, template)[0].score < 0.999


# --- ghosts ----------------------------------------------------------------------------------------------------------


def test_periodic_walls_find_what_is_half_out_on_either_side():
    patch, image = texture((9, 9)), 0.5 + 0.01 * texture((30, 40), rng=1)
    image[10:19, 36:], image[10:19, :5] = patch[:, :4], patch[:, 4:]
    (match,) = matching.find(image, patch, 1, mode="same", boundary="periodic", minimum=0.9)
    assert np.rint(match.position).tolist() == [14, 0]
    for name in ("zero", "reflecting"):
        assert matching.find(image, patch, 1, mode="same", boundary=name, minimum=0.9) == []


def test_a_place_on_the_seam_is_found_once():
    x = np.arange(60)
    away = np.minimum(np.abs(x - 59.6), 60 - np.abs(x - 59.6))
    bump, template = np.exp(-(away**2) / 18), np.exp(-((np.arange(15) - 7) ** 2) / 18)
    (match,) = matching.find(bump, template, 9, mode="same", boundary="periodic", minimum=0.9)
    assert match.position[0] == pytest.approx(59.6, abs=0.05)


def test_mirrors_find_mirror_images():
    half = texture((9, 5))
    patch = np.concatenate([half[:, ::-1], half], axis=1)  # its right half alone stands at the wall
    image = 0.5 + 0.01 * texture((30, 40), rng=1)
    image[10:19, :5] = half
    ghost = matching.score(image, patch, mode="same", boundary="reflecting")
    assert ghost[14, 0] == pytest.approx(1, abs=1e-12)
    assert np.abs(matching.score(image, patch, mode="same", boundary="zero")[14, 0]) < 0.9


def test_zeros_find_a_frame_that_is_not_there():
    image, corner = np.ones((20, 20)), np.zeros((7, 7))
    corner[3:, 3:] = 1
    framed = matching.score(image, corner, mode="same", boundary="zero")
    assert framed[0, 0] == pytest.approx(1, abs=1e-12)
    assert not matching.score(image, corner, mode="same", boundary="reflecting").any()


# --- peers -----------------------------------------------------------------------------------------------------------


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(9, 12), (31, 20)])
def test_score_is_match_template_of_scikit_image(shape):
    feature = pytest.importorskip("skimage.feature")
    portrait = dc.load_image(PORTRAIT, shape=(150, 128)) + 0.02 * texture((150, 128))
    template = portrait[40 : 40 + shape[0], 30 : 30 + shape[1]]
    ours = matching.score(portrait, template)
    np.testing.assert_allclose(ours, feature.match_template(portrait, template), rtol=0, atol=1e-6)


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(9, 12), (31, 20)])
def test_score_is_match_template_of_opencv(shape):
    cv2 = pytest.importorskip("cv2")
    # float32 inside: well-contrasted data around 0, or its own rounding passes 1e-6
    image = np.random.default_rng(10).normal(size=(60, 70)).astype(np.float32)
    template = image[10 : 10 + shape[0], 30 : 30 + shape[1]].copy()
    theirs = cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED)
    np.testing.assert_allclose(matching.score(image, template), theirs, rtol=0, atol=1e-6)


# --- bad input -------------------------------------------------------------------------------------------------------

U, T = np.arange(12.0).reshape(3, 4), np.eye(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matching.score(U, np.ones((2, 2))), "template must not be constant .* got 1 everywhere"),
        (lambda: matching.score(U, [1.0, 2.0]), r"template must have as many dimensions as image \(2\), got 1"),
        (lambda: matching.score(U, np.eye(4)), r"template must fit into image \(3, 4\)"),
        (lambda: matching.score(U, T, mode="full"), "mode must be one of 'valid', 'same', got 'full'"),
        (lambda: matching.score(U, T, mode="same", boundary="wrap"), "boundary must be one of"),
        (lambda: matching.score(U, [[np.nan, 1.0]]), "template must be finite"),
        (lambda: matching.score(np.zeros((2, 2, 2, 2)), T), "image must have 1, 2 or 3 dimensions"),
        (lambda: matching.find(U, T, 0), "count must be at least 1, got 0"),
        (lambda: matching.find(U, T, minimum=np.nan), "minimum must be finite"),
        (lambda: matching.find(U, T, separation=-1), r"separation\S* must be at least 0, got -1"),
        (
            lambda: matching.find(U, T, separation=(1, 2, 3)),
            "separation must be one value or one for each of the 2 axes",
        ),
    ],
)
def test_bad_values_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
