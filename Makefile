# The commands of this repository; `make` alone lists them.

# Outside of the checkout, so that several checkouts, and clean ones, share one build: RocksDB and
# burn take most of an hour of one core the first time.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hmisr/target

# One profile and one selection of packages in every command: cargo then builds the dependencies
# once for running, testing and linting.
CARGO_BUILD := cargo build --release --workspace $(if $(FEATURES),--features $(FEATURES))

# Such as hmisr/s3 or hmisr/cuda; other features than before build more than this program anew.
FEATURES ?=
IMAGE ?= hmisr:0.1.0
KAFKA_PORT ?= 9092
SEEDS ?= 1000
NODES ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up build image test chaos simulate proofs lint setup udfs kafka kafka-stop

help: ## this list
	@echo "HMISR: user features, a recommendation model that learns from them as they flow, and its server."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22
	@echo
	@echo "First: 'make up' installs what is missing (apt), builds, and runs the whole loop on generated users."
	@echo "The first build takes a while (about 20 minutes on two cores); later ones take seconds."
	@echo
	@echo "  make up ARGS='--data ml --events DIR --until-drained'   real data instead"
	@echo "  make kafka && make up ARGS='--data k --brokers 127.0.0.1:$(KAFKA_PORT)'    over a real Apache Kafka"
	@echo
	@echo "Built into CARGO_TARGET_DIR = $(CARGO_TARGET_DIR)"

up: build ## set up, build and run everything here; ARGS= goes to 'hmisr up'
	@echo
	@echo "Starting 'hmisr up $(ARGS)': it prints the addresses to open. Ctrl-C ends it cleanly."
	@"$(CARGO_TARGET_DIR)/release/hmisr" up $(ARGS)

build: setup ## the hmisr program, optimised
	@$(CARGO_BUILD)
	@echo "Built: $(CARGO_TARGET_DIR)/release/hmisr"

image: ## the container image IMAGE (default hmisr:0.1.0), with Docker's BuildKit
	@DOCKER_BUILDKIT=1 docker build --file deploy/image/Dockerfile --tag $(IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) .

test: ## every test; those against Apache Kafka where Java and Maven can be had
	@scripts/test

chaos: build ## kill -9 the job 1,000 times on the embedded log and 200 on Kafka, compare everything
	@scripts/chaos $(ARGS)

simulate: setup ## the engine under SEEDS seeds of everything that can go wrong (default 1000)
	@HMISR_SIM_SEEDS=$(SEEDS) cargo test --release --workspace --test pipeline any_seed -- --nocapture

proofs: setup ## the model check of the commit under more faults than 'make test' has: minutes, gigabytes
	@cd proofs && cargo test --release -- --include-ignored --nocapture --test-threads=1

lint: setup ## formatting and clippy; warnings are errors
	@cargo fmt --all --check
	@cargo clippy --release --workspace --all-targets -- -D warnings
	@cd proofs && cargo fmt --check && cargo clippy --release --all-targets -- -D warnings
	@cd udfs && cargo fmt --check && cargo clippy --release --all-targets -- -D warnings
	@rustfmt --check --edition 2021 udfs/sources/*.rs

udfs: setup ## write the UDF texts for Arroyo anew, after a change of the maths
	@HMISR_REGENERATE=1 cargo test --release --workspace --test features arroyo_texts

setup: ## install what the build needs (apt)
	@scripts/setup

kafka: ## an Apache Kafka on 127.0.0.1:KAFKA_PORT (default 9092), of NODES brokers (default 1)
	@scripts/kafka start --port $(KAFKA_PORT) $(if $(NODES),--nodes $(NODES))

kafka-stop: ## stop that Kafka; its data stay
	@scripts/kafka stop --port $(KAFKA_PORT)
