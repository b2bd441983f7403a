# Everything a newcomer needs:  make up  and  make test.

.PHONY: up down test chaos fuzz figures fmt

## Build, start and show a working request. Keys of providers in the environment are used; without any, a mock provider
## answers. CONFIG=path runs your own gateway.yaml instead.
up:
	@scripts/up

## Stop what `make up` started.
down:
	@scripts/down

## Install what the tests need and run everything that CI runs.
test:
	@scripts/test

## The long versions of what `make test` runs in short: failures and restarts while usage is counted. A quarter of an hour.
chaos:
	@scripts/chaos

## Feed the dialects what they do not expect, a minute for each target. TARGET=name SECONDS=number: one, or longer.
fuzz:
	@scripts/fuzz $(or $(TARGET),all) $(or $(SECONDS),60)

## Measure beside HAProxy and nginx, and write the table into README.md. Takes some minutes; do nothing else meanwhile.
figures:
	@scripts/figures

## Format.
fmt:
	cargo fmt --all
