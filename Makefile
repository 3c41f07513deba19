# The commands of the house. Each one installs the Debian packages that it needs (packaging/packages.txt).
# All of them work in a fresh clone; `make` alone builds the two programs to build/release/bin.
JOBS ?= $(shell nproc)
PRESET ?= release
BUILD := build/$(PRESET)
# A clone shares the user's compiler cache with every other checkout.
export CCACHE_MAXSIZE ?= 5G

.PHONY: build test fuzz demo demo-down bench bench-deploy package image reference site fmt tidy clean

build: packages-build
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) -j $(JOBS) --target fleet-agent fleetctl bundle

# Tests that own the machine (fleet, process) are RUN_SERIAL; the others run beside each other.
test: packages-build packages-test
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) -j $(JOBS)
	ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure --no-tests=error --output-junit junit.xml $(CTEST_ARGS)

# libFuzzer on every parser of both programs: a number of runs that is the same each time, or FUZZ_SECONDS each.
FUZZ_SECONDS ?= 0
fuzz: packages-build packages-test
	cmake --preset clang -DFLEET_FUZZ_SECONDS=$(FUZZ_SECONDS)
	cmake --build --preset clang -j $(JOBS) --target fuzzers
	ctest --test-dir build/clang -R '^search/' -j $(JOBS) --output-on-failure --no-tests=error --output-junit junit.xml

# The hosts' file system is made while the compiler runs.
demo: packages-build packages-demo
	packaging/demo.sh base & $(MAKE) --no-print-directory build && wait && packaging/demo.sh up $(BUILD)/bin

demo-down:
	packaging/demo.sh down

bench: packages-build
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) -j $(JOBS) --target benchmarks
	for program in $(BUILD)/bench/*; do "$$program" || exit 1; done
	$(BUILD)/pipelines/pipelines $(BUILD)/bin/fleet-agent
	tests/bench/memory.py $(BUILD)/bin/fleet-agent
	tests/bench/processes.py $(BUILD)/bin/fleet-agent
	tests/bench/unix.py $(BUILD)/bin/fleet-agent
	tests/bench/validate.py $(BUILD)/bin/fleet-agent
	tests/bench/start.py $(BUILD)/bin/fleet-agent

# fleetctl beside Ansible on HOSTS booted hosts: a quarter of an hour, and 100 MB for each host.
HOSTS ?= 1 10 50
bench-deploy: packages-test build
	tests/bench/deploy.py $(BUILD)/bin/fleetctl $(HOSTS)

# Debian packages (with VERSION, if it is given), and the agent's image, into build/release/packages; `image` gives it to the
# local Docker Engine as well.
package: packages-package build
	packaging/package.sh $(BUILD) $(BUILD)/packages $(VERSION)

image: packages-package build
	packaging/image.sh $(BUILD) $(BUILD)/packages
	version=$$($(BUILD)/bin/fleet-agent --version) && for tag in $$version latest; do \
	  packaging/image.sh import $(BUILD)/packages/fleet-agent-$$version-image.tar.gz fleet-agent:$$tag || exit 1; done

# The tables of docs/reference, from the components' schemas.
reference: build
	$(BUILD)/tests/reference update docs/reference

# The documentation as pages for a browser, in build/site.
site: packages-site
	mkdocs build --strict

fmt: packages-test
	git ls-files '*.cc' '*.h' | xargs clang-format -i

# clang-tidy on the sources that differ from SINCE.
SINCE ?= HEAD~1
tidy: packages-test build
	git diff --name-only --diff-filter=d $(SINCE) -- '*.cc' | xargs -r clang-tidy -p $(BUILD) --quiet

clean:
	rm -rf build

packages-%:
	@packaging/install-packages.sh $*
