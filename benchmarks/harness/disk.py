"""What the disk does by itself: what no durable server can be faster than."""

import os
import time

WRITES = 400
BYTES = 4096


def measure_sync(directory):
    """Appends 4 KiB and waits for the disk, again and again; gives microseconds."""
    path = os.path.join(directory, "disk")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    micros = []
    try:
        for _ in range(WRITES):
            start = time.perf_counter_ns()
            os.write(file, b"\0" * BYTES)
            os.fdatasync(file)
            micros.append((time.perf_counter_ns() - start) / 1000)
    finally:
        os.close(file)
        os.unlink(path)
    micros.sort()
    return {"p50Micros": micros[WRITES // 2], "p99Micros": micros[WRITES * 99 // 100], "maxMicros": micros[-1]}
