"""The explorer: answers are the package's, the server answers its own page alone, and the page works in a browser."""

import base64
import http.client
import json
import shutil
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv.explorer import Session, answer
from diffuseconv.explorer.server import LARGEST, serve


def field(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), "<f4").reshape(packed["shape"])


def test_strokes_arrive_as_salt_and_salt_diffuses():
    session = Session()
    stroke = {"x": 100, "y": 60, "radius": 12, "tool": "salt"}
    painted = answer(session, {"ask": "paint", "strokes": [stroke]})
    rows, columns = np.ogrid[:256, :256]
    expected = ((rows - 60) ** 2 + (columns - 100) ** 2 <= 144).astype(float)
    np.testing.assert_array_equal(field(painted["salt"]), expected)
    assert painted["mass"] == expected.sum()
    ran = answer(session, {"ask": "run", "duration": 5.0, "diffusivity": 2.0, "wall": "reflecting"})
    np.testing.assert_allclose(field(ran["salt"]), dc.DiffusionEquation(2.0).evolve(expected, 5.0), rtol=0, atol=1e-7)
    assert ran["mass"] == pytest.approx(expected.sum(), rel=1e-13)


def test_salt_drifts():
    session = Session()
    answer(session, {"ask": "paint", "strokes": [{"x": 100, "y": 100, "radius": 9, "tool": "salt"}]})
    before = session.salt.copy()
    request = {"ask": "run", "duration": 2.0, "diffusivity": 3.0, "wall": "periodic", "drift": [-4.0, 6.0]}
    ran = field(answer(session, request)["salt"])
    eq = dc.DiffusionEquation(3.0, boundary="periodic", velocity=(-4.0, 6.0))
    np.testing.assert_allclose(ran, eq.evolve(before, 2.0), rtol=0, atol=1e-7)
    rows, columns = np.mgrid[:256, :256]
    centre = [(ran * place).sum() / ran.sum() for place in (rows, columns)]
    assert np.allclose(centre, [100 - 8, 100 + 12], atol=1e-3)  # the field came as float32


def test_grains_jump_by_the_softmax():
    got = answer(Session(), {"ask": "grains", "name": "sobel", "uses": 3})
    counts = field(got["grains"])
    assert got["total"] == counts.sum() == 10_000
    p = dc.Propagator.softmax(dc.kernels.sobel()).power(3)
    reach = len(counts) // 2
    assert counts.shape == (9, 9)  # three jumps of at most one cell: nothing is cut off at four
    assert not counts[:1].any()
    # Hoeffding: the mean row of 10 000 grains that lie within 3 of the centre is off by 0.2 with 2 exp(-22.2) = 4e-10
    assert abs((counts.sum(axis=1) @ np.arange(-reach, reach + 1)) / 10_000 - p.mean[0]) < 0.2


def test_strokes_are_checked_before_any_is_drawn():
    session, stroke = Session(), {"x": 9, "y": 9, "radius": 3, "tool": "salt"}
    assert "tool" in answer(session, {"ask": "paint", "strokes": [stroke, stroke | {"tool": "x"}]})["error"]
    assert not session.salt.any()
    answer(session, {"ask": "paint", "strokes": [stroke | {"radius": 1e300}]})  # its square is beyond the range
    assert session.salt.all()


def test_a_picture_is_convolved_again_and_again():
    session = Session()
    twice = dc.convolve(dc.convolve(session.picture, dc.kernels.box()), dc.kernels.box())
    got = field(answer(session, {"ask": "filtered", "name": "box", "uses": 2})["picture"])
    np.testing.assert_allclose(got, twice, rtol=0, atol=1e-7)
    assert "uses" in answer(session, {"ask": "filtered", "weights": [[1e30]], "uses": 9})["error"]


def test_walls_hold_salt_back():
    session = Session()
    wall = [{"x": 128, "y": y, "radius": 3, "tool": "wall"} for y in range(0, 257, 2)]
    answer(session, {"ask": "paint", "strokes": [*wall, {"x": 60, "y": 128, "radius": 10, "tool": "salt"}]})
    ran = answer(session, {"ask": "run", "duration": 1e4, "diffusivity": 5.0})
    salt = field(ran["salt"])
    assert salt[:, :120].min() > 0
    assert salt[:, 135:].max() == 0
    run = {"ask": "run", "duration": 1e4, "diffusivity": 5.0}
    answer(session, {"ask": "paint", "strokes": [{"x": 128, "y": 128, "radius": 5, "tool": "lift"}]})
    assert field(answer(session, run)["salt"])[:, 135:].min() > 0
    answer(session, {"ask": "paint", "strokes": [{"x": 128, "y": 128, "radius": 5, "tool": "wall"}]})
    right = session.salt[:, 128:].sum()
    answer(session, run)
    assert session.salt[:, 128:].sum() == pytest.approx(right, rel=1e-9)
    answer(session, {"ask": "clear"})
    answer(session, {"ask": "paint", "strokes": [{"x": 60, "y": 128, "radius": 10, "tool": "salt"}]})
    assert field(answer(session, run)["salt"])[:, 135:].min() > 0


def test_kernel_words_are_those_of_interpret():
    for name in ["sharpen", "sobel", "box"]:
        got = answer(Session(), {"ask": "kernel", "name": name})
        kernel = getattr(dc.kernels, name)()
        assert got["words"] == str(dc.interpret(kernel))
        np.testing.assert_array_equal(got["softmax"], dc.Propagator.softmax(kernel).density)


def test_measurements_add_up():
    session = Session()
    exact = field(answer(session, {"ask": "filtered", "name": "box"})["picture"])
    np.testing.assert_allclose(exact, dc.convolve(session.picture, dc.kernels.box()), atol=1e-7)
    errors = [answer(session, {"ask": "measured", "name": "box", "draws": n}) for n in (1, 99, 9900)]
    assert [e["draws"] for e in errors] == [1, 100, 10_000]
    assert errors[2]["error"] < errors[0]["error"] / 30  # about a hundredth


@pytest.mark.parametrize(
    "request_",
    [
        None,
        {},
        {"ask": "__class__"},
        {"ask": "run", "duration": -1, "diffusivity": 1},
        {"ask": "run", "duration": 1, "diffusivity": "x"},
        {"ask": "run", "duration": 1, "diffusivity": 1, "drift": [1]},
        {"ask": "run", "duration": 1, "diffusivity": 1, "drift": [0, 1000]},
        {"ask": "run", "duration": 1, "diffusivity": 1, "drift": 3},
        {"ask": "grains", "name": "box", "uses": 0},
        {"ask": "kernel", "name": "none"},
        {"ask": "kernel", "weights": [[1, 2], [3]]},
        {"ask": "kernel", "weights": [[1] * 40] * 40},
        {"ask": "measured", "name": "box", "draws": 10**9},
        {"ask": "photograph", "picture": {"shape": [2, 2], "data": "AAAA"}},
        {"ask": "photograph", "picture": {"shape": [10**6, 10**6], "data": ""}},
        {"ask": "paint", "strokes": [{"x": 1}]},
        {"ask": "paint", "strokes": [None]},
        {"ask": "paint", "strokes": "x"},
        {"ask": "waves", "dots": [1]},
        {"ask": "waves", "dots": {"x": 1}},
        {"ask": "start", "unknown": 1},
    ],
)
def test_what_makes_no_sense_is_one_line(request_):
    got = answer(Session(), request_)
    assert list(got) == ["error"]
    assert "\n" not in got["error"]


@pytest.fixture
def page():
    server, address = serve()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield urlsplit(address)
    server.shutdown()
    server.server_close()


def status(page, method="GET", path=None, body=None, **headers):
    connection = http.client.HTTPConnection(page.hostname, page.port, timeout=10)
    connection.putrequest(method, page.path if path is None else path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body is not None and "Content_Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, content


def test_server_answers_its_own_page_alone(page):
    assert page.hostname == "127.0.0.1"
    assert status(page)[0] == 200
    assert b"export default" in status(page, path=page.path + "explorer.js")[1]
    code, body = status(page, "POST", page.path + "ask", json.dumps({"ask": "start"}).encode())
    assert code == 200
    assert json.loads(body)["size"] == 256
    assert status(page, path="/")[0] == 404
    assert status(page, path="/wrong/")[0] == 404
    assert status(page, path=page.path + "../server.py")[0] == 404
    assert status(page, Host="evil.example")[0] == 404
    assert status(page, Origin="http://evil.example")[0] == 404
    assert status(page, "POST", page.path + "ask", b"{}", Origin="null")[0] == 404
    assert status(page, "POST", page.path + "ask", b"", Content_Length=str(LARGEST + 1))[0] == 413
    assert status(page, "POST", page.path + "ask", b"not json")[0] == 400


def until(tab, condition, seconds=20):
    """Wait for the page, whose policy forbids to evaluate text in it."""
    for _ in range(20 * seconds):
        if condition():
            return
        tab.wait_for_timeout(50)
    pytest.fail(f"the page did not come so far within {seconds} s")


@pytest.fixture
def tab(page):
    """The page in a browser, which must say nothing on its console and ask nobody else."""
    sync = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 1100, "height": 800})
        said, asked = [], set()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        tab.goto(page.geturl())
        tab.wait_for_selector(".dc[data-ready=true]")
        yield tab
        assert said == []
        assert asked == {page.netloc}
        browser.close()


@pytest.mark.browser
def test_page_in_a_browser(tab):
    canvas = tab.locator("#dc-salt")
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + 100, box["y"] + 100)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 200, box["y"] + 160, steps=8)
    tab.mouse.up()
    until(tab, lambda: float(canvas.get_attribute("data-mass")) > 1000)
    tab.wait_for_timeout(300)  # the last strokes
    mass = float(canvas.get_attribute("data-mass"))
    tab.click("#dc-run")
    until(tab, lambda: float(tab.locator("#dc-facts").text_content().split()[1]) > 2)
    assert float(canvas.get_attribute("data-mass")) == pytest.approx(mass, rel=1e-12)
    tab.locator("#dc-across").focus()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    lasted = float(tab.locator("#dc-facts").text_content().split()[1])
    until(tab, lambda: float(tab.locator("#dc-facts").text_content().split()[1]) > lasted + 1)
    tab.click("#dc-run")
    canvas.focus()
    tab.keyboard.press("ArrowLeft")
    assert "120, 128" in tab.locator("#dc-brush").text_content()
    tab.keyboard.press("Space")
    until(tab, lambda: float(canvas.get_attribute("data-mass")) > mass)
    tab.get_by_role("tab", name="Kernels").click()
    until(tab, lambda: len(tab.locator("#dc-words").text_content()) > 20)
    assert tab.locator("#dc-words").text_content() == str(dc.interpret(dc.kernels.sharpen()))
    until(tab, lambda: tab.locator("#dc-grains").get_attribute("data-total") == "10000")
    tab.get_by_role("button", name="Once more").click()
    tab.get_by_role("button", name="Once more").click()
    until(tab, lambda: "2 times" in tab.locator("figcaption").nth(1).text_content())
    tab.get_by_role("tab", name="Spectrum").click()
    tab.locator("#dc-plane").focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Space")
    tab.set_viewport_size({"width": 380, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.browser
def test_a_photograph_of_ones_own(tab, tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    dc.save_image(tmp_path / "own.png", photo / 255)
    tab.get_by_role("tab", name="Kernels").click()
    tab.get_by_label("Your own photograph").set_input_files(tmp_path / "own.png")
    picture = tab.locator("#dc-picture")
    until(tab, lambda: (picture.get_attribute("width"), picture.get_attribute("height")) == ("60", "40"))
    drawn = """canvas => {
        const copy = new OffscreenCanvas(60, 40).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return Array.from(copy.getImageData(0, 0, 60, 40).data);
    }"""
    shown = np.array(picture.evaluate(drawn)).reshape(40, 60, 4)
    np.testing.assert_array_equal(shown, np.dstack([photo] * 3 + [np.full_like(photo, 255)]))
    tab.get_by_label("Kernel", exact=True).select_option("box")
    tab.get_by_role("button", name="Convolve").click()
    until(tab, lambda: "once" in tab.locator("figcaption").nth(1).text_content())
    shown = np.array(picture.evaluate(drawn)).reshape(40, 60, 4)[..., 0]
    assert np.abs(shown / 256 - dc.convolve(photo / 255, dc.kernels.box())).max() < 1.01 / 256  # 256 levels
    (tmp_path / "letter.png").write_text("no picture")
    tab.get_by_label("Your own photograph").set_input_files(tmp_path / "letter.png")
    until(tab, lambda: "no picture" in tab.get_by_role("alert").text_content())


@pytest.mark.parametrize("drift", [None, 1, [], [1.0], [0, 0, 0], {"a": 1, "b": 2}])
def test_a_drift_that_is_no_pair_is_refused_by_name(drift):
    asked = {"ask": "run", "duration": 1.0, "diffusivity": 1.0, "drift": drift}
    assert answer(Session(), asked)["error"].startswith("drift must be two numbers, down and across, got ")


@pytest.mark.parametrize("weights", ["", [[1, 2], [3]], [["a"]], [1, "a"], [[{}]]])
def test_weights_that_are_no_numbers_are_refused_by_name(weights):
    found = answer(Session(), {"ask": "kernel", "weights": weights})["error"]
    assert found.startswith("weights must be rows of as many numbers each, got ")
