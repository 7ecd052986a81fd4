# Every target works on a fresh Debian with Rust (cargo) and a C linker (cc). `make help` lists them.

CARGO ?= cargo
CAPTURE ?= captures/keepalive-race.pcap
PREFIX ?= $(HOME)/.local
FUZZ_SECONDS ?= 600
MINUTES ?= 2
FUZZ_TARGETS ?= $(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs))

.DEFAULT_GOAL := help
.PHONY: help libpcap demo test test-offline lint readme bench soak live-rate fuzz fuzz-seeds install

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

libpcap: ## install libpcap's headers, only if they are missing
	@sh scripts/libpcap-headers.sh

demo: libpcap ## build, and tell why connections were reset in one of the captures (CAPTURE=…)
	$(CARGO) build --release --locked
	./target/release/whyrst $(CAPTURE)

test: libpcap ## all tests, those in the documentation included
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --locked --no-fail-fast && $(CARGO) test --locked --doc; \
	else \
		set -x; $(CARGO) test --locked --no-fail-fast; \
	fi

test-offline: ## the tests of a build without libpcap (files only)
	$(CARGO) test --locked --no-default-features --no-fail-fast

lint: libpcap ## formatting, clippy in both builds, documentation, the stated Rust version, licences
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	python3 scripts/check-dependencies.py

readme: ## show in the README what its commands print now
	$(CARGO) build --locked
	PATH="$(CURDIR)/target/debug:$$PATH" python3 scripts/readme-commands.py --update

bench: libpcap ## time and memory beside tcpdump, tcptrace and tshark (needs root or a capturing tcpdump)
	$(CARGO) build --release --locked
	python3 benches/compare.py

soak: libpcap ## resident memory of `whyrst live` under churning connections, for MINUTES (2); needs root or user namespaces
	$(CARGO) build --release --locked
	python3 benches/soak.py --minutes $(MINUTES)

live-rate: libpcap ## packets lost by `whyrst live` at half of what tcpdump sustains, over a veth pair (needs root and tcpreplay)
	$(CARGO) build --release --locked
	python3 benches/live_rate.py

fuzz-seeds: ## the fuzzers' first inputs, from captures/
	sh scripts/fuzz-seeds.sh

fuzz: fuzz-seeds ## run each fuzz target for FUZZ_SECONDS (600); needs cargo-fuzz
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo 'cargo-fuzz is missing: cargo install cargo-fuzz'; exit 1; }
	@set -e; for target in $(FUZZ_TARGETS); do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1; \
	done

install: libpcap ## install whyrst, its man page and completions under PREFIX (~/.local)
	$(CARGO) build --release --locked
	install -D -m 755 target/release/whyrst $(DESTDIR)$(PREFIX)/bin/whyrst
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	./target/release/whyrst man > $(DESTDIR)$(PREFIX)/share/man/man1/whyrst.1
	./target/release/whyrst completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/whyrst
	./target/release/whyrst completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_whyrst
	./target/release/whyrst completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/whyrst.fish
