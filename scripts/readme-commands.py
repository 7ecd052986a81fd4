#!/usr/bin/env python3
"""Runs the README's commands: each ```console block's lines that start with "$ ", unless the block is preceded by
<!-- not run: REASON -->. A command must exit with 0, or with the status that "# exit status N" at its end names.
Where the block shows output, each line of it that is not "…" must be among the lines printed, in that order.
`whyrst` is found through PATH. With --update, the shown output is replaced by the real one (in blocks of one command; one that
ends in "…" keeps its number of lines)."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- not run: [^\n]*-->\n)?```console\n(.*?)```", re.S)


def parts(block):
    """(command, status, shown output lines) for each command of a block."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            status = re.search(r"\s+# exit status (\d+)$", line)
            command = line[2 : status.start()] if status else line[2:]
            found.append((command, int(status.group(1)) if status else 0, []))
        elif found:
            found[-1][2].append(line)
    return found


def run(command, scratch):
    """In a folder with nothing but the captures, so that files written by a command land nowhere else."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "112", "TERM": "dumb"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=scratch, env=environment,
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )


def shown_in_order(shown, printed):
    lines = iter([line.rstrip() for line in printed.splitlines()])
    for wanted in (line.rstrip() for line in shown):
        if wanted in ("", "…"):
            continue
        if not any(wanted == line for line in lines):
            return wanted
    return None


def main():
    readme = ROOT / "README.md"
    text = readme.read_text()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.symlink(ROOT / "captures", Path(scratch) / "captures")

        def check(match):
            nonlocal passed, failed
            if match.group(1):
                return match.group(0)
            commands = parts(match.group(2))
            for command, status, shown in commands:
                done = run(command, scratch)
                missing = None if "--update" in sys.argv else shown_in_order(shown, done.stdout)
                if done.returncode != status or missing is not None:
                    failed += 1
                    print(f"FAILED: {command}\n  exit status {done.returncode}, wanted {status}")
                    if missing is not None:
                        print(f"  not printed in this order: {missing}")
                    print(done.stdout + done.stderr)
                else:
                    passed += 1
                    print(f"ok: {command}")
                if "--update" in sys.argv and len(commands) == 1 and shown:
                    printed = done.stdout.rstrip().splitlines()
                    if shown[-1] == "…":
                        printed = [*printed[: len(shown) - 1], "…"]
                    return "\n".join(["```console", match.group(2).splitlines()[0], *printed, "```"])
            return match.group(0)

        updated = BLOCK.sub(check, text)
    if "--update" in sys.argv:
        readme.write_text(updated)
    print(f"README commands: {passed} ran as shown, {failed} did not")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
