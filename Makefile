# The scripts do the work, so that CI and the Dockerfile can do it without make.
.DEFAULT_GOAL := help
.PHONY: help run test lint unit e2e clients rootfs bench soak fuzz tools outdated clean

help: ## list these targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

run: ## start a demo cluster and the server beside it (PORT=9096, WITH=argocd,istio, CLUSTER=none for your own cluster)
	@tools/run

test: ## everything that CI checks: lint, the real tools, unit and end-to-end tests, the image's file system
	@tools/test

lint: ## formatting, clippy, the scripts, the dependencies, the Go programs, the catalogues
	@tools/test lint

unit: ## tests that need no tool and no cluster
	@tools/test unit

e2e: ## tests with the real tools against the demo cluster
	@tools/test e2e

clients: ## real MCP clients against the server and the demo cluster
	@tools/test clients

rootfs: ## assemble the image's file system in target/rootfs and, as root, start the server from it
	@tools/test rootfs

bench: ## what the server adds to a call, beside bare kubectl in the same run
	@tools/build kubectl cluster
	@AIRLOCK_TEST_BIN=$$(tools/build --bin) AIRLOCK_TEST_DEMO=$$(tools/demo-cluster/build) cargo bench --locked --bench call --bench decide --bench kubeconfig --bench redact --bench refusals --bench spawn

CALLS ?= 20000
SIEGE ?= 75
soak: ## calls of every kind at once, and what they left; honest callers beside a hostile one (CALLS=20000, SIEGE=75 seconds)
	@tools/build all
	@cargo build --release --locked
	@AIRLOCK_TEST_SERVER=$$(tools/target-directory)/release/kube-airlock AIRLOCK_TEST_SOAK=$(CALLS) AIRLOCK_TEST_SIEGE=$(SIEGE) AIRLOCK_TEST_BIN=$$(tools/build --bin) AIRLOCK_TEST_DEMO=$$(tools/demo-cluster/build) \
	cargo test --locked --test service soak -- --nocapture --test-threads=1
	@AIRLOCK_TEST_JUDGING=off AIRLOCK_TEST_BIN=$$(tools/build --bin) AIRLOCK_TEST_DEMO=$$(tools/demo-cluster/build) \
	cargo test --locked --test verbs children -- --nocapture

T ?= 60
fuzz: ## hunt for inputs that break a property of src/fuzzing/, T seconds for each (T=60)
	@tools/fuzz $(T)

tools: ## build the pinned tools and the demo control plane into the cache
	@tools/build all

outdated: ## list the crates, tools and clients that have a newer version
	@tools/outdated

clean: ## remove what cargo built; the cache of tools stays
	@cargo clean
