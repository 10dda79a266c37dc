# Streamstyle in a container. For the CPU:
#     docker build -t streamstyle .
#     docker run --rm --user "$(id -u)" -v "$PWD:/work" streamstyle stylize holiday.mp4 painted.mp4
# For NVIDIA cards, with the driver and NVIDIA's container toolkit on the host:
#     docker build -t streamstyle:cuda --build-arg TORCH=cu130 .
#     docker run --rm --gpus all --user "$(id -u)" -v "$PWD:/work" streamstyle:cuda stylize holiday.mp4 painted.mp4
# The page, with the camera of a browser on this machine:
#     docker run --rm -p 127.0.0.1:8787:8787 streamstyle studio --host 0.0.0.0

FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build==1.6.1 && python -m build --wheel --outdir /wheels

FROM python:3.13-slim
# A build of torch, as uv names it: cpu, cu130, …
ARG TORCH=cpu
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir uv==0.13.9 \
    && uv pip install --system --no-cache --torch-backend="$TORCH" "$(echo /wheels/*.whl)[web,export]" \
    # A container has no windows, and the usual OpenCV needs their libraries.
    && uv pip install --system --no-cache --no-deps --reinstall "opencv-python-headless==$(python -c \
      'from importlib.metadata import version; print(version("opencv-python"))')"
# Any user can be chosen; a home that all can write keeps downloads.
ENV HOME=/tmp
USER 1000
WORKDIR /work
EXPOSE 8787
ENTRYPOINT ["streamstyle"]
CMD ["--help"]
