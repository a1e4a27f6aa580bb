"""A first call says once that it compiles, on a terminal alone; a later program says nothing."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from numba.core import event

from diffuseconv import _compiling


class Terminal(io.StringIO):
    def isatty(self):
        return True


def start(listener, module):
    listener.on_start(SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))}))


def test_said_once_and_of_our_own_loops_alone(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    listener = _compiling._Notice()
    start(listener, "someone.else")
    assert sys.stderr.getvalue() == ""
    start(listener, "diffuseconv._jit.finite")
    start(listener, "diffuseconv._jit.tile")
    assert sys.stderr.getvalue() == _compiling.NOTICE + "\n"


def test_nothing_is_said_into_a_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    start(_compiling._Notice(), "diffuseconv._jit.finite")
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("module", ["diffuseconv._jit.finite", "someone.else"])
@pytest.mark.parametrize("interrupted", [True, False])
def test_an_interrupt_that_the_compiler_turns_into_an_error_comes_through(module, interrupted):
    data = {"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))}
    ours = module.startswith("diffuseconv")

    def compile_badly():
        with event.trigger_event("numba:compile", data=data):
            try:
                raise KeyboardInterrupt if interrupted else ValueError
            except BaseException:
                raise RuntimeError("operation impossible on finalized object")  # noqa: B904

    with pytest.raises(KeyboardInterrupt if ours and interrupted else RuntimeError):
        compile_badly()


def run_twice_at_a_terminal(folder):
    """Return what each of two programs says; the second finds what the first has compiled."""
    import pty

    code = "import numpy as np; from diffuseconv._jit.finite import sum_of_zeros as f; f(np.ones(3))"
    said = []
    for _ in range(2):
        reader, writer = pty.openpty()
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=writer,
            check=True,
            timeout=120,
            env={**os.environ, "NUMBA_CACHE_DIR": str(folder), "NUMBA_DISABLE_JIT": "0"},
        )
        os.close(writer)
        try:
            said.append(os.read(reader, 4096).decode())
        except OSError:  # closed with nothing in it
            said.append("")
        os.close(reader)
    return said


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.aside(call=run_twice_at_a_terminal)
def test_a_program_at_a_terminal(done):
    assert done[0].strip() == _compiling.NOTICE
    assert done[1] == ""
