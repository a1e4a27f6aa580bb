"""A server for one page, reached only from this machine.

It listens on the loopback address, answers only below a random path, refuses requests that name another host or come
from another page, and takes bodies of a limited size.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from diffuseconv._checks import count, flag
from diffuseconv.explorer.session import Session, answer

__all__ = ["explore", "serve"]

LARGEST = 8 << 20  # bytes of a request
PAGES = {"": ("page.html", "text/html"), "explorer.js": ("explorer.js", "text/javascript")}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' blob: data:"
)


def explore(port: int = 0, *, browser: bool = True) -> None:
    """Open the explorer in the browser and serve it until Ctrl-C.

    Parameters
    ----------
    port : int
        Port on the loopback address; 0 picks a free one.
    browser : bool
        Whether to open the page, whose address is printed in any case.

    Raises
    ------
    ValueError, TypeError
        If the port is not from 0 to 65535, or `browser` is neither True nor False.
    OSError
        If the port is in use.
    """
    browser = flag("browser", browser)
    server, address = serve(port)
    print(f"The explorer is at {address}\nCtrl-C stops it.", flush=True)
    if browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def serve(port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server that is ready to serve, and the address of its page."""
    port = count("port", port, least=0, most=65535)
    token = secrets.token_urlsafe(24)
    session, lock = Session(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "diffuseconv"
        sys_version = ""
        timeout = 60

        def do_GET(self) -> None:
            page = self._page()
            if page is None or page not in PAGES:
                self._refuse(404)
                return
            name, kind = PAGES[page]
            self._send(files("diffuseconv.explorer").joinpath(name).read_bytes(), f"{kind}; charset=utf-8")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self._page() != "ask":
                self._refuse(404)
            elif not length.isdecimal() or int(length) > LARGEST:
                self._refuse(413)
            else:
                try:
                    request = json.loads(self.rfile.read(int(length)))
                except (ValueError, RecursionError):
                    self._refuse(400)
                    return
                with lock:
                    reply = answer(session, request)
                self._send(json.dumps(reply, allow_nan=False).encode(), "application/json")

        def _page(self) -> str | None:
            """Return what is asked for below the token, None for strangers."""
            hosts = {f"{host}:{server.server_port}" for host in ("127.0.0.1", "localhost")}
            origin = self.headers.get("Origin")
            if self.headers.get("Host") not in hosts or origin not in {None, *(f"http://{host}" for host in hosts)}:
                return None
            given, _, page = self.path.lstrip("/").partition("/")
            return page if secrets.compare_digest(given.encode(), token.encode()) else None

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
                "Content-Security-Policy": POLICY,
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a page that was closed waits for no answer
                self.wfile.write(body)

        def _refuse(self, status: int) -> None:
            self.close_connection = True
            self.send_error(status)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server, f"http://127.0.0.1:{server.server_port}/{token}/"
