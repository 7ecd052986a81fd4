#!/bin/sh
# Makes sure that libpcap can be linked: Debian's libpcap-dev, installed only if it is missing.
set -eu

has_libpcap() {
	printf '#include <pcap/pcap.h>\nint main(void) { return pcap_lib_version() == 0; }\n' |
		cc -x c - -lpcap -o /dev/null 2>/dev/null
}

if has_libpcap; then
	exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
	echo "libpcap's headers are missing: install them (libpcap-dev, libpcap-devel), or build with --no-default-features" >&2
	exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "libpcap's headers are missing: as root, run apt-get install libpcap-dev" >&2
		exit 1
	fi
	as_root=sudo
	echo "libpcap's headers are missing: sudo apt-get install libpcap-dev"
fi

export DEBIAN_FRONTEND=noninteractive
$as_root apt-get install -y --no-install-recommends libpcap-dev ||
	{ $as_root apt-get update && $as_root apt-get install -y --no-install-recommends libpcap-dev; }
has_libpcap || { echo "libpcap-dev is installed, but linking with libpcap still fails" >&2; exit 1; }
