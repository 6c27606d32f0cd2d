"""Starts nodes and a gateway on this machine, and says what PostgreSQL beside them has used."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import time

from . import servers

LIMITS = "--address-limits off --address-rooms off --message-rate off"
ALONE = f"bin/stonepot serve --listen 127.0.0.1:{{port}} --store {{store}} {LIMITS}"
NODE = (f"bin/stonepot serve --listen 127.0.0.1:{{port}} --store {{store}} {LIMITS}"
        " --peer-listen 127.0.0.1:{peer} --join 127.0.0.1:{join} --name {name}")
GATEWAY = (f"bin/stonepot gateway --listen 127.0.0.1:{{port}} {LIMITS}"
           " --peer-listen 127.0.0.1:{peer} --join 127.0.0.1:{join} --name {name}")
BALANCE_TIMEOUT_SECONDS = 60
# Of what is its part: a hand-off fewer or more changes little.
BALANCED_SHARE = 0.8


def filled(command, store=None, **words):
    """With the driver's port left open."""
    return command.format(port="{port}", store=store or "sqlite:{tmp}/rooms.sqlite", **words)


@contextlib.contextmanager
def alone(scratch, _, store=None):
    """A server that is nodes and gateway in one; gives it as the only process, and its port."""
    with servers.running("alone", filled(ALONE, store), scratch, "/readyz") as (server, port, _):
        yield [server], port


@contextlib.contextmanager
def behind_gateway(scratch, nodes=1, store=None):
    """That many nodes on one store, and a gateway before them; gives the processes, the gateway first, and its port.

    Without a store the nodes share a SQLite file."""
    store = store or f"sqlite:{scratch}/rooms.sqlite"
    peers = [servers.free_port() for _ in range(nodes + 1)]
    with contextlib.ExitStack() as stack:

        def start(name, command, peer):
            own = pathlib.Path(scratch, name)
            own.mkdir()
            command = filled(command, store, peer=peer, join=peers[0], name=name)
            return stack.enter_context(servers.running(name, command, own, "/readyz"))

        started = [start(f"node-{number}", NODE, peers[number - 1])[0] for number in range(1, nodes + 1)]
        gateway, port, _ = start("gateway", GATEWAY, peers[-1])
        wait_until_balanced(port, nodes)
        yield [gateway, *started], port


def wait_until_balanced(port, nodes):
    """Until the gateway knows an owner of each slot, and each node owns its share."""
    deadline = time.monotonic() + BALANCE_TIMEOUT_SECONDS
    slots = []
    while time.monotonic() < deadline:
        cluster = view(port)
        slots = [member["slots"] for member in cluster["members"] if member["kind"] == "node"]
        if cluster["unownedSlots"] == 0 and len(slots) == nodes and min(slots) >= sum(slots) / nodes * BALANCED_SHARE:
            return
        time.sleep(0.2)
    raise servers.NotStarted(f"after {BALANCE_TIMEOUT_SECONDS} s the nodes own {slots} slots")


def view(port):
    connection = http.client.HTTPConnection(servers.HOST, port, timeout=5)
    try:
        connection.request("GET", "/v1/cluster")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def postgres_seconds(data=None):
    """Processor time of the PostgreSQL server whose data is in that folder, or of all on this machine.

    That of their children that have ended counts as well."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if name == "postgres" and (data is None or os.readlink(stat.parent / "cwd") == str(data)):
                ticks += sum(int(field) for field in rest.split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def drive(processes, port, scratch, load, arguments, seconds, used=postgres_seconds, authority=None):
    """Runs the driver once against several processes, the first of which it talks to; gives its report.

    `used` gives the processor time of their database."""
    arguments = arguments + [word for other in processes[1:] for word in ("--pid", str(other.pid))]
    began, before = time.monotonic(), used()
    report = servers.drive(processes[0], port, scratch, load, arguments, seconds, authority)
    # From the beginning of the run to its end, connecting and filling included.
    busy = (used() - before) / (time.monotonic() - began)
    rate = report["operationsPerSecond"]
    report["postgresMicrosPerOperation"] = busy / rate * 1e6 if rate else 0
    return report


class Postgres:
    """A PostgreSQL server of one's own, in a folder."""

    def __init__(self, folder):
        self.data = pathlib.Path(folder, "postgres", "data")
        self.environment = {**os.environ, "CLUSTER_FOLDER": str(folder), "POSTGRES_PORT": str(servers.free_port())}
        self.databases = 0

    def say(self, word):
        done = subprocess.run([servers.ROOT / "cluster" / "postgres", word], cwd=servers.ROOT, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise servers.NotStarted(f"cluster/postgres {word}: {done.stderr.strip()}")
        return done.stdout.strip()

    def new_database(self):
        """An empty one; gives its address."""
        self.databases += 1
        url, name = self.say("url"), f"run_{self.databases}"
        subprocess.run(["psql", url, "--quiet", "--command", f"CREATE DATABASE {name} TEMPLATE template0"],
                       capture_output=True, check=True)
        return url.replace("/stonepot?", f"/{name}?")

    def seconds(self):
        return postgres_seconds(self.data)


@contextlib.contextmanager
def postgres(scratch):
    folder = pathlib.Path(scratch, "cluster")
    folder.mkdir()
    # The server does not run as root, and has to come to its folder.
    pathlib.Path(scratch).chmod(0o755)
    server = Postgres(folder)
    server.say("up")
    try:
        yield server
    finally:
        server.say("down")
