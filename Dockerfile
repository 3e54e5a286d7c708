# vldm in a container. On the CPU:
#   docker build -t vldm .
#   docker run --rm -v "$PWD:/videos" vldm generate "a red ball bounces" -o ball.mp4
# On NVIDIA GPUs (the host needs their driver and container toolkit; torch brings CUDA itself):
#   docker build -t vldm:cuda --build-arg TORCH=cu130 .
#   docker run --rm --gpus all -v "$PWD:/videos" vldm:cuda doctor
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# Which build of torch: cpu, or a CUDA version such as cu130 or cu128 (uv knows where each is to be had).
ARG TORCH=cpu

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY vldm_cli vldm_cli
COPY weights weights
RUN pip install --no-cache-dir "uv>=0.9" \
    && uv pip install --system --no-cache --torch-backend "$TORCH" . \
    && useradd --uid 1000 --create-home vldm \
    && mkdir /videos \
    && chown vldm /videos

USER 1000
WORKDIR /videos
ENTRYPOINT ["vldm"]
CMD ["--help"]
