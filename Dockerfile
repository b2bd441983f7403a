# Two images: docker build --target data-plane, docker build --target control-plane.
FROM rust:1.95-bookworm AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates tzdata
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --locked --profile dist -p data-plane -p control-plane \
    && k8s/image/assemble target/dist/data-plane /image/data-plane \
    && k8s/image/assemble target/dist/control-plane /image/control-plane \
    && mkdir /image/state

# Nothing but what `assemble` lists: no shell, no package manager.
FROM scratch AS data-plane
COPY --from=build /image/data-plane /
COPY --from=build --chown=65532:65532 /image/state /var/lib/bulkhead
USER 65532:65532
ENV BULKHEAD_STATE_DIR=/var/lib/bulkhead
EXPOSE 4000 4010
ENTRYPOINT ["/usr/local/bin/data-plane"]

FROM scratch AS control-plane
COPY --from=build /image/control-plane /
USER 65532:65532
EXPOSE 4001 4002 4011
ENTRYPOINT ["/usr/local/bin/control-plane"]
CMD ["serve"]
