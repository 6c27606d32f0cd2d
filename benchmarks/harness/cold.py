"""A data file with very many rooms that nobody is in, and what a server does with it."""

import os
import pathlib
import shlex
import subprocess
import time

from . import servers

PREFIX = "cold"
TEMPLATE = ["rooms=1", "participantsPerRoom=5", "itemsPerRoom=5", "warmupSeconds=0", "measuredSeconds=0.1",
            "roomPrefix=template"]
SETTLE_SECONDS = 3
IDLE_SECONDS = 5


def make_file(scratch, rooms, load, command):
    """Makes one room with five people and five items by driving a server, and copies it under other names.

    Gives the seconds that the import took."""
    stonepot = shlex.split(load)[0]
    with servers.running("stonepot", command, scratch) as (server, port, _):
        servers.drive(server, port, scratch, load, [
            "idle", *(text for change in TEMPLATE for text in ("--set", change))], 1)
    source, target = pathlib.Path(scratch, "rooms.sqlite"), pathlib.Path(scratch, "cold.sqlite")
    exported = subprocess.run([stonepot, "rooms", "export", "template-0", "--store", f"sqlite:{source}"],
                              cwd=servers.ROOT, capture_output=True, text=True, check=True).stdout.strip()
    lines = pathlib.Path(scratch, "rooms.jsonl")
    with open(lines, "w") as file:
        for number in range(rooms):
            file.write(exported.replace("template-0", f"{PREFIX}-{number}") + "\n")
    start = time.monotonic()
    subprocess.run([stonepot, "rooms", "import", str(lines), "--store", f"sqlite:{target}"],
                   cwd=servers.ROOT, capture_output=True, text=True, check=True)
    lines.unlink()
    return time.monotonic() - start


def measure(name, command, scratch, load, seconds, arguments):
    """Starts a server on the file, looks at it while nobody comes, and then visits rooms."""
    command = command.replace("{tmp}/rooms.sqlite", "{tmp}/cold.sqlite")
    with servers.running(name, command, scratch, path="/readyz", interval=0.005) as (server, port, ready_seconds):
        time.sleep(SETTLE_SECONDS)
        resident = servers.resident_kb(server.pid)
        before = servers.cpu_seconds(server.pid)
        time.sleep(IDLE_SECONDS)
        idle_cpu = (servers.cpu_seconds(server.pid) - before) / IDLE_SECONDS
        report = servers.drive(server, port, scratch, load, arguments, seconds)
    report["cold"] = {
        "readySeconds": ready_seconds,
        "residentKB": resident,
        "idleCPUFraction": idle_cpu,
        "fileMB": os.path.getsize(pathlib.Path(scratch, "cold.sqlite")) / 2**20,
    }
    return report
