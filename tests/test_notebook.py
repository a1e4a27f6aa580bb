"""Records show themselves in a notebook: well-formed HTML with the figures in it, and pictures of the right colours."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import diffuseconv as dc
from diffuseconv import _notebook

VOID = {"img", "br"}


class Balanced(HTMLParser):
    """Check that every element is closed where it should be; keep the text and the attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.found = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def shown(record):
    """Return the text of a record's HTML and its picture, if there is one."""
    page = Balanced(record._repr_html_())
    pictures = [attributes["src"] for tag, attributes in page.found if tag == "img"]
    data = [base64.b64decode(re.fullmatch(r"data:image/png;base64,(.*)", src)[1]) for src in pictures]
    return " ".join(page.words), [np.asarray(Image.open(io.BytesIO(each))) for each in data]


def test_an_interpretation_shows_kernel_and_paragraph():
    words, (picture,) = shown(dc.interpret(dc.kernels.sharpen()))
    assert dc.interpret(dc.kernels.sharpen()).summary in words
    assert "−∇²" in words
    centre, side, corner = (picture[at, at2] for at, at2 in ((96, 96), (96, 32), (32, 32)))
    assert centre[0] > centre[2]  # red above 0
    assert side[2] > side[0]  # blue below
    assert corner.min() >= 246  # white at 0


def test_a_propagator_shows_its_moments():
    p = dc.Propagator([[0, 0.25, 0.75]])
    words, _ = shown(p)
    assert re.search(r"mean move, x 0\.75\b", " ".join(words.split()))
    assert f"{p.entropy:.4g} nats" in words
    assert p._repr_png_() == _notebook.png(p.density)
    rounded = dc.Propagator([0.25 - 1e-15, 0.5, 0.25 + 1e-15])  # whose mean is none but for rounding
    assert re.search(r"mean move, x 0 ", " ".join(shown(rounded)[0].split()))
    for line in (dc.Propagator.heat(1.0, 2.0, ndim=1), dc.Propagator.heat(1.0, 2.0, ndim=3)):
        assert len(shown(line)[1]) == 1
    wide = dc.Propagator.heat(1.0, 1e8)
    words, pictures = shown(wide)
    assert pictures == []
    assert "density" not in vars(wide)  # nothing of that size was made for a glance


def test_the_other_records():
    u = np.zeros((8, 8))
    u[2:4] = 1.0
    words, _ = shown(dc.DiffusionEquation(boundary=dc.Neumann(2.0)).mass_balance(u))
    assert "inflow" in words
    assert "64" in words  # 32 faces, 2 through each
    assert "−0" not in shown(dc.DiffusionEquation().mass_balance(u))[0]
    words, (picture,) = shown(dc.measure_until(u, dc.kernels.box(), 0.2, rng=1))
    assert "0.95" in words
    assert picture.shape == (192, 192, 3)


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp", "png"])
def test_a_film_plays_and_names_its_frames(tmp_path, suffix):
    path = tmp_path / f"a & b.{suffix}"
    film = dc.write_movie(path, (np.full((16, 16), k / 4) for k in range(5)), limits=(0, 1), fps=5)
    assert (film.path, film.frames, film.fps) == (path, 5, 5.0)
    (tag, attributes), *_ = Balanced(film._repr_html_()).found
    kind = "video/mp4" if suffix == "mp4" else f"image/{suffix}"
    assert tag == ("video" if suffix == "mp4" else "img")
    head, data = attributes["src"].split(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(data) == path.read_bytes()
    path.unlink()
    assert "a & b" in " ".join(Balanced(film._repr_html_()).words)


@pytest.mark.io
def test_a_run_shows_its_last_frame(tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    dc.record(tmp_path / "run", [(0.0, np.eye(4)), (1.0, np.ones((4, 4)))], parameters={"<salt>": 35})
    words, (picture,) = shown(dc.resume(tmp_path / "run"))
    assert "<salt>" in words
    assert picture.shape == (192, 192, 3)


def test_odd_fields_have_pictures_too():
    extremes = [np.full((2, 3), 1e308), np.array([[-1e308, 1e308]]), np.array([[5e-324, 0.0]]), np.zeros(1)]
    for field in (*extremes, np.ones((3000, 2)), np.ones(3) * 1j, np.ones((2, 2, 2), np.float32)):
        Image.open(io.BytesIO(_notebook.png(field))).verify()
