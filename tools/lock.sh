#!/bin/sh
# Write the locks anew from the few direct pins: one universal resolution for Python 3.11 and newer, with hashes.
set -eu
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links "$@"; }
compile requirements.txt -o requirements.lock
compile requirements-dev.txt -c requirements.lock -o requirements-dev.lock
compile tools/uv.txt -o tools/uv.lock
[ ! -f docker/requirements.txt ] || compile docker/requirements.txt -c requirements.lock -o docker/requirements.lock
