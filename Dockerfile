# Builds the server into a small image without the sources; see server/README.md.
#
#   docker build -t propusk .
#   docker run -p 127.0.0.1:8000:8000 -v propusk-data:/data \
#     -e PROPUSK_PUBLIC_URL=http://localhost:8000 propusk

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Compiled dependencies stay in the cache. The sources are touched because cargo compares times, and
# the cache may be newer than this checkout.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --profile dist --locked -p propusk-server --bin propusk \
    && install -D target/dist/propusk /out/propusk

# The same Debian, and so the same glibc. The binary contains the certificates of public authorities.
FROM debian:bookworm-slim
# The number never changes: a directory of the host that is mounted at /data must belong to 10001.
RUN groupadd --gid 10001 propusk \
    && useradd --uid 10001 --gid propusk --home-dir /data --no-create-home --shell /usr/sbin/nologin propusk \
    && install --directory --owner=propusk --group=propusk --mode=0700 /data
COPY --from=build /out/propusk /usr/local/bin/propusk

ENV PROPUSK_LISTEN=0.0.0.0:8000 \
    PROPUSK_DATA_DIR=/data
# The server reads propusk.toml here.
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# bash only: an image without curl needs fewer updates.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/${PROPUSK_LISTEN##*:}\" && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 4 _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["propusk"]
CMD ["serve"]
