"""The explorer: a page in the browser on which one paints salt, lifts walls, and sees what kernels do."""

from diffuseconv.explorer.server import explore
from diffuseconv.explorer.session import Session, answer

__all__ = ["Session", "answer", "explore"]
