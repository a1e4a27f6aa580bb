"""Bad problems, runs and parts of the diffusion equation are refused in one line, before any work."""

import itertools

import numpy as np
import pytest

import diffuseconv as dc

STILL = np.ones((4, 4))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"diffusivity": -1.0}, ValueError, "diffusivity must be at least 0"),
        ({"diffusivity": "fast"}, TypeError, "diffusivity must"),
        ({"diffusivity": [[1.0, 2.0], [2.0, 1.0]]}, ValueError, "positive definite"),
        ({"diffusivity": [[1.0, 0.2], [0.3, 1.0]]}, ValueError, "symmetric tensor"),
        ({"diffusivity": [[1.0, -2.0], [-2.0, 1.0]]}, ValueError, "positive definite"),
        ({"diffusivity": np.ones((3, 4))}, ValueError, "diffusivity must be a number, one for each of the 2 axes"),
        ({"diffusivity": (np.ones((4, 4)), np.ones(4))}, ValueError, "field's shape"),
        ({"diffusivity": (1.0, 2.0, 3.0)}, ValueError, "diffusivity must be a number, one for each of the 2 axes"),
        ({"diffusivity": (np.ones((4, 4)), -1.0)}, ValueError, "at least 0"),
        ({"diffusivity": np.full((4, 4), np.nan)}, ValueError, "diffusivity must be finite"),
        ({"spacing": 0.0}, ValueError, "spacing must be greater than 0"),
        ({"spacing": (1.0, 1.0, 1.0)}, ValueError, "spacing must be one value or one for each of the 2 axes"),
        ({"spacing": (1.0, np.ones(3))}, ValueError, r"spacing\[1\] must hold one width for each of the 4 cells"),
        ({"spacing": (np.ones(5), 1.0)}, ValueError, r"spacing\[0\] must hold one width for each of the 4 cells"),
        ({"boundary": "mirror"}, ValueError, "boundary must be one of"),
        ({"boundary": "Circular"}, ValueError, "got 'Circular'; write 'periodic'"),
        ({"boundary": ("reflecting",)}, ValueError, "boundary must be one value or one for each of the 2 axes"),
        (
            {"boundary": ("reflecting", ("periodic", dc.Dirichlet(1)))},
            ValueError,
            "periodic on both sides",
        ),
        ({"boundary": ("reflecting", ("zero",) * 3)}, ValueError, "one entry or a pair"),
        ({"boundary": dc.Dirichlet(np.ones(3))}, ValueError, "face's shape"),
        ({"boundary": dc.Dirichlet(lambda t: np.nan)}, ValueError, "must be finite"),
        ({"boundary": dc.Robin(np.ones(3), 1.0)}, ValueError, "face's shape"),
        ({"barriers": np.zeros((3, 4), dtype=bool)}, TypeError, "barriers must be a sequence"),
        ({"barriers": [np.zeros((3, 4))]}, TypeError, r"barriers\[0\] must be boolean"),
        ({"barriers": [np.zeros((3, 4), dtype=bool)]}, ValueError, "barriers must hold one array for each of the 2"),
        ({"barriers": [np.zeros((4, 4), dtype=bool), None]}, ValueError, "must have shape"),
        (
            {"diffusivity": [[2.0, 1.0], [1.0, 2.0]], "barriers": [np.ones((3, 4), dtype=bool), None]},
            ValueError,
            "tensor",
        ),
        ({"source": np.ones(3)}, ValueError, "source must be a number or have the field's shape"),
        ({"source": np.inf}, ValueError, "source must be finite"),
        ({"source": lambda t: np.ones(3)}, ValueError, "source must return"),
        ({"mask": np.ones((4, 4))}, TypeError, "mask must be boolean"),
        ({"mask": np.ones((3, 4), dtype=bool)}, ValueError, "mask must have the field's shape"),
    ],
)
def test_bad_problems_are_refused_in_one_line(options, error, words):
    with pytest.raises(error, match=words) as refusal:
        dc.DiffusionEquation(**options).evolve(STILL, 1.0, "explicit")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        ({}, {"u": STILL * np.nan}, "u must be finite, got nan at index .0, 0.: leave land out with"),
        ({}, {"u": np.ones((2, 2, 2, 2))}, "u must have 1, 2 or 3 dimensions"),
        ({}, {"duration": -1.0}, "duration must be at least 0"),
        ({}, {"method": "magic"}, "method must be one of"),
        ({}, {"method": "explicit", "time_step": 0.26}, "time_step must be at most the stability limit"),
        ({}, {"time_step": 0.0}, "time_step must be greater than 0"),
        ({}, {"method": "explicit", "tolerance": 0.1}, "tolerance is used by method .chebyshev. and "),
        ({}, {"method": "spectral", "tolerance": 0.1}, "tolerance is used by method"),
        ({}, {"time_step": 0.1, "tolerance": 0.1}, 'got 0.1 with method "explicit": leave it out'),
        ({}, {"method": "chebyshev", "time_step": 0.1}, "time_step is used by method"),
        ({}, {"method": "spectral", "time_step": 0.1}, "time_step is used by method .explicit. only"),
        ({"diffusivity": STILL}, {"method": "spectral"}, "needs constant diffusivity"),
        ({"barriers": [np.ones((3, 4), dtype=bool), None]}, {"method": "spectral"}, "no barriers"),
        ({"source": lambda t: t}, {"method": "spectral"}, "do not depend on time"),
        ({"boundary": dc.Dirichlet(lambda t: t)}, {"method": "spectral"}, "do not depend on time"),
    ],
)
def test_bad_runs_are_refused_before_any_work(options, arguments, words):
    eq = dc.DiffusionEquation(**options)
    with pytest.raises(ValueError, match=words) as refusal:
        eq.evolve(**{"u": STILL, "duration": 1.0, **arguments})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: dc.Robin(1.0, -1.0), ValueError, r"a \* b >= 0"),
        (lambda: dc.Robin(0.0, 0.0), ValueError, "a or b to differ from 0"),
        (lambda: dc.Robin(lambda t: t, 1.0), TypeError, "Robin a must be a number or array"),
        (lambda: dc.Dirichlet("warm"), TypeError, "Dirichlet value must"),
        (lambda: dc.Neumann(np.inf), ValueError, "Neumann flux must be finite"),
        (lambda: dc.Barrier(np.zeros(3)), TypeError, "boolean"),
        (lambda: dc.Barrier(np.zeros(3, bool), permeability=-1), ValueError, "permeability must be at least 0"),
        (lambda: dc.Barrier(np.zeros(3, bool), permeability=np.ones(2)), ValueError, "permeability must be a number"),
        (
            lambda: dc.Barrier(np.zeros(3, bool), permeability=-np.ones(3)),
            ValueError,
            "permeability must be at least 0",
        ),
        (lambda: dc.Barrier(np.zeros(3, bool), lifted_at=-np.inf), ValueError, "lifted_at must be finite"),
        (lambda: dc.DiffusionEquation().stable_time_step(4), ValueError, "ndim_or_shape must be at most 3"),
        (lambda: dc.DiffusionEquation().stable_time_step(0), ValueError, "ndim_or_shape must be at least 1"),
        (lambda: dc.DiffusionEquation().stable_time_step(()), ValueError, "shape must have 1, 2 or 3 axes"),
        (lambda: dc.DiffusionEquation(STILL).explicit_steps(STILL, 3), ValueError, "explicit_steps needs const"),
        (lambda: dc.DiffusionEquation().frames(STILL, 3.0), TypeError, "times must be an iterable of numbers, got 3.0"),
        (lambda: dc.Dirichlet(lambda: 1.0), TypeError, "Dirichlet value must be .* a function of .time."),
        (lambda: dc.Robin(1.0, 2.0, lambda t, u: t), TypeError, "Robin c must be .* a function of .time."),
        (lambda: dc.DiffusionEquation().evolve([[1.0], [2.0, 3.0]], 1.0), ValueError, "u must be a rectangular array"),
        (lambda: dc.DiffusionEquation([[1.0], [2.0, 3.0]]), ValueError, "diffusivity must be a rectangular array"),
        (lambda: dc.Dirichlet([[1.0], [2.0, 3.0]]), ValueError, "Dirichlet value must be a rectangular array"),
        (
            lambda: dc.DiffusionEquation().frames(np.ones(3), np.array(2.0)),
            TypeError,
            "times must be an iterable of numbers",
        ),
        (lambda: dc.DiffusionEquation().frames(np.ones(3), b"12"), TypeError, "times must be an iterable of numbers"),
        (lambda: dc.DiffusionEquation().cell_peclet(-1), ValueError, r"shape\[0\] must be at least 1"),
        (lambda: dc.Schedule([0.0, 1.0], [1.0, 2.0])(float("nan")), ValueError, "time must be finite"),
        (
            lambda: dc.DiffusionEquation(np.arange(1.0, 7.0).reshape(2, 3)).explicit_steps(np.ones((2, 3)), 2),
            ValueError,
            "take evolve and its method",
        ),
        (lambda: dc.quantum.classical_walk([0.5, 0.5], [0.5, 0.6], 1.0), ValueError, "stencil must sum to 1"),
        (
            lambda: dc.testing.assert_sum(1.0, 1.0, variance=1.0, span=1.0, rounding=-1.0),
            ValueError,
            "rounding must be at least 0",
        ),
        (lambda: dc.DiffusionEquation().frames(STILL, itertools.repeat(1.0)), ValueError, "times must come to an end"),
        (lambda: dc.DiffusionEquation().frames(STILL, itertools.count()), ValueError, "times must come to an end"),
        (lambda: dc.DiffusionEquation().evolve(STILL, 1.0, jumps=itertools.count()), ValueError, "jumps must come to"),
        (lambda: dc.DiffusionEquation().frames(STILL, [1.0], progress="no"), TypeError, "progress must be True or"),
        (lambda: dc.DiffusionEquation(barriers=dc.Barrier(STILL > 0)), TypeError, r"such as \[barrier, None\]"),
        (lambda: dc.DiffusionEquation(boundary="dirichlet"), ValueError, r"write Dirichlet\(value\)"),
        (lambda: dc.DiffusionEquation(boundary="neumann"), ValueError, r"write Neumann\(flux\)"),
        (lambda: dc.DiffusionEquation(boundary=dc.Dirichlet), ValueError, r"such as Dirichlet\(1.0\)"),
        (
            lambda: dc.DiffusionEquation(boundary=(dc.Dirichlet(1), dc.Dirichlet(0))).evolve(np.ones(3), 1.0),
            ValueError,
            r"write boundary=\(\(low, high\),\)",
        ),
        (
            lambda: dc.DiffusionEquation().evolve(STILL, 1e14, "explicit"),
            ValueError,
            "at most 1e.14 cell updates, got 1.28e.16",
        ),
        (
            lambda: dc.DiffusionEquation(velocity=0.1).evolve(STILL, 1e14, "uniformization"),
            ValueError,
            "cell updates, got",
        ),
        (
            lambda: dc.DiffusionEquation(1e15, source=lambda t: t).evolve(STILL, 1.0),
            ValueError,
            r"duration times the fastest rate must be at most 1e\+15 .*\(shorten the duration.*, got 8e\+15",
        ),
        (
            lambda: dc.DiffusionEquation().evolve(np.broadcast_to(0.0, (10**6, 10**6)), 1.0),
            ValueError,
            "u must need no more memory",
        ),
        (lambda: dc.DiffusionEquation(source=lambda: 1.0), TypeError, r"source must be a function of \(time\)"),
        (lambda: dc.DiffusionEquation(source=lambda a, b, c: 1.0), TypeError, "source must be a function of"),
        (lambda: dc.DiffusionEquation(source=lambda t: np.nan).frames(STILL, [1.0]), ValueError, "must be finite"),
        (lambda: dc.DiffusionEquation(source=lambda t, u: u[0]).frames(STILL, []), ValueError, "source must return"),
        (lambda: dc.DiffusionEquation().operator("ab"), TypeError, "must be a whole number"),
        (lambda: dc.DiffusionEquation().operator(3).rhs(0.0, np.ones(4)), ValueError, "u must have shape"),
        (lambda: dc.DiffusionEquation().explicit_steps(STILL, -3), ValueError, "steps must be at least 0"),
        (lambda: dc.DiffusionEquation().entropy(-STILL), ValueError, "entropy needs a field that is >= 0"),
        (lambda: dc.DiffusionEquation([[2.0, 1.0], [1.0, 2.0]]).flux(STILL), ValueError, "flux needs"),
    ],
)
def test_bad_parts_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dc.DiffusionEquation(spacing=1e-300), "spacing must lie between 1e-75 and 1e.75 .take another unit"),
        (lambda: dc.DiffusionEquation(spacing=([1e300, 1.0],)), "spacing.0. must lie between"),
        (lambda: dc.DiffusionEquation(capacity=1e200), "capacity must be at most 1e.150"),
        (lambda: dc.DiffusionEquation(capacity=np.full(3, 1e200)), "capacity must be at most 1e.150"),
        (lambda: dc.DiffusionEquation(1e200).evolve(STILL, 1.0), "must leave rates up to 1e.150 per time"),
        (lambda: dc.DiffusionEquation().evolve(STILL * 1e308, 1.0), "u must not exceed"),
        (lambda: dc.DiffusionEquation().explicit_steps((STILL * 1e38).astype("f4"), 3), "u must not exceed"),
        (lambda: dc.DiffusionEquation().energy(STILL * 1e200), "u must leave sums over its cells below"),
        (lambda: dc.DiffusionEquation(spacing=1e10).total_mass(STILL * 1e295), "u must leave sums over its cells"),
        (lambda: dc.DiffusionEquation(1e100).flux(np.eye(4) * 1e300), "u must leave its flux below"),
        (lambda: dc.DiffusionEquation(1e100).mass_balance(np.eye(4) * 1e300), "u must leave sums"),
        (lambda: dc.DiffusionEquation().operator(10**12), "shape must need no more memory"),
        (lambda: dc.DiffusionEquation(velocity=1.0).cell_peclet(10**12), "shape must need no more memory"),
        (lambda: dc.DiffusionEquation(velocity=1e12).evolve(np.ones(4), 1.0, "explicit"), "of at most 1e.10 sweeps"),
    ],
)
def test_what_leaves_the_range_of_numbers_is_refused(call, words):
    with pytest.raises(ValueError, match=words) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_lists_of_numbers_are_fields_too():
    for found in (dc.DiffusionEquation().evolve([4.0, 0.0], 100.0), dc.DiffusionEquation().evolve((4, 0), 100.0)):
        np.testing.assert_allclose(found, [2.0, 2.0])
