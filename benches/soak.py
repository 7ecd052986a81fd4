#!/usr/bin/env python3
"""Resident memory of `whyrst live` while connections come and go, for as long as is asked: flat and below --max-memory, or status 1.

In a network namespace of its own, on its loopback interface, real sockets open --rate connections each second: kept-alive HTTP of a dozen
requests, of which 2 % end in a reset, and a tenth as many again that are refused (a service that is down, and a scan of ports). Every
--every seconds a row is printed: resident memory from /proc, and what whyrst itself counts on its metrics page. Needs root, or user
namespaces; for 20 minutes: `make soak MINUTES=20`.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "WHYRST_SOAK_INSIDE"
METRICS = "127.0.0.1:9464"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# The first half fills the tables. What is held after that may breathe, but its mean of the last quarter may not be above that of the
# quarter before by more than this share.
GROWTH = 0.02


def enter_namespace():
    """Runs this program again in a network namespace of its own."""
    unshare = ["unshare", "--net"]
    if os.geteuid() != 0:
        unshare = ["unshare", "--user", "--map-root-user", "--net"]
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


def generator(folder):
    """The generator of `make bench`: it needs nothing but the standard library."""
    path = folder / "loopback_traffic"
    subprocess.run(["rustc", "--edition", "2024", "-O", "-o", str(path), str(ROOT / "benches/loopback_traffic.rs")], check=True)
    return path


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def counters():
    """The sums of whyrst's counters, by name."""
    sums = {}
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def churn(traffic, rate, until):
    """One second's connections each second; returns at `until`."""
    due = time.monotonic()
    while time.monotonic() < until:
        subprocess.run([traffic, "exchanges", str(rate)], check=True)
        subprocess.run([traffic, "refused", str(rate // 10)], check=True)
        # What can't be kept up with is left out, not made up for.
        due = max(due + 1.0, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def sample(pid, begun, rows):
    memory, counted = resident(pid), counters()
    rows.append(memory)
    print(
        f"{time.monotonic() - begun:>7.0f} {memory / UNITS['M']:>8.1f} {counted.get('whyrst_packets_total', 0):>12.0f} "
        f"{counted.get('whyrst_connections_total', 0):>12.0f} {counted.get('whyrst_connections_evicted_total', 0):>12.0f} "
        f"{counted.get('whyrst_findings_total', 0):>10.0f} {counted.get('whyrst_packets_dropped_total', 0):>8.0f}",
        flush=True,
    )


def watch(pid, seconds, every):
    """Prints a row each time; returns the samples of resident memory."""
    print(f"{'seconds':>7} {'RSS MiB':>8} {'packets':>12} {'connections':>12} {'forgotten':>12} {'findings':>10} {'dropped':>8}")
    rows, begun = [], time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(every)
        sample(pid, begun, rows)
    return rows


def judge(rows, limit):
    """Flat and below the limit?"""
    quarter = max(len(rows) // 4, 1)
    early, late = rows[-2 * quarter : -quarter] or rows, rows[-quarter:]
    growth = (sum(late) / len(late)) / (sum(early) / len(early)) - 1
    peak = max(rows)
    print(f"peak {peak / UNITS['M']:.1f} MiB of {limit / UNITS['M']:.0f}; mean of the last quarter against the one before: {growth:+.1%}")
    return peak <= limit and growth <= GROWTH


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, help="how long (2)")
    parser.add_argument("--rate", type=int, default=300, help="connections each second (300)")
    parser.add_argument("--every", type=float, default=10, help="seconds between rows (10)")
    parser.add_argument("--max-memory", default="128M", help="whyrst's limit (128M)")
    parser.add_argument("--whyrst", default=str(ROOT / "target/release/whyrst"), help="another build of whyrst")
    parser.add_argument("arguments", nargs="*", help="further arguments of `whyrst live`, after --")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        enter_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="whyrst-soak-"))
    traffic = generator(folder)
    command = [
        options.whyrst, "live", "-i", "lo", "-Z", "root", "--kernel", "off", "--json-lines", "--quiet", "--max-memory", options.max_memory,
        "--metrics", METRICS, "-o", str(folder / "report.json"), *options.arguments, "not port 9464",
    ]
    with open(folder / "findings.jsonl", "w") as findings:
        whyrst = subprocess.Popen(command, stdout=findings)
    time.sleep(1)
    load = os.fork()
    if load == 0:
        churn(traffic, options.rate, time.monotonic() + options.minutes * 60)
        os._exit(0)
    try:
        rows = watch(whyrst.pid, options.minutes * 60, options.every)
    finally:
        os.kill(load, signal.SIGTERM)
        os.waitpid(load, 0)
        whyrst.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(whyrst.pid, 0)
    print(f"whyrst ended with {os.waitstatus_to_exitcode(status)}; its peak with the report at the end: {usage.ru_maxrss / 1024:.1f} MiB")
    good = judge(rows, int(options.max_memory[:-1]) * UNITS[options.max_memory[-1]])
    shutil.rmtree(folder)
    sys.exit(0 if good and status == 0 else 1)


if __name__ == "__main__":
    main()
