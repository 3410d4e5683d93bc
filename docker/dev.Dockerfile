# For `tilt up` only. Node runs the sources, and starts again when a file changes. The arguments choose
# the service or command, as in docker/Dockerfile.
ARG BASE=docker.io/library/node:24-slim
FROM ${BASE}
ARG PNPM=12.21.0
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY mesh mesh/
COPY packages packages/
COPY services services/
RUN CI=true npx --yes pnpm@${PNPM} install --prod --frozen-lockfile --ignore-scripts && chown -R 10001:10001 mesh packages services && install -d -o 10001 -g 10001 /data
ENV MALLOC_ARENA_MAX=1 BLOCKHUB_DATA=/data BLOCKHUB_HOST=0.0.0.0 BLOCKHUB_PROBE_HOST=0.0.0.0
USER 10001:10001
ENTRYPOINT ["node", "--watch", "--max-semi-space-size=2", "--initial-old-space-size=16", "--heap-growing-percent=50", "/app/packages/cli/src/main.ts"]
