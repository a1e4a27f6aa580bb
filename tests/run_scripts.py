"""Run scripts one after the other, as if each came from the command line: imports take longer than small runs."""

import contextlib
import io
import json
import runpy
import sys
import traceback
from pathlib import Path


def main():
    """Read lists of a path and its options, and write what each said and its fault."""
    reports = []
    for path, *options in json.load(sys.stdin):
        said, fault = io.StringIO(), ""
        sys.argv, sys.path[0] = [path, *options], str(Path(path).parent)
        try:
            with contextlib.redirect_stdout(said):
                runpy.run_path(path, run_name="__main__")
        except BaseException:
            fault = traceback.format_exc()
        reports.append((said.getvalue(), fault))
    json.dump(reports, sys.stdout)


if __name__ == "__main__":
    main()
