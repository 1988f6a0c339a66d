# The image holds the static server, the four tools, the filters and their licences: no shell, no package manager,
# no loader. It runs as uid 65532 with a read-only root; deploy/kubernetes.yaml does that.
#
# The steps are the scripts that contributors use. To refresh a digest, ask your engine for the tag's:
#   docker buildx imagetools inspect rust:1.95.0-slim-bookworm
# and keep Rust in step with rust-toolchain.toml.

FROM golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d AS go

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH AIRLOCK_CACHE=/cache
# The image has the toolchain that rust-toolchain.toml names, but not its lints and formatter.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
# The tools first: they change seldom and take longest.
COPY rust-toolchain.toml .
COPY tools tools
# One filter is Debian's busybox-static.
RUN apt-get -q update && tools/build tools
COPY . .
RUN tools/rootfs /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
# Nothing is written but in /dev/shm, where kubeconfigs lie while a call runs.
ENV AIRLOCK_CONFIG=/etc/kube-airlock/airlock.toml AIRLOCK_LOG_FORMAT=json
ENTRYPOINT ["/usr/bin/kube-airlock"]
# Loopback: a public address needs tokens of callers ([[caller]] in the settings), or the operator's word
# (--listen 0.0.0.0:9096 --insecure-no-auth, behind a proxy that authenticates).
CMD ["serve"]
