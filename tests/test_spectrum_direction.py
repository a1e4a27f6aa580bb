"""Directions: orientation of patterns, rotation between pictures."""

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from spectrum_checks import PORTRAIT

import diffuseconv as dc
from diffuseconv import spectrum


def turn_between(found, true):
    """Distance of two directions, in degrees."""
    return abs((found - true + 90) % 180 - 90)


@given(strategies.stripes())
@settings(max_examples=60)
def test_orientation_of_any_stripes(drawn):
    image, angle = drawn
    assert turn_between(spectrum.orientation(image), angle) <= 0.01


@pytest.mark.parametrize("angle", [0.0, 17.3, 45.0, 90.0, 133.7, 179.8])
@pytest.mark.parametrize("shape", [(64, 64), (50, 120)])
def test_orientation_of_square_waves_in_noise_on_a_slope(angle, shape):
    rng = np.random.default_rng(3)
    down, right = np.mgrid[: shape[0], : shape[1]]
    along = np.cos(np.deg2rad(angle)) * right - np.sin(np.deg2rad(angle)) * down
    image = np.sign(np.cos(0.83 * along + 0.4)) + 0.3 * rng.normal(size=shape) + 0.01 * right
    assert turn_between(spectrum.orientation(image), angle) <= 0.5


def test_orientation_turns_with_the_image():
    stripes = np.tile(np.cos(0.5 * np.arange(80)), (80, 1))
    assert spectrum.orientation(stripes) == pytest.approx(0, abs=1e-3)
    assert spectrum.orientation(np.rot90(stripes)) == pytest.approx(90, abs=1e-3)
    turned = scipy.ndimage.rotate(stripes, 30, reshape=False, mode="reflect")
    assert turn_between(spectrum.orientation(turned), 30) < 0.5


@pytest.fixture(scope="module")
def portrait():
    return dc.load_image(PORTRAIT, shape=(150, 128))


@pytest.mark.parametrize("reshape", [False, True])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("angle", [37, 37.125])  # the second between the angles that are compared
def test_a_portrait_turned_by_37_degrees(portrait, reshape, mode, angle):
    turned = scipy.ndimage.rotate(portrait, angle, reshape=reshape, mode=mode)
    assert turn_between(spectrum.rotation_between(portrait, turned), angle) < 0.1


@given(st.floats(0, 360), st.floats(0.1, 10), strategies.numbers(10), st.integers(-3, 3))
@settings(max_examples=15)
def test_a_portrait_turned_by_any_angle(portrait, angle, gain, offset, crop):
    turned = scipy.ndimage.rotate(gain * portrait + offset, angle, reshape=False, order=1, cval=gain * 0.5 + offset)
    if crop:
        turned = turned[abs(crop) : -abs(crop), abs(crop) : -abs(crop)]
    assert turn_between(spectrum.rotation_between(portrait, turned), angle) < 0.5


def test_rotation_in_noise_and_against_itself(portrait):
    rng = np.random.default_rng(4)
    turned = scipy.ndimage.rotate(portrait, 37, reshape=False)
    noisy = [u + 0.5 * portrait.std() * rng.normal(size=u.shape) for u in (portrait, turned)]
    assert turn_between(spectrum.rotation_between(*noisy), 37) < 0.5
    assert turn_between(spectrum.rotation_between(portrait, portrait), 0) < 1e-9
    assert turn_between(spectrum.rotation_between(portrait, np.rot90(portrait)), 90) < 1e-9
