# A thin front: the work is done by Meson and by the scripts in tools/.
BUILD  ?= build
PREFIX ?= /usr/local

.PHONY: help build demo test vm-test load crash soak bench lint format fuzz docs clean install

help:
	@echo 'make build    compile into $(BUILD)/'
	@echo 'make demo     install what is needed, build, make the base template, run the examples (root)'
	@echo 'make test     all builds and all tests; the last line counts them (root)'
	@echo 'make vm-test  the stock kernels of Debian 12 and 13 in virtual machines (root; 40 minutes)'
	@echo 'make load     1000 streams into 200 sandboxes for a minute: no error, no growth (root)'
	@echo 'make crash    kill -9 of server, engine and nests at 500 random moments: nothing lost, nothing left (root)'
	@echo 'make soak     200 sandboxes pause and resume at random for ten minutes (root)'
	@echo 'make bench    measure create, exec, transfer and the ingress (root)'
	@echo 'make lint     layers, sizes, formatting'
	@echo 'make format   format all C sources'
	@echo 'make docs     reference of the C library as HTML, in build/docs'
	@echo 'make fuzz     fuzz each parser for FUZZ_SECONDS (default 60)'
	@echo 'make install  install into PREFIX (default /usr/local)'
	@echo 'make clean    remove all build directories'

build:
	@tools/build '$(BUILD)'

demo:
	@tools/demo

test:
	@tools/test

vm-test:
	@tools/vm-test

load: build
	@tools/load '$(BUILD)'

crash: build
	@WARREN="$$(tools/warren-path '$(BUILD)')" /usr/bin/python3 -B tests/crash/harness.py

soak: build
	@WARREN="$$(tools/warren-path '$(BUILD)')" /usr/bin/python3 -B tests/load/soak.py

bench:
	@tools/bench

lint:
	@tools/lint

format:
	@find include src tests -name '*.[ch]' -exec clang-format-14 -i {} +

fuzz:
	@tools/fuzz

docs:
	@tools/docs

install: build
	@meson configure '$(BUILD)' --prefix='$(PREFIX)' >/dev/null
	meson install -C '$(BUILD)'
	@[ -e '$(DESTDIR)/etc/warren/warren.conf' ] || \
	  install -D -m 644 deploy/warren.conf '$(DESTDIR)/etc/warren/warren.conf'

clean:
	rm -rf build build-test build-asan build-tsan build-fuzz dist
