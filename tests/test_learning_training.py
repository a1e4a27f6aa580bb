"""Training and correlation: gradients against finite differences, correlations against Pearson."""

import itertools
import math
import re

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_pictures import FALSE_ALARM, PROBLEMS, photo

import diffuseconv as dc
from diffuseconv import learning

# --- train_bank


@given(PROBLEMS, strategies.SEEDS, st.integers(1, 3))
def test_gradient_is_that_of_finite_differences(problem, rng, count):
    """The loss is quadratic: central differences are exact but for rounding."""
    taps, names = problem
    rng = np.random.default_rng(rng)
    shape = tuple(rng.integers(1, 7, len(taps)))
    u, v, bank = rng.normal(size=shape), rng.normal(size=(count, *shape)), rng.normal(size=(count, *taps))

    def loss(bank):
        maps = [naive.convolve(u, kernel, names) for kernel in bank]
        return sum(np.mean((m - w) ** 2) for m, w in zip(maps, v, strict=True))

    found, gradient = learning.bank_gradient(u, v, bank, boundary=names)
    assert found == pytest.approx(loss(bank), rel=1e-12)
    for place in itertools.islice(np.ndindex(bank.shape), 6):
        step = np.zeros_like(bank)
        step[place] = 0.5
        assert gradient[place] == pytest.approx(
            loss(bank + step) - loss(bank - step), abs=1e-11 * (1 + found) * bank.size
        )


@given(PROBLEMS, strategies.SEEDS)
def test_the_backward_pass_is_the_adjoint(problem, rng):
    """<k * u, e> = <k, gradient for e>: convolution and correlation, the one the adjoint of the other."""
    taps, names = problem
    rng = np.random.default_rng(rng)
    shape = tuple(rng.integers(1, 8, len(taps)))
    u, e, kernel = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=taps)
    _, gradient = learning.bank_gradient(u, -e[None], np.zeros((1, *taps)), boundary=names)
    left, right = np.vdot(naive.convolve(u, kernel, names), e), np.vdot(kernel, gradient[0]) * u.size / 2
    assert left == pytest.approx(right, abs=1e-11 * u.size * kernel.size)


@pytest.mark.parametrize("names", ["reflecting", "periodic", "absorbing", "zero"])
def test_sobel_is_learned_again(names):
    """Stated precision: 1e-6 of the largest weight after 2000 steps on a picture as smooth as photographs."""
    u = photo((64, 64))
    bank = np.stack([dc.kernels.sobel(0), dc.kernels.sobel(1)])
    edges = dc.feature_maps(u, bank, mode="same", boundary=names)
    states = list(learning.train_bank(u, edges, (3, 3), boundary=names, rng=15, patch=16, momentum=0.95))
    assert [state.step for state in states] == list(range(2001))
    assert np.abs(states[-1].bank - bank).max() < 1e-6 * bank.max()
    assert states[-1].loss < 1e-9 * states[0].loss


def test_the_same_rng_takes_the_same_steps():
    u, rng = photo((20, 20)), np.random.default_rng(16)
    edges = dc.feature_maps(u, dc.kernels.sobel(0)[None], mode="same")
    runs = [list(learning.train_bank(u, edges, (3, 3), steps=5, rng=r)) for r in (3, 3, 4, rng, rng)]
    banks = [[state.bank for state in run] for run in runs]
    assert np.array_equal(banks[0], banks[1])
    assert not np.array_equal(banks[0], banks[2])
    assert not np.array_equal(banks[3], banks[4])
    assert not np.array_equal(banks[0][0], banks[0][1])


@given(strategies.SEEDS, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=10)
def test_training_does_not_depend_on_units(rng, up, down):
    u = np.random.default_rng(rng).normal(size=(9, 9))
    v, start = np.random.default_rng(rng + 1).normal(size=(2, 2, 9, 9))
    first, second = (
        [
            s.bank
            for s in learning.train_bank(
                u * a, v * b, (2, 2), steps=4, rng=1, patch=4, initial=start[:, :2, :2] * b / a
            )
        ]
        for a, b in ((1.0, 1.0), (2.0**up, 2.0**down))
    )
    np.testing.assert_allclose(np.array(second) * 2.0 ** (up - down), first, rtol=0, atol=1e-12)


def test_patches_come_from_every_place_of_every_picture():
    """One-pixel patches of pictures whose pixels say where they are; each of the 10 places has the same chance."""
    pictures = [np.arange(1.0, 5.0).reshape(2, 2), np.arange(5.0, 11.0).reshape(2, 3)]
    targets = [np.zeros((1, *u.shape)) for u in pictures]
    steps = learning.train_bank(
        pictures, targets, (1, 1), steps=3999, patch=1, rate=1e-9, initial=np.ones((1, 1, 1)), rng=17
    )
    seen = np.rint(np.sqrt([state.loss for state in steps])).astype(int)
    dc.testing.assert_frequencies(np.bincount(seen, minlength=11)[1:], np.full(10, 0.1), draws=4000)


def test_a_step_is_the_gradient_over_the_energy_with_momentum():
    rng = np.random.default_rng(22)
    u, v, bank = rng.normal(size=(6, 5)), rng.normal(size=(2, 6, 5)), rng.normal(size=(2, 3, 2))
    states = list(learning.train_bank(u, v, (3, 2), steps=3, rate=0.7, momentum=0.6, initial=bank, boundary="zero"))
    step = np.zeros_like(bank)
    for state in states:
        loss, gradient = learning.bank_gradient(u, v, bank, boundary="zero")
        np.testing.assert_allclose(state.bank, bank, rtol=0, atol=1e-13)
        assert state.loss == pytest.approx(loss, rel=1e-12)
        step = 0.6 * step - 0.7 * u.size / 2 * gradient / (bank[0].size * np.sum(u**2))
        bank = bank + step


def test_a_black_patch_teaches_nothing():
    *_, last = learning.train_bank(np.zeros((4, 4)), np.ones((1, 4, 4)), (2, 2), steps=3, initial=np.ones((1, 2, 2)))
    assert np.array_equal(last.bank, np.ones((1, 2, 2)))


# --- feature_correlation


@given(strategies.levels(strategies.shapes((2, 3), most=6)))
def test_correlation_is_pearsons(maps):
    found = learning.feature_correlation(maps)
    np.testing.assert_allclose(found, naive.correlation(maps), rtol=0, atol=1e-12)
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(len(maps)))
    assert np.abs(found).max() <= 1
    np.testing.assert_allclose(learning.feature_correlation(3.0 - 7.0 * maps), found, rtol=0, atol=1e-12)


def test_convolution_induces_correlation():
    """On white noise two maps have the inner product of their kernels as expected covariance: over all signs, exactly.

    For normal noise the covariance is a quadratic form with a matrix M of so many shifts, which strays further than
    2 |M|_F sqrt(x) + 2 |M| x to a side with at most the chance exp(-x) (Boucheron, Lugosi, Massart, example 2.12).
    """
    bank = np.random.default_rng(18).normal(size=(3, 2, 2))
    inner = np.einsum("aij,bij->ab", bank, bank)
    mean = np.zeros((3, 3))
    for signs in itertools.product((-1.0, 1.0), repeat=9):
        maps = dc.feature_maps(np.reshape(signs, (3, 3)), bank, mode="same", boundary="periodic").reshape(3, -1)
        mean += maps @ maps.T / 9 / 2**9
    np.testing.assert_allclose(mean, inner, rtol=0, atol=1e-12)

    side, x = 512, math.log(2 * 9 / FALSE_ALARM)
    noise = np.random.default_rng(19).normal(size=(side, side))
    found = learning.feature_correlation(dc.feature_maps(noise, bank, mode="same", boundary="periodic"))
    sizes = np.sqrt(np.diag(inner))
    away = np.zeros((3, 3))
    for a, b in np.ndindex(3, 3):
        shifts = naive.full(bank[a], np.flip(bank[b]))
        away[a, b] = 2 * np.linalg.norm(shifts) * x**0.5 / side + 2 * np.abs(shifts).sum() * x / side**2
        away[a, b] += abs(bank[a].sum() * bank[b].sum()) * 2 * x / side**2  # the squared mean, taken off
    share = (away / np.multiply.outer(sizes, sizes)).max()
    bound = 2 * share / (1 - share)
    assert bound < 0.1
    np.testing.assert_allclose(found, inner / np.multiply.outer(sizes, sizes), rtol=0, atol=bound)
    assert np.abs(found[np.triu_indices(3, 1)]).max() > 2 * bound  # so unrelated maps would not pass


def test_constant_maps_go_with_nothing():
    maps = np.stack([np.full((4, 4), 0.1), np.arange(16.0).reshape(4, 4), 1e16 + np.zeros((4, 4)), np.zeros((4, 4))])
    assert np.array_equal(learning.feature_correlation(maps), np.eye(4))
    blurred = dc.feature_maps(np.full((9, 9), 0.1), np.stack([dc.kernels.box(3), dc.kernels.sobel(0)]))
    assert np.array_equal(learning.feature_correlation(blurred), np.eye(2))


@pytest.mark.parametrize(
    ("field", "targets", "bank", "words"),
    [
        (1e-165, 1e-165, 1.0, "field must reach 1e-100"),
        (1e101, 1.0, 1.0, "field must not exceed 1e+100"),
        (1.0, 1e160, 1.0, "targets must not exceed 1e+100"),
        (1.0, 1.0, 1e160, "bank must not exceed 1e+100"),
        (1e100, 1.0, 1e100, "bank must leave the loss below"),
    ],
)
def test_a_loss_that_would_leave_the_range_is_refused(field, targets, bank, words):
    u, kernels = photo((8, 8), 1), np.full((1, 3, 3), bank)
    with pytest.raises(ValueError, match=re.escape(words)):
        learning.bank_gradient(u / np.abs(u).max() * field, np.full((1, 8, 8), targets), kernels)


@pytest.mark.parametrize("size", [1e-155, 1e-165, 1e-300])  # squares that lose digits, or all of them
def test_pictures_whose_squares_underflow_teach_nothing_unsaid(size):
    u = photo((16, 16), 1) * size
    with pytest.raises(ValueError, match="inputs must reach 1e-100"):
        learning.train_bank(u, u[None], (3, 3), rng=1)
    with pytest.raises(ValueError, match="inputs must reach 1e-100"):
        learning.fit_kernel(u, u, (3, 3))


def test_pictures_and_targets_are_those_of_the_call():
    """What a caller writes to its arrays between steps changes none, with kernels of one tap too."""
    for shape in ((3, 3), (1, 1)):
        given = np.arange(36.0).reshape(6, 6), np.ones((1, 6, 6))
        expected = [state.loss for state in dc.learning.train_bank(*given, shape, steps=2, rng=1)]
        training = dc.learning.train_bank(*given, shape, steps=2, rng=1)
        losses = [next(training).loss]
        for array in given:
            array[...] = 0
        assert losses + [state.loss for state in training] == expected
