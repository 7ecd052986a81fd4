#!/usr/bin/env python3
"""At half of the packet rate that `tcpdump -w /dev/null` sustains without loss, does `whyrst live` lose none?

tcpreplay sends the capture of `make bench` over a veth pair between two network namespaces. First the highest rate is looked for at which
tcpdump, with its own defaults, is given every packet, --runs times in a row; then both programs, and nothing but one of them at a time,
are given the capture at half of that rate, in turns. A packet counts as lost if the kernel counts it as dropped or if it never came to the
program. Needs root, tcpreplay and tcpdump, and says nothing on a machine that is busy: the load is printed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SENDER, RECEIVER = "whyrst-rate-a", "whyrst-rate-b"
NEAR, FAR = "replay", "watched"


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def inside(namespace, *command):
    return ["ip", "netns", "exec", namespace, *command]


class Wire:
    """A veth pair between two namespaces; a packet that goes in at one end comes out at the other."""

    def __enter__(self):
        self.__exit__()
        for namespace in (SENDER, RECEIVER):
            run("ip", "netns", "add", namespace)
            # No traffic but the capture's.
            run(*inside(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"))
        run("ip", "link", "add", NEAR, "netns", SENDER, "type", "veth", "peer", "name", FAR, "netns", RECEIVER)
        for namespace, device in ((SENDER, NEAR), (RECEIVER, FAR)):
            run("ip", "-n", namespace, "link", "set", device, "arp", "off", "up")
        return self

    def __exit__(self, *_):
        for namespace in (SENDER, RECEIVER):
            subprocess.run(["ip", "netns", "delete", namespace], stderr=subprocess.DEVNULL)


def replay(capture, packets, rate):
    """Sends that many packets; returns how many were sent, and the rate that it came to."""
    command = inside(SENDER, "tcpreplay", "--preload-pcap", "--quiet", f"--limit={packets}", f"--intf1={NEAR}")
    command += [f"--pps={rate}"] if rate else ["--topspeed"]
    text = run(*command, str(capture), capture_output=True, text=True).stdout
    sent = int(re.search(r"Successful packets:\s+(\d+)", text).group(1))
    came_to = float(re.search(r"([\d.]+) pps", text).group(1))
    return sent, came_to


def lost(command, ready, capture, packets, rate):
    """Runs a program while the capture is replayed: (packets sent, lost, rate, share of a core the program took)."""
    process = subprocess.Popen(inside(RECEIVER, *command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = ""
    while ready not in said:
        line = process.stderr.readline()
        if not line:
            sys.exit(f"{command[0]} ended: {said}")
        said += line
    sent, came_to = replay(capture, packets, rate)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said += process.stderr.read()
    _, _, usage = os.wait4(process.pid, 0)
    received = int(re.search(r"(\d+) packets received by filter", said).group(1))
    dropped = int(re.search(r"(\d+) (?:packets )?dropped by kernel", said).group(1))
    # libpcap counts what was dropped as received.
    share = (usage.ru_utime + usage.ru_stime) / (sent / came_to)
    return sent, max(dropped, sent - received + dropped), came_to, share


def tcpdump(*arguments):
    return lost(["tcpdump", "-i", FAR, "-n", "-Z", "root", "-w", "/dev/null"], "listening on", *arguments)


def whyrst(program, further, *arguments):
    return lost([program, "live", "-i", FAR, "-Z", "root", "--json-lines", *further], f"watching {FAR}", *arguments)


def sustained(capture, packets, runs):
    """The highest rate at which tcpdump loses nothing, to a sixteenth."""
    _, _, fastest, _ = tcpdump(capture, packets, 0)
    print(f"tcpreplay alone comes to {fastest:,.0f} packets/s here", flush=True)
    low, high = 0, fastest
    rate = fastest
    while rate - low > fastest / 16 or rate == fastest:
        outcomes = [tcpdump(capture, packets, round(rate)) for _ in range(runs)]
        losses = [lost for _, lost, _, _ in outcomes]
        print(f"  tcpdump at {rate:>9,.0f}/s (came to {outcomes[0][2]:>9,.0f}): lost {losses}", flush=True)
        if any(losses):
            high = rate
        else:
            low = min(came_to for _, _, came_to, _ in outcomes)
            if rate == fastest:
                break
        rate = (low + high) / 2
    return low


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs at each rate (3)")
    parser.add_argument("--packets", type=int, default=2_000_000, help="packets of each run (2000000)")
    parser.add_argument("--rate", type=int, help="half of this, instead of what tcpdump is found to sustain")
    parser.add_argument("--whyrst", default=str(ROOT / "target/release/whyrst"), help="another build of whyrst")
    parser.add_argument("arguments", nargs="*", help="further arguments of `whyrst live`, after --")
    options = parser.parse_args()
    for tool in ("tcpreplay", "tcpdump", "ip"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is needed: apt-get install tcpreplay tcpdump iproute2")
    if os.geteuid() != 0:
        sys.exit("this makes network namespaces: run it as root")
    folder = Path(os.environ.get("WHYRST_BENCH_DIR", ROOT / "target/bench"))
    capture = folder / "exchanges.pcap"
    if not capture.exists():
        run(sys.executable, str(ROOT / "benches/compare.py"), "--make", "--only", capture.name)
    print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores", flush=True)
    with Wire():
        rate = options.rate or sustained(capture, options.packets, options.runs)
        why = "as asked" if options.rate else "what tcpdump -w /dev/null sustains"
        print(f"half of {rate:,.0f} packets/s ({why}):")
        print(f"{'program':<8} {'packets/s':>10} {'sent':>10} {'lost':>8} {'of a core':>10}")
        total = 0
        for _ in range(options.runs):
            for name, program in (("tcpdump", tcpdump), ("whyrst", lambda *rest: whyrst(options.whyrst, options.arguments, *rest))):
                sent, missing, came_to, share = program(capture, options.packets, round(rate / 2))
                print(f"{name:<8} {came_to:>10,.0f} {sent:>10,} {missing:>8,} {share:>10.0%}", flush=True)
                total += missing if name == "whyrst" else 0
    print(f"load average {os.getloadavg()[0]:.2f}")
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
