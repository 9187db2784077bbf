"""Whether pyright and mypy, at their strictest, accept typed code of a user, and refuse mistakes.

python tests/typing/check.py
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
FILES = ("accepted.py", "refused.py")


def pyright() -> dict[tuple[str, int], str]:
    """What it says of lines of the two files."""
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            shutil.copy(HERE / name, folder)
        config = Path(folder) / "pyrightconfig.json"
        config.write_text(json.dumps({"extraPaths": [str(SOURCE)], "typeCheckingMode": "strict"}))
        command = ["pyright", "--outputjson", "--pythonpath", sys.executable, "-p", folder]
        run = subprocess.run(command, capture_output=True, text=True)
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1): found["message"]
        for found in json.loads(run.stdout)["generalDiagnostics"]
        if found["severity"] == "error"
    }


def mypy() -> dict[tuple[str, int], str]:
    """The same of mypy."""
    options = ["--strict", "--follow-imports=silent", f"--python-executable={sys.executable}"]
    with tempfile.TemporaryDirectory() as cache:
        command = ["mypy", *options, f"--cache-dir={cache}", *(str(HERE / name) for name in FILES)]
        environment = {**os.environ, "MYPYPATH": str(SOURCE)}
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode > 1:
        raise RuntimeError(run.stdout + run.stderr)
    said = re.findall(r"(\w+\.py):(\d+): error: (.*)", run.stdout)
    return {(name, int(line)): message for name, line, message in said}


def main() -> int:
    """Print what is not as it should be; the exit status."""
    wrong = {
        (name, at)
        for name in FILES
        for at, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if "# refused" in line
    }
    problems = []
    for checker in (pyright, mypy):
        found, who = checker(), checker.__name__
        for name, line in sorted(found.keys() - wrong):
            problems.append(f"{who}: {name}:{line}: {found[name, line]}")
        problems += [f"{who}: {name}:{line} is not refused" for name, line in wrong - found.keys()]
    print("\n".join(sorted(problems)) or "typed code is accepted, and mistakes are refused")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
