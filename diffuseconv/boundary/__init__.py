"""What happens at a wall: one record per boundary, and the folding, transforms and modes that follow from it.

=============== ========================== ================================= =========
name            meaning for salt           values beyond the edge            transform
=============== ========================== ================================= =========
``reflecting``  glass wall, no flux        ``d c b a | a b c d | d c b a``   DCT-II
``periodic``    leaves here, enters there  ``a b c d | a b c d | a b c d``   DFT
``absorbing``   held at 0 on the wall      ``-d -c -b -a | a b c d | -d -c`` DST-II
``zero``        nothing outside            ``0 0 0 0 | a b c d | 0 0 0 0``   DST-I
``mirror``      none: continues pictures   ``d c b | a b c d | c b a``       DCT-I
``nearest``     none: continues pictures   ``a a a a | a b c d | d d d d``   DCT-II
`Constant` (v)  none: continues pictures   ``v v v v | a b c d | v v v v``   none
=============== ========================== ================================= =========

The transform is the one whose modes are eigenvectors of the nearest-neighbour Laplacian with that wall. Nothing outside
`records` compares names: to add a boundary is to add a record to `RECORDS`. Where the two ends of an axis differ, the
modes of the pair (low side, high side) stand in `PAIRS`: a quarter of a wave, DST-IV or DCT-IV, between a wall that is
held at 0 and a closed one.

The last three are for the verbs that read a field beyond its edge (`convolve`, `correlate`, `feature_maps`, `measure`,
`measurement_variance`). They are no walls of a tank, and all other verbs refuse them by name:

- A mirror through the centre of the edge cell halves that cell: the steps of a symmetric propagator conserve the sum
  with half the edge cells, not the sum, and an even field does not stay even under `scatter`.
- The neighbour of the edge cell that ``"nearest"`` invents is the one of ``"reflecting"``, so to the diffusion equation
  both are the same wall. Longer moves have no common modes: two steps are not one step of the composed propagator.
- A constant concentration beyond the edge is a wall `Dirichlet` to the diffusion equation.

In two and more dimensions the corners follow axis by axis, in the order of the axes, from what is there already.
"""

from diffuseconv.boundary.folding import extend, fold
from diffuseconv.boundary.records import (
    NAMES,
    PAIRS,
    RECORDS,
    Boundary,
    Constant,
    Modes,
    Name,
    Names,
    Walls,
    copies,
    images_per_axis,
    per_axis,
    record,
)
from diffuseconv.boundary.transforms import (
    basis,
    eigenvalues,
    frequencies,
    halved_axis,
    inverse_transform,
    transform,
)

__all__ = [
    "NAMES",
    "PAIRS",
    "RECORDS",
    "Boundary",
    "Constant",
    "Modes",
    "Name",
    "Names",
    "Walls",
    "basis",
    "copies",
    "eigenvalues",
    "extend",
    "fold",
    "frequencies",
    "halved_axis",
    "images_per_axis",
    "inverse_transform",
    "per_axis",
    "record",
    "transform",
]
