#!/usr/bin/env python3
"""Holds the promises of Cargo.toml and deny.toml against the locked dependencies.

- `rust-version` is at least that of every dependency that a user builds (normal and build dependencies, all targets).
- Every one of them may be used under one of the licences that deny.toml allows.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version(text):
    return tuple(int(part) for part in (text.split(".") + ["0", "0"])[:3])


def allowed(expression, licences):
    """SPDX, as far as Cargo packages use it: OR, AND, WITH, parentheses, and the older slash for OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def any_of(position):
        value, position = all_of(position)
        while position < len(tokens) and tokens[position] == "OR":
            right, position = all_of(position + 1)
            value = value or right
        return value, position

    def all_of(position):
        value, position = one(position)
        while position < len(tokens) and tokens[position] == "AND":
            right, position = one(position + 1)
            value = value and right
        return value, position

    def one(position):
        if tokens[position] == "(":
            value, position = any_of(position + 1)
            return value, position + 1
        name, position = tokens[position], position + 1
        if position < len(tokens) and tokens[position] == "WITH":
            name, position = f"{name} WITH {tokens[position + 1]}", position + 2
        return name in licences, position

    return any_of(0)[0]


def main():
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    licences = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])

    reached, waiting = set(), [root]
    while waiting:
        identifier = waiting.pop()
        if identifier in reached:
            continue
        reached.add(identifier)
        for dependency in nodes[identifier]["deps"]:
            if any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])

    ours = packages[root]["rust_version"]
    faults = []
    needs = sorted(
        (version(packages[each]["rust_version"]), packages[each]["name"])
        for each in reached - {root}
        if packages[each]["rust_version"]
    )
    for needed, name in needs:
        if needed > version(ours):
            faults.append(f"{name} needs Rust {'.'.join(map(str, needed))}, Cargo.toml promises {ours}")
    for each in sorted(reached - {root}, key=lambda each: packages[each]["name"]):
        package = packages[each]
        if not package["license"] or not allowed(package["license"], licences):
            faults.append(f"{package['name']} {package['version']}: licence {package['license']} is not in deny.toml")
        if package["source"] != "registry+https://github.com/rust-lang/crates.io-index":
            faults.append(f"{package['name']} {package['version']}: comes from {package['source']}")

    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        return 1
    newest_version, newest_name = needs[-1]
    print(
        f"{len(reached) - 1} dependencies, all under allowed licences; the newest Rust among them is "
        f"{'.'.join(map(str, newest_version))} ({newest_name}), Cargo.toml promises {ours}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
