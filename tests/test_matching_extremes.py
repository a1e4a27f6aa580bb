"""Template matching beside missing data, offsets and contrasts of any size: every window as if it stood by itself."""

import time

import numpy as np
import pytest

from diffuseconv import matching

RNG = np.random.default_rng(0)
U = RNG.random((44, 50))
T = U[20:29, 30:41].copy()
RIGHT, CORNER = np.arange(50) > 25, (np.arange(44)[:, None] < 22) & (np.arange(50) < 15)


def truth(u, t):
    """Pearson's coefficient of every window by itself, in extended precision."""
    windows = np.lib.stride_tricks.sliding_window_view(u.astype(np.longdouble), t.shape).reshape(
        *(n - m + 1 for n, m in zip(u.shape, t.shape, strict=True)), -1
    )
    mean = windows.mean(axis=-1, keepdims=True)
    deviation, template = windows - mean, t.astype(np.longdouble).ravel() - t.astype(np.longdouble).mean()
    contrast = np.sqrt((deviation**2).sum(axis=-1))
    flat = contrast <= 4 * np.finfo(float).eps * np.abs(mean[..., 0]) * t.size**0.5
    contrast[flat] = 1
    return np.where(flat, 0, deviation @ template / np.sqrt(template @ template) / contrast)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(U + 1e9, id="offset"),
        pytest.param(U * 1e307, id="large"),
        pytest.param(U * 1e-318, id="subnormal"),
        pytest.param(U + 1e6 * RIGHT, id="two levels"),
        pytest.param(U * np.where(RIGHT, 1e150, 1), id="two contrasts"),
        pytest.param(U * np.where(RIGHT, 1e300, 1), id="two contrasts whose squares overflow"),
        pytest.param(np.where(RIGHT, 0.5, U * 1e-200), id="faint beside flat"),
        pytest.param(np.where(RIGHT, 0.1, U), id="flat half"),
        pytest.param(np.where(CORNER, -9999, U), id="missing corner"),
        pytest.param(np.where(CORNER, -3.4e38, U), id="missing corner in single precision's lowest"),
        pytest.param(np.where(RNG.random(U.shape) < 0.02, 1e7 * U, U), id="stars"),
        pytest.param(np.where(RNG.random(U.shape) < 0.02, U, 0), id="dots on black"),
        pytest.param(np.where(RNG.random(U.shape) < 0.002, -1.7e308, U), id="lowest numbers"),
        pytest.param(np.exp(np.linspace(-300, 300, 50)) * U, id="every size"),
    ],
)
def test_every_window_is_scored_by_its_own_rounding(image):
    assert np.abs(matching.score(image, T) - truth(image, T)).max() < 1e-7


@pytest.mark.parametrize("nodata", [-np.finfo(float).max, 1e200, -9999.0])
def test_a_missing_value_elsewhere_changes_nothing(nodata):
    image = U.copy()
    image[0, 0] = nodata
    (best,) = matching.find(image, T)
    assert np.abs(np.subtract(best.corner, (20, 30))).max() < 0.05
    np.testing.assert_allclose(matching.score(image, T)[1:, 1:], matching.score(U, T)[1:, 1:], rtol=0, atol=1e-12)


def test_a_missing_value_costs_little():
    image = 0.5 + 0.05 * RNG.standard_normal((300, 300))
    template = image[200:240, 100:140].copy()

    def seconds(u):
        start = time.process_time()
        matching.score(u, template)
        return time.process_time() - start

    spoiled = image.copy()
    spoiled[0, 0] = -9999.0
    matching.score(spoiled, template)
    plain = min(seconds(image) for _ in range(5))
    assert min(seconds(spoiled) for _ in range(3)) < 20 * plain + 0.01  # it was 250 times


def test_other_dimensions():
    line, volume = U.ravel().copy(), RNG.random((7, 8, 9))
    line[100], volume[0, 0, 0] = 1e300, -1e300
    for u, t in ((line, line[500:520].copy()), (volume, volume[2:5, 3:6, 4:7].copy())):
        assert np.abs(matching.score(u, t) - truth(u, t)).max() < 1e-7


def test_two_levels_at_both_ends_of_the_numbers():
    """No difference of two values overflows, where a third of the image lies as far from the rest as numbers go."""
    signs = np.where(np.random.default_rng(0).random(60) < 0.3, 1.0, -1.0)
    scores = matching.score(1.7e308 * signs, 1.7e308 * signs[3:13])
    np.testing.assert_allclose(scores, matching.score(signs, signs[3:13]), rtol=0, atol=1e-12)
