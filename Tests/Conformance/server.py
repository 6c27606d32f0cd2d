"""A server of its own for a conformance run."""

import contextlib
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 15


class NotReady(Exception):
    """Something that a run needs is missing or does not start."""


class Wrong(Exception):
    """What a client or a peer saw that it should not have."""


def expect(is_so, what):
    if not is_so:
        raise Wrong(what)


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def call(command, limit=60, **options):
    """Runs a program to its end; gives what it did."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotReady(f"{command[0]}: {error}") from error


@contextlib.contextmanager
def serving(program, *arguments):
    """Gives the port of a server with development rooms, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="stonepot-conformance-") as folder:
        port = free_port()
        with running(program, port, pathlib.Path(folder, "server.log"), "serve", "--dev-rooms", "--store",
                     f"sqlite:{folder}/rooms.sqlite", *arguments):
            yield port


@contextlib.contextmanager
def running(program, port, log_path, *arguments):
    """Runs a server until the block ends, which begins when it listens on the port."""
    command = [program, *arguments, "--listen", f"{HOST}:{port}", "--log-level", "warning"]
    with open(log_path, "w") as log:
        try:
            server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise NotReady(f"{program}: {error}; `make build` makes it") from error
    try:
        wait_until_listening(server, port, log_path)
        yield
        if server.poll() is not None:
            raise NotReady(f"the server ended with code {server.returncode}\n{log_path.read_text(errors='replace')}")
    finally:
        stop(server)


def wait_until_listening(server, port, log_path):
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            log = log_path.read_text(errors="replace")
            raise NotReady(f"the server ended with code {server.returncode}\n{log}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise NotReady(f"the server did not listen within {START_TIMEOUT_SECONDS} s")


def stop(server):
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
