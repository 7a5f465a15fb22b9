#!/usr/bin/env bash
# Makes the Python environment that python_test.ts and policies_python_test.ts need, once: the clients of
# docs/guides/clients.md and the README, and Anthropic's, from PyPI. Prints the folder.
set -eu
folder=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ai-gateway-tests/python-clients-2
if [ ! -e "$folder/ready" ]; then
  rm -rf "$folder"
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check \
    anthropic==2.14.0 openai==2.54.0 langchain-openai==1.7.4 llama-index-llms-openai-like==0.8.1 >&2
  touch "$folder/ready"
fi
echo "$folder"
