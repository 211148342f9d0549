#!/usr/bin/env python3
"""Reads the weights of a run or of a trainer's snapshot, and prints an item's nearest neighbours.

    scripts/read_weights.py RUN                     the tensors with their shapes
    scripts/read_weights.py RUN --item 260 --top 5  the items whose embeddings have the greatest cosine

RUN is the folder of `hmisr fit` (best.safetensors, items.json) or one version of the trainer's
snapshots (model.safetensors, catalogue.json). Nothing but Python is needed. With the package
safetensors, `safetensors.numpy.load_file(path)` gives the same tensors as NumPy arrays.
docs/weights.md says what each tensor is.
"""

import argparse
import array
import json
import math
import pathlib
import struct
import sys

TYPES = {"F32": "f", "U32": "I"}


def read_safetensors(path):
    """The tensors of a file by name: (shape, flat values, row by row)."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = array.array(TYPES[entry["dtype"]])
        values.frombytes(data[8 + length + begin : 8 + length + end])
        if sys.byteorder == "big":
            values.byteswap()
        tensors[name] = (entry["shape"], values)
    return tensors


def read(folder):
    """The tensors, and the items' ids in row order."""
    if (folder / "best.safetensors").exists():
        ids = json.loads((folder / "items.json").read_text())
        return read_safetensors(folder / "best.safetensors"), ids
    if (folder / "model.safetensors").exists():
        ids = [item["id"] for item in json.loads((folder / "catalogue.json").read_text())]
        return read_safetensors(folder / "model.safetensors"), ids
    sys.exit(f"{folder}: neither best.safetensors nor model.safetensors in it; name a run of hmisr fit or a snapshot")


def neighbours(shape, values, row):
    """All other rows with their cosines, greatest first."""
    rows, width = shape
    vectors = [values[at * width : (at + 1) * width] for at in range(rows)]
    norms = [math.sqrt(sum(value * value for value in vector)) or 1.0 for vector in vectors]

    def cosine(other):
        return sum(a * b for a, b in zip(vectors[row], vectors[other])) / (norms[row] * norms[other])

    return sorted(((cosine(other), other) for other in range(rows) if other != row), key=lambda one: (-one[0], one[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="RUN")
    parser.add_argument("--item", help="an item's id")
    parser.add_argument("--top", type=int, default=10, help="neighbours to print")
    options = parser.parse_args()
    tensors, ids = read(options.folder)
    if options.item is None:
        for tensor, (shape, _) in tensors.items():
            print(tensor, shape)
        return
    shape, values = tensors["items.weights"]
    rows = [row for row, known in enumerate(ids) if str(known) == options.item]
    if not rows:
        sys.exit(f"--item {options.item}: not among the {len(ids)} items, such as {', '.join(map(str, ids[:3]))}")
    for cosine, row in neighbours(shape, values, rows[0])[: options.top]:
        print(f"{ids[row]} {cosine:.4f}")


if __name__ == "__main__":
    main()
