#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.2.9"]
# ///
"""The steps of continuous integration, one by one: ``nox -l`` lists them."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests as the README says."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install("-e", ".", "mypy", "scipy-stubs")
    session.run("mypy")


@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """Compare with other libraries."""
    session.install("-e", ".[test,peers]")
    session.run("pytest", "-m", "peer", "tests")


# By pip, which reads, unlike uv, where a machine keeps torch's builds for the CPU; the version is that of .ci/run.
@nox.session(default=False, venv_backend="virtualenv")
def docs(session: nox.Session) -> None:
    """Build the documentation site into docs/_build; a warning is an error."""
    session.install("-e", ".[dask,xarray]", "torch==2.13.0", "scikit-learn", "--group", "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build")


if __name__ == "__main__":
    nox.main()
