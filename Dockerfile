# An image that plans, works and shows runs: docs/containers.md. Built in a checkout:
#
#     docker build --tag haulier .
#
# Packages come from Python's own index, or from another: --build-arg INDEX=URL. Which one serves them does not matter:
# requirements.lock has the hash of each. Nothing here needs BuildKit, which not every builder of a cloud has.

# That on which all tests were run.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS builder
# Those of pyproject.toml: azure (queue and lake), otel (traces and metrics), fast (uvloop); dashboard, if it is to serve one.
ARG EXTRAS="azure otel fast"
ARG INDEX=""
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# What changes seldom first: a new version of the sources leaves these layers as they are.
COPY requirements.lock pyproject.toml ./
RUN python -m venv /build/tools \
    && awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock > /build/uv.txt \
    && /build/tools/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes --no-deps \
        ${INDEX:+--index-url "$INDEX"} --requirement /build/uv.txt
RUN python -m venv --without-pip /opt/haulier \
    && /build/tools/bin/uv pip install --quiet --python /opt/haulier/bin/python --require-hashes --only-binary :all: \
        ${INDEX:+--default-index "$INDEX"} --requirement pyproject.toml \
        $(printf -- '--extra %s ' $EXTRAS) --constraint requirements.lock
COPY LICENSE ./
COPY src ./src
# uv is the build backend too: nothing is fetched for it.
RUN /build/tools/bin/uv build --quiet --offline --wheel --out-dir /build/dist \
    && /build/tools/bin/uv pip install --quiet --offline --no-deps --python /opt/haulier/bin/python /build/dist/*.whl \
    && mkdir /sources /data

FROM python:${PYTHON_VERSION}-slim
COPY --from=builder /opt/haulier /opt/haulier
# Sources are copied or mounted here, and a volume for a queue and a lake on one machine: it begins with this owner.
COPY --from=builder --chown=65532:65532 /sources /sources
COPY --from=builder --chown=65532:65532 /data /data
ENV PATH=/opt/haulier/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HAULIER_LOG=json
WORKDIR /sources
# A number, so that Kubernetes can see that it is not root. It needs neither a name nor a home.
USER 65532:65532
# No shell in between: SIGTERM reaches the program. No HEALTHCHECK: a worker serves nothing that could be asked, and one
# that hangs for a lease ends by itself.
ENTRYPOINT ["haulier"]
CMD ["work"]
