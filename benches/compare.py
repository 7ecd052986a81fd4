#!/usr/bin/env python3
"""Time and peak memory of whole processes, whyrst's beside tcpdump's, tcptrace's and tshark's, on three captures.

`exchanges.pcap`: some 95,000 kept-alive HTTP connections, more than 3 million packets, 2 % of the connections reset.
`crowd.pcap`:     180,000 such connections, 8,000 of them open at once (400 in the first), with 4 requests each (12 in the first).
`refused.pcap`:   3 million connections that were refused (2 million to services that are down, 1 million of a scan).

All are real traffic between sockets on the loopback interface of a network namespace of its own, captured by
`tcpdump -s 128`, made once and kept in target/bench (or $WHYRST_BENCH_DIR). whyrst runs once to warm the page cache,
then tcpdump and whyrst's JSON run --runs times. tcptrace and tshark run --slow-runs times, and on the last capture once and only
with --heavy: they need gigabytes there, so they get a limit of --memory-limit.

Times are medians. A machine that shares its cores and caches with others changes its speed within minutes, so a ratio is
that of runs side by side: each run of another program is held against the whyrst runs just before and after it (three on
either side, of which the middle ones count), and the median of these ratios is printed.

tcptrace's brief output says that a connection was reset; who sent RSTs, and each side's longest silence, is in its long
output only, which has a row of its own.
"""

import argparse
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000

# What is made, with how many connections, and the least number of packets that it must come to.
CAPTURES = {
    "exchanges.pcap": ("exchanges", 95_000, 3_000_000),
    "crowd.pcap": ("crowd", 180_000, 3_000_000),
    "refused.pcap": ("refused", 3_000_000, 5_900_000),
}
# The reader's aims, as factors of another program's time or as a number of bytes.
AIMS = {
    "exchanges.pcap": "aims: at most 2.0 x tcpdump's time; 10 x faster than tcptrace, 100 x faster than tshark",
    "crowd.pcap": "no aims: how the first one's ratios change where thousands of connections are open at once",
    "refused.pcap": "aim: at most 300 MB",
}


def packets_in(path):
    """Counts the packets of a microsecond pcap in this machine's byte order, which tcpdump writes."""
    count = 0
    with open(path, "rb", buffering=1 << 20) as capture:
        capture.seek(24)
        while len(header := capture.read(16)) == 16:
            capture.seek(int.from_bytes(header[8:12], sys.byteorder), os.SEEK_CUR)
            count += 1
    return count


def namespace():
    """The command that enters a new network namespace, and tcpdump's arguments there."""
    if os.geteuid() == 0:
        # tcpdump would give up root and then not own the folder it writes to.
        return ["unshare", "--net"], ["-Z", "root"]
    return ["unshare", "--user", "--map-current-user", "--net", "--keep-caps"], []


def make(path, kind, connections):
    # It needs nothing but the standard library; as a cargo example it would have the dependencies of the tests built.
    generator = path.with_name("loopback_traffic")
    subprocess.run(
        ["rustc", "--edition", "2024", "-O", "-o", str(generator), str(ROOT / "benches/loopback_traffic.rs")], check=True
    )
    if not shutil.which("tcpdump"):
        sys.exit("tcpdump is needed to make the captures: apt-get install tcpdump")
    enter, arguments = namespace()
    unfinished = path.with_suffix(".unfinished")
    # -B is in KiB: a buffer of 256 MiB, so that nothing is dropped while the disk is busy.
    script = """
        set -eu
        ulimit -n "$(ulimit -H -n)"
        ip link set lo up
        tcpdump -i lo -s 128 -B 262144 "$@" -w "$CAPTURE" tcp &
        tcpdump=$!
        sleep 1
        timeout 900 "$GENERATOR" "$KIND" "$CONNECTIONS"
        sleep 2
        kill -INT $tcpdump
        wait $tcpdump
    """
    print(f"making {path} (once): {kind}, {connections} connections", flush=True)
    subprocess.run(
        [*enter, "sh", "-c", script, "sh", *arguments], check=True,
        env={**os.environ, "CAPTURE": str(unfinished), "GENERATOR": str(generator), "KIND": kind,
             "CONNECTIONS": str(connections)},
    )
    unfinished.rename(path)


def measure(command, memory_limit=None, seconds=3600):
    """Runs a command with its output thrown away: (seconds, peak bytes, None), or (.., .., why it failed)."""

    def limit():
        if memory_limit:
            resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))

    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=limit
    )
    signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(seconds)
    # wait4 gives this child's peak, not the highest of all children.
    _, status, usage = os.wait4(process.pid, 0)
    signal.alarm(0)
    took = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    failure = None
    if process.returncode != 0:
        failure = f"stopped with {process.returncode} after {took:.1f} s"
    return took, usage.ru_maxrss * 1024, failure


def programs(capture, chosen):
    """The command of each program by its name, and the names of those that take long."""
    whyrst = str(chosen or ROOT / "target/release/whyrst")
    commands = {
        "whyrst": [whyrst, str(capture)],
        "whyrst json": [whyrst, "--format", "json", str(capture)],
        # Without -S tcpdump keeps a list of the connections it has printed, which takes hours for millions of them.
        "tcpdump": ["tcpdump", "-nS", "-r", str(capture), "tcp[tcpflags] & tcp-rst != 0"],
        "tcptrace": ["tcptrace", "-n", str(capture)],
        "tcptrace -l": ["tcptrace", "-n", "-l", str(capture)],
        "tshark": ["tshark", "-n", "-r", str(capture), "-Y", "tcp.flags.reset == 1"],
    }
    return commands, ["tcptrace", "tcptrace -l", "tshark"]


class Runs:
    """What was measured, by program; every run of another program has a whyrst run before and after it."""

    def __init__(self, commands):
        self.commands = commands
        self.outcomes = {}
        self.ratios = {}

    def run(self, name, *limits):
        outcome = measure(self.commands[name], *limits)
        self.outcomes.setdefault(name, []).append(outcome)
        return outcome[0]

    def whyrst(self):
        return statistics.median(self.run("whyrst") for _ in range(3))

    def side_by_side(self, names, *limits):
        """One run of each, with whyrst's between them."""
        before = self.whyrst()
        for name in names:
            took = self.run(name, *limits)
            after = self.whyrst()
            self.ratios.setdefault(name, []).append(took / statistics.mean([before, after]))
            before = after


def compare(capture, options):
    commands, slow = programs(capture, options.whyrst)
    missing = [name for name, command in commands.items() if not shutil.which(command[0])]
    others = [name for name in commands if name not in missing and not name.startswith("whyrst")]
    is_heavy = capture.name == "refused.pcap"

    measure(commands["whyrst"])
    runs = Runs(commands)
    for _ in range(options.runs):
        runs.run("whyrst json")
        runs.side_by_side([name for name in others if name not in slow])
    if options.slow and (options.heavy or not is_heavy):
        limits = options.memory_limit * 1000 * MEGABYTE, options.slow_seconds
        for _ in range(1 if is_heavy else options.slow_runs):
            runs.side_by_side([name for name in others if name in slow], *limits)

    packets = packets_in(capture)
    print(f"\n{capture.name}: {packets:,} packets, {capture.stat().st_size / MEGABYTE:.0f} MB")
    print(f"{'program':<12} {'runs':>4} {'time':>9} {'packets/s':>12} {'memory':>10} {'whyrst is':>22}")
    for name in commands:
        outcomes = runs.outcomes.get(name)
        if name in missing:
            print(f"{name:<12} not installed")
            continue
        if not outcomes:
            print(f"{name:<12} not run ({'--heavy' if options.slow else 'without --no-slow'} runs it)")
            continue
        peak = max(peak for _, peak, _ in outcomes) / MEGABYTE
        failures = [failure for _, _, failure in outcomes if failure]
        if failures:
            print(f"{name:<12} {failures[0]}, {peak:.0f} MB")
            continue
        took = statistics.median(took for took, _, _ in outcomes)
        ratio = ""
        if name in runs.ratios:
            times = statistics.median(runs.ratios[name])
            ratio = f"{1 / times:.2f} x its time" if times <= 1 else f"{times:.1f} x faster"
        print(f"{name:<12} {len(outcomes):>4} {took:>7.2f} s {packets / took:>12,.0f} {peak:>7.0f} MB {ratio:>22}")
    print(AIMS[capture.name], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of the fast programs (5)")
    parser.add_argument("--slow-runs", type=int, default=3, help="timed runs of tcptrace and tshark on the first two captures (3)")
    parser.add_argument("--no-slow", dest="slow", action="store_false", help="leave tcptrace and tshark out")
    parser.add_argument("--heavy", action="store_true", help="run tcptrace and tshark on refused.pcap, too")
    parser.add_argument("--memory-limit", type=int, default=28, help="GB of address space for the slow programs (28)")
    parser.add_argument("--slow-seconds", type=int, default=1800, help="time for each of the slow programs (1800)")
    parser.add_argument("--only", choices=list(CAPTURES), help="one capture")
    parser.add_argument("--whyrst", help="another build of whyrst")
    parser.add_argument("--make", action="store_true", help="make the captures and stop")
    options = parser.parse_args()

    folder = Path(os.environ.get("WHYRST_BENCH_DIR", ROOT / "target/bench"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, (kind, connections, least) in CAPTURES.items():
        if options.only and options.only != name:
            continue
        capture = folder / name
        if not capture.exists():
            make(capture, kind, connections)
            packets = packets_in(capture)
            if packets < least:
                print(f"warning: {capture} has {packets} packets, fewer than {least}: tcpdump dropped some")
        if not options.make:
            compare(capture, options)


if __name__ == "__main__":
    main()
