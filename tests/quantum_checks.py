"""Strategies and distances that the tests of quantum mechanics share."""

import numpy as np
import strategies

FALSE_ALARM = 1e-12
SMALL = strategies.shapes((1, 3), most=4)


def distance(left, right):
    return float(np.linalg.norm(np.ravel(left - right)))
