"""Starts a server, waits for it, measures it from outside, drives it, and ends it."""

import contextlib
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import ssl
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 15
REFERENCE = "node"

# The limits that protect a server from its clients are off: all clients here have one address, and are as fast as can be.
LIMITS = " --address-limits off --address-rooms off --message-rate off"
# HTTP/2 is spoken over TLS alone.
RECORDS = LIMITS + " --key-rate off --tls-certificate {tmp}/server.pem --tls-key {tmp}/server.key"
SERVERS = {
    "stonepot": "bin/stonepot serve --listen 127.0.0.1:{port} --store sqlite:{tmp}/rooms.sqlite" + LIMITS,
    "stonepot-sqlite": "bin/stonepot serve --listen 127.0.0.1:{port} --store sqlite:{tmp}/rooms.sqlite" + RECORDS,
    "stonepot-postgres": "bin/stonepot serve --listen 127.0.0.1:{port} --store {postgres}" + RECORDS,
    "node": "node benchmarks/peers/node-ws/server.js --port {port}",
    "node-sqlite": "node benchmarks/peers/node-sqlite/server.js --port {port} --file {tmp}/rooms.sqlite --commit message",
    "node-sqlite-group":
        "node benchmarks/peers/node-sqlite/server.js --port {port} --file {tmp}/rooms.sqlite --commit group",
}
# What others would write. No targets are theirs.
PEERS = ("node", "node-sqlite", "node-sqlite-group")


class NotStarted(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def answers(port, path, authority=None):
    """Whether the server answers with 200; over TLS if there is a file with whom to trust."""
    if authority:
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(HOST, port, timeout=1, context=context)
    else:
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(server, port, path, interval, authority=None):
    """Asks again and again; gives the time of the answer."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise NotStarted(f"it ended with code {server.returncode}")
        if answers(port, path, authority):
            return time.monotonic()
        time.sleep(interval)
    raise NotStarted(f"{path} gave no 200 within {START_TIMEOUT_SECONDS} s")


@contextlib.contextmanager
def running(name, command, scratch, path="/healthz", interval=0.1, authority=None, **words):
    """A fresh server on a port of its own; gives process, port, and the seconds until `path` answered."""
    port = free_port()
    log_path = pathlib.Path(scratch, "server.log")
    arguments = [part.format(port=port, tmp=scratch, **words) for part in shlex.split(command)]
    with open(log_path, "w") as log:
        start = time.monotonic()
        try:
            server = subprocess.Popen(arguments, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise NotStarted(f"{name}: {error}") from error
    try:
        yield server, port, wait_until(server, port, path, interval, authority) - start
    except NotStarted as error:
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-10:])
        raise NotStarted(f"{name}: {error}\n{tail}") from error
    finally:
        stop(server)


def stop(server):
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def drive(server, port, scratch, load, arguments, seconds, authority=None):
    """Runs the driver once; gives its report."""
    report = pathlib.Path(scratch, "report.json")
    report.unlink(missing_ok=True)
    way = ["--url", f"wss://{HOST}:{port}", "--authority", authority] if authority else ["--url", f"ws://{HOST}:{port}"]
    command = shlex.split(load) + arguments + way + [
        "--pid", str(server.pid), "--json", str(report), "--quiet"]
    try:
        driver = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotStarted(f"the driver: {error}") from error
    if not report.exists():
        raise NotStarted(f"the driver ended with code {driver.returncode}: {driver.stderr.strip()}")
    return json.loads(report.read_text())


def cpu_seconds(process_id):
    # The second field, the command's name, may hold blanks and brackets: proc_pid_stat(5).
    fields = pathlib.Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kb(process_id):
    for line in pathlib.Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def first_line(command):
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (answer.stdout or answer.stderr).strip().partition("\n")[0] or None


def describe_machine(report):
    return {
        **report["machine"],
        "swift": first_line(["swift", "--version"]),
        "node": first_line(["node", "--version"]),
        "commit": first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
    }
