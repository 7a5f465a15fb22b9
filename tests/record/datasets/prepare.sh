#!/usr/bin/env bash
# Makes the Python environment that datasets_test.ts needs, once: Hugging Face's `datasets`, no torch.
# Prints the folder. DATASETS_VERSION chooses another version, in a folder of its own.
set -eu
version=${DATASETS_VERSION:-3.6.0}
folder=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ai-gateway-tests/datasets-$version
if [ ! -e "$folder/ready" ]; then
  rm -rf "$folder"
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check "datasets==$version" >&2
  touch "$folder/ready"
fi
echo "$folder"
