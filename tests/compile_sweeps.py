"""Compile the loops of many sweeps, a third of the suite's work, for tests to find on disk.

Those come first that tests need last: what is on disk by then is not compiled again.
"""

import itertools

import numpy as np

import diffuseconv as dc

DRIFT = 0.01

for shape, dtype in itertools.product(((2, 3, 4), (3, 4)), (np.float32, np.float64)):
    u = np.random.default_rng(0).random(shape).astype(dtype) + 1
    cases = {
        "uniform": dc.DiffusionEquation(),
        "drift": dc.DiffusionEquation(u, velocity=(DRIFT,) * u.ndim),
        "varied": dc.DiffusionEquation(u),
    }
    for name, method in itertools.product(reversed(cases), ("chebyshev", "uniformization", "explicit")):
        if (name, method) != ("drift", "chebyshev"):
            cases[name].evolve(u, 1.0, method)
