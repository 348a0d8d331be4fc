#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.
# setup.sh [FOLDER [--no-install]]    FOLDER: holds source/; default: /autograder
set -euo pipefail
root=${1:-/autograder}
source=$root/source

# The system's Python is Gradescope's own: everything goes into an environment beside it.
if [ "${2:-}" != --no-install ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv libseccomp2
    python3 -m venv "$root/venv"
    "$root/venv/bin/pip" install --quiet --no-cache-dir "uv>=0.9,<1"  # knows where PyTorch for the CPU alone lies
    "$root/venv/bin/uv" pip install --quiet --no-cache --python "$root/venv" --torch-backend cpu -r "$source/requirements.txt"
    "$root/venv/bin/pip" uninstall --quiet --yes uv
fi

# A submission runs as another user, who passes through to Python and images, and to nothing else.
chmod a+x "$root" "$source"
chmod -R a+rX "$source/cifar10_batches"
chmod -R go-rwx "$source/tests" "$source/mp09"
if [ -d "$source/cifar10_batches_holdout" ]; then chmod -R go-rwx "$source/cifar10_batches_holdout"; fi

cd "$source"
"$root/venv/bin/python" -m compileall -q mp09 tests
"$root/venv/bin/python" -c "from pathlib import Path; from mp09.data.provenance import checked_provenance; checked_provenance(Path('cifar10_batches'))"
