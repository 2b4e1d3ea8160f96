"""The process in which a policy is tried out: ``python -I trial_process.py MEMORY CPU``.

It imports nothing of this package, so that it starts fast and has nothing to lose. Standard input
holds graph and inputs, standard output what the graph answers (both as ``npz``).
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, cast

import numpy as np


def limit(memory: int, seconds: int) -> None:
    """Take the right to more memory, time and files from this process, where the system can."""
    try:
        import resource
    except ImportError:  # not on Windows: there the time on the clock is the only limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read, limit, run, answer."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        graph, inputs = given["graph"].tobytes(), {n: given[n] for n in ("observations", "masks")}
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    limit(int(sys.argv[1]), int(sys.argv[2]))
    runtime = cast(Any, onnxruntime)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, inputs), strict=True))
    out = io.BytesIO()
    np.savez(out, **answers)
    sys.stdout.buffer.write(out.getvalue())
    sys.stdout.flush()
    os._exit(0)  # without the runtime's goodbye, which may fail where memory is short


if __name__ == "__main__":
    main()
