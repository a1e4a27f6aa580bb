"""The diffusion equation ``C u_t = div(D grad u - v u) - decay u + source`` on a box of cells."""

from diffuseconv.diffusion.barriers import Barrier
from diffuseconv.diffusion.equation import DiffusionEquation
from diffuseconv.diffusion.schedule import Schedule
from diffuseconv.diffusion.walls import Dirichlet, Neumann, Robin

__all__ = ["Barrier", "DiffusionEquation", "Dirichlet", "Neumann", "Robin", "Schedule"]
