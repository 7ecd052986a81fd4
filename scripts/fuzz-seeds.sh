#!/bin/sh
# Lays our captures, whole and in the forms that the reader knows, into fuzz/corpus/, once for each target.
set -eu
cd "$(dirname "$0")/.."

for target in fuzz/fuzz_targets/*.rs; do
	[ -e "$target" ] || { echo "no fuzz targets" >&2; exit 1; }
	corpus="fuzz/corpus/$(basename "$target" .rs)"
	mkdir -p "$corpus"
	for capture in captures/*.pcap captures/*.pcap.gz tests/data/*.pcap tests/data/*.pcapng; do
		[ -e "$capture" ] || continue
		name=$(basename "$capture")
		case $name in
			*.gz) gzip -dc "$capture" | head -c 60000 > "$corpus/${name%.gz}"; head -c 60000 "$capture" > "$corpus/$name" ;;
			*) head -c 60000 "$capture" > "$corpus/$name" ;;
		esac
	done
done
