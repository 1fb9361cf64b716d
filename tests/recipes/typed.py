"""Run several commands in one process, as if each were typed: imports cost most of a short one.

`python typed.py PROGRAM` reads a JSON list of jobs, each a folder and a list of words, and prints a
list of what went wrong with each: the end of its errors, or nothing.
"""

import contextlib
import io
import json
import os
import sys
import traceback
import warnings


def main(program: str):
    """Return the function behind a console script."""
    if program == "spkmd":
        from schnetpack.md.cli import simulate as run
    elif program == "spktrain":
        from schnetpack.cli import train as run
    else:
        from gpip_plugins.cli import main as run
    return run


def fault(program: str, folder: str, words: list[str]) -> str:
    """Run a command in a folder; return why it failed, or an empty text."""
    os.chdir(folder)
    os.environ["PWD"] = folder
    sys.argv = [program, *words]
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            code = main(program)()
        except SystemExit as end:
            code = end.code
        except Exception:
            traceback.print_exc()
            code = 1
    return "" if not code else errors.getvalue()[-3000:] or str(code)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    program, jobs = sys.argv[1], json.loads(sys.stdin.read())
    print(json.dumps([fault(program, *job) for job in jobs]))
