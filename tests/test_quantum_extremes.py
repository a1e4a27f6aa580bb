"""Quantum mechanics at both ends of the numbers: scaled inside, or refused where the result is no number."""

from decimal import Decimal
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quantum_checks import distance

from diffuseconv import quantum
from diffuseconv.quantum._hamiltonian import hamiltonian
from diffuseconv.quantum.schrodinger import _strang_constant

EPS = np.finfo(float).eps
SMALL, LARGE = 2.0**-900, 2.0**1020


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("options", [{}, {"method": "chebyshev"}, {"method": "split-step", "time_step": 0.1}])
def test_evolution_is_linear_at_any_size(size, options):
    psi = np.random.default_rng(0).normal(size=(8, 9))
    potential = None if not options else np.random.default_rng(1).normal(size=(8, 9))
    plain = quantum.evolve(psi, 1.5, potential=potential, **options)
    scaled = quantum.evolve(psi * size, 1.5, potential=potential, **options)
    np.testing.assert_array_equal(scaled / size, plain)  # powers of two do not round


def test_single_precision_near_its_end():
    psi = np.random.default_rng(0).normal(size=(64, 64))
    large = quantum.evolve((psi * 2.0**120).astype(np.float32), 1.0)
    assert distance(large.astype(complex) / 2.0**120, quantum.evolve(psi, 1.0)) < 1e-5 * np.linalg.norm(psi)


def test_a_potential_whose_square_leaves_the_range():
    """A phase of 5e299 a cell is one number or another on a circle: the norm stays, and shorter steps are refused."""
    psi, potential = np.array([1, 1j, 0.5, 0]), [0.0, 1.0, 0.5, 0.0]
    moved = quantum.evolve(psi, 0.5, potential=potential, hbar=1e-300, time_step=7)
    assert abs(np.linalg.norm(moved) - 1.5) <= 16 * EPS
    with pytest.raises(ValueError, match=r"^duration must take at most"):
        quantum.evolve(psi, 1e210, potential=potential, method="split-step")


def test_energy_and_measurement_do_not_see_the_size():
    psi = np.array([1.0, 2j, -3.0])
    for size in (SMALL, LARGE):
        assert quantum.energy(psi * size) == quantum.energy(psi)
        counts = [quantum.sample_positions(wave, 100, rng=1) for wave in (psi, psi * size)]
        np.testing.assert_array_equal(*counts)
    assert quantum.energy([1, -1], potential=[4e307, 4e307]) == 4e307
    assert quantum.sample_positions([5e-324, 5e-324], 100, rng=1).min() > 20


def test_walks_of_large_amplitudes():
    start = np.eye(1, 9, 4)[0]
    walked = quantum.quantum_walk(start * 2.0**500, [0.5, 0, 0.5], 2.0)
    np.testing.assert_array_equal(walked / 2.0**1000, quantum.quantum_walk(start, [0.5, 0, 0.5], 2.0))


@given(st.integers(-500, 500), st.integers(-500, 500))
def test_lcu_convolves_at_any_size(image_power, kernel_power):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(4, 8)), rng.normal(size=(3, 3))
    plain = quantum.lcu_convolve(image, kernel)
    scaled = quantum.lcu_convolve(image * 2.0**image_power, kernel * 2.0**kernel_power)
    np.testing.assert_array_equal(scaled.image, plain.image * 2.0 ** (image_power + kernel_power))
    assert scaled.scale == plain.scale * 2.0 ** (image_power + kernel_power)


def test_lcu_where_norms_overflow_on_the_way():
    np.testing.assert_allclose(quantum.lcu_convolve(np.full(4, 1e308), [0.5]).image, 5e307, rtol=16 * EPS)
    np.testing.assert_allclose(quantum.lcu_convolve([1e308, 1e308], [1e-308, 1e-308, 0]).image, 2, rtol=16 * EPS)


@pytest.mark.parametrize("name", ["periodic", "reflecting", "absorbing", "zero"])
@pytest.mark.parametrize("potential", [np.arange(12.0), np.cos(np.arange(12.0)), np.eye(1, 12, 0)[0]])
def test_the_bound_of_the_split_step_holds_the_norms_of_the_commutators(name, potential):
    """A ramp on a ring jumps by 11 where it closes: a bound without that jump would be 100 times too small."""
    box = hamiltonian((12,), 1.0, 1.0, potential, 1.0, name)
    a, b = -0.5 * naive.matrix(lambda u: naive.laplacian(u, [1.0], [name]), (12,)), np.diag(potential)

    def bracket(x, y):
        return x @ y - y @ x

    inner = bracket(a, b)
    norms = np.linalg.norm(bracket(a, inner), 2) / 12 + np.linalg.norm(bracket(b, -inner), 2) / 24
    assert norms <= _strang_constant(box) * (1 + 1e-12)
    assert _strang_constant(box) <= 12 * norms


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantum.lcu_convolve([1.0, 2.0], [1e308, 1e308]), "image must leave the convolution below 1.8e"),
        (lambda: quantum.quantum_walk([1e200], [1.0], 1.0), "psi must leave probabilities below 1.8e"),
        (lambda: quantum.quantum_walk([1.0], [1.0], 1e308, 1e308), "duration . rate must be finite"),
        (lambda: quantum.classical_walk([1e308], [1.0], 1.0), "density must not exceed"),
        (lambda: quantum.coined_walk(np.full((2, 3), 1.7e308), 2), "state must not exceed"),
        (lambda: quantum.wave_packet(10**13, 1.0, 1.0), "shape must need no more memory"),
        (lambda: quantum.wave_packet(8, 1.0, 1.0, 1e308), "spacing must leave places and phases"),
        (lambda: quantum.energy([1, -1], hbar=1e200), "hbar must leave the energy below"),
        (lambda: quantum.evolve([1.0, 2], 1e300, potential=[0, 1.0]), "duration must take at most 1e.14 cell updates"),
        (lambda: quantum.evolve([1.0, 2], 1e12, potential=[0, 1.0]), "of at most 1e.10 sweeps over 2 cells"),
        (lambda: quantum.evolve([1.0, 2], 1.0, potential=[0, 1.0], time_step=1e-300), "duration must take at most"),
        (lambda: quantum.evolve([1.0, 2], 1e308, hbar=1e3), "duration must leave the phases"),
        (lambda: quantum.evolve([1.0, 2], 1.0, potential=[1e308, 0]), "potential / hbar must be finite"),
    ],
)
def test_what_leaves_the_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", [np.float16, np.float32, Decimal, Fraction])
def test_a_step_of_any_kind_of_number_is_that_number(kind):
    """A float16 counted the steps in its own range, and a Decimal did not divide a float."""
    wave, options = [1.0, 0.5, 0.0], {"potential": [0.0, 1.0, 0.0]}
    long, step = 2.0**17, 2**15  # a float16 ends at 65504
    expected = quantum.evolve(wave, long, time_step=step, **options)
    assert np.array_equal(quantum.evolve(wave, long, time_step=kind(step), **options), expected)
    ((_, found),) = quantum.frames(wave, [long], time_step=kind(step), **options)
    assert np.array_equal(found, expected)
