"""Compile the loops of many sweeps, a third of the suite's work, for tests to find on disk.

Those come first that tests need first.
"""

import itertools

import numpy as np

import diffuseconv as dc

DRIFT = 0.01


def main():
    """Evolve small fields of each dtype in the plane and in space, by each method that sweeps."""
    for dtype, shape in itertools.product((np.float64, np.float32), ((3, 4), (2, 3, 4))):
        u = np.random.default_rng(0).random(shape).astype(dtype) + 1
        cases = {
            "uniform": dc.DiffusionEquation(),
            "varied": dc.DiffusionEquation(u),
            "drift": dc.DiffusionEquation(u, velocity=(DRIFT,) * u.ndim),
        }
        for name, method in itertools.product(cases, ("explicit", "chebyshev", "uniformization")):
            if (name, method) != ("drift", "chebyshev"):
                cases[name].evolve(u, 1.0, method)


if __name__ == "__main__":
    main()
