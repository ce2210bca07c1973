#!/usr/bin/env bash
# threadpoolctl 3.8.0, numpy 2.4.6 (its OpenBLAS): a limit set in one thread makes that thread the
# only one whose limits count, for as long as it lives. `with threadpool_limits(1)` in any other
# thread then changes nothing, and neither warns nor raises; with 3.6.0 it sets the limit.
#
# Whoever sets a limit once at the start of a program (a plain call, as many do) and later limits
# BLAS to one thread inside the workers of a pool, so that sums come out in the same order, gets
# products on several threads in them. `with threadpool_limits(...)` in the first thread gives the
# control up when it ends; the plain call does not.
#
# Fails if either version does something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"

cat > "$folder/limits.py" <<'PY'
import threading

import numpy  # loads OpenBLAS
import threadpoolctl


def blas():
    return [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]


def worker():
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        seen.extend(blas())


seen = []
threadpoolctl.threadpool_limits(limits=2, user_api="blas")
thread = threading.Thread(target=worker)
thread.start()
thread.join()
print(f"threadpoolctl {threadpoolctl.__version__}, numpy {numpy.__version__}: "
      f"BLAS threads inside a worker's limit of 1: {seen}")
PY

check() {
  "$folder/v/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "threadpoolctl==$1"
  found=$("$folder/v/bin/python" "$folder/limits.py")
  echo "$found"
  [[ "$found" == *": [$2]" ]] || { echo "this has changed: [$2] was seen"; exit 1; }
}
check 3.6.0 1
check 3.8.0 2
