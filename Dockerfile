# The coordinator and semperctl on a slim Debian. Build from the root of the repository: docker build -t semper .
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends bash git ca-certificates
WORKDIR /src
COPY . .
RUN ./dev setup --for build && ./dev build semper-sidecar semperctl

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgrpc++1.51 libprotobuf32 libabsl20220623 libyaml-cpp0.7 libspdlog1.10 \
        libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 libcivetweb1 libssl3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 65532 --no-create-home semper
COPY --from=build /src/build/release/bin/semper-sidecar /src/build/release/bin/semperctl /usr/local/bin/
COPY LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/semper/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/semper-sidecar"]
