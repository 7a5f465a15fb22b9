"""Loads files as a trainer would, and prints of each its rows, its types and its first and last row.

Arguments: a folder for the cache, then NAME=KIND:PATH for each file; KIND is json or parquet.
"""

import json
import sys

from datasets import load_dataset

cache, *files = sys.argv[1:]
found = {}
for argument in files:
    name, _, rest = argument.partition("=")
    kind, _, path = rest.partition(":")
    loaded = load_dataset(kind, data_files=path, split="train", cache_dir=cache)
    found[name] = {
        "rows": len(loaded),
        "features": {column: str(kind) for column, kind in loaded.features.items()},
        "first": loaded[0],
        "last": loaded[len(loaded) - 1],
        "ids": len(set(loaded["id"])) if "id" in loaded.features else None,
    }
json.dump(found, sys.stdout)
