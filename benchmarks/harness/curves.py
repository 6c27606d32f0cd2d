"""How cost grows: for each curve its points, what is measured at one, and what is to come out."""

import contextlib
import dataclasses
import pathlib
import resource
import shlex
import statistics
import tempfile
import typing

from . import clusters, cold, servers

STEADY_OPERATIONS = 2000
FEW_ROOMS = 200
PEOPLE = 5
# How much more an operation may cost with very many cold rooms beside.
MAX_GROWTH = 0.2
# Of the cluster beside a server that is alone, and of each further node.
LEAST_OF_ALONE = 0.6
MAX_PER_NODE = 0.15
# What a process opens beside its connections.
OTHER_FILES = 200
# An address has 28 000 ports to connect from, of which others may have some.
CONNECTIONS_OF_ADDRESS = 10_000
SETUP_SECONDS = 150


@dataclasses.dataclass(frozen=True)
class Column:
    key: str
    name: str
    form: str = "{:,.0f}"
    # Says what a point is, and is not measured.
    is_given: bool = False


@dataclasses.dataclass
class Bench:
    """What all measurements have in common."""

    load: str
    seconds: float
    warmup: float
    dialect: int
    scratch: str
    is_quick: bool = False
    # Of nodes; none where they share a SQLite file.
    postgres: typing.Optional[clusters.Postgres] = None
    files: dict = dataclasses.field(default_factory=dict)

    def settings(self, **changes):
        changes = {"dialect": self.dialect, "warmupSeconds": self.warmup, "measuredSeconds": self.seconds, **changes}
        return [text for name, value in changes.items() for text in ("--set", f"{name}={value}")]

    @contextlib.contextmanager
    def run_folder(self):
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.scratch) as folder:
            yield folder

    def cold_file(self, rooms):
        """A file with that many rooms, and its size. It is made once; the rooms of each run stay in it, as cold ones."""
        if rooms not in self.files:
            folder = pathlib.Path(self.scratch, f"cold-{rooms}")
            folder.mkdir()
            print(f"  a file with {rooms:,} rooms …", flush=True)
            cold.make_file(folder, rooms, self.load, servers.SERVERS["stonepot"])
            file = folder / "cold.sqlite"
            self.files[rooms] = file, file.stat().st_size
        return self.files[rooms]

    def drive_alone(self, arguments, flags="", file=None):
        """One run against a fresh server that is alone; gives the driver's report."""
        command = servers.SERVERS["stonepot"] + flags
        if file:
            command = command.replace("{tmp}/rooms.sqlite", shlex.quote(str(file)))
        with self.run_folder() as folder, servers.running("stonepot", command, folder, "/readyz") as (server, port, _):
            return servers.drive(server, port, folder, self.load, arguments, self.seconds)


def micros(per_second):
    return 1e6 / per_second if per_second else 0


def rates(report):
    return {
        "microsPerOperation": micros(report["server"]["operationsPerCPUSecond"]),
        "operationsPerSecond": report["operationsPerSecond"],
        "ownP99Micros": report["latencies"]["ownEcho"]["p99Micros"],
        "driverBusy": report["driver"]["busyFraction"],
    }


RATES = [
    Column("microsPerOperation", "server µs/op", "{:,.1f}"), Column("operationsPerSecond", "ops/s"),
    Column("ownP99Micros", "own p99 µs"), Column("driverBusy", "driver busy", "{:.2f}"),
]


class Curve:
    """What it is about in words, and the columns of its table, stand beside its points."""

    about: str
    columns: list

    def points(self, is_quick):
        raise NotImplementedError

    def prepare(self, bench, points):
        """Does before the first run what would otherwise fall between two."""

    def measure(self, bench, point):
        """Gives the driver's report, and the figures for the columns."""
        raise NotImplementedError

    def judge(self, points):
        """A line for each target."""
        return ()


class Rooms(Curve):
    about = ("a file with more and more rooms that nobody is in, and beside them rooms of five that are in use, at a"
             f" steady {STEADY_OPERATIONS:,} operations a second")
    columns = [
        Column("cold", "cold rooms", is_given=True), Column("warm", "warm rooms", is_given=True), *RATES,
        Column("restMB", "RSS MB at rest", "{:,.1f}"), Column("residentMB", "RSS MB", "{:,.1f}"), Column("fileMB", "file MB"),
    ]

    def points(self, is_quick):
        few = [{"cold": count, "warm": FEW_ROOMS} for count in ((0, 1000) if is_quick else (0, 100, 1000, 10_000, 100_000))]
        most = few[-1]["cold"] if not is_quick else 10_000
        return few + [{"cold": most, "warm": most // 100}]

    def prepare(self, bench, points):
        for count in sorted({point["cold"] for point in points} - {0}):
            bench.cold_file(count)

    def measure(self, bench, point):
        file, size = bench.cold_file(point["cold"]) if point["cold"] else (None, 0)
        report = bench.drive_alone(["open-loop", *bench.settings(
            rooms=point["warm"], participantsPerRoom=PEOPLE, operationsPerSecond=STEADY_OPERATIONS)], file=file)
        return report, {
            **rates(report), "restMB": report["server"]["residentBeforeKB"] / 1024,
            "residentMB": report["server"]["residentAfterKB"] / 1024, "fileMB": size / 2**20,
        }

    def judge(self, points):
        first, last = points[0], points[-1]
        more = last["microsPerOperation"] / first["microsPerOperation"] - 1
        yield (f"target  {last['cold']:,} cold rooms and {last['warm']:,} warm ones cost {more:+.0%} for each operation"
               f" beside {first['warm']:,} rooms alone, at most {MAX_GROWTH:+.0%}: {'met' if more <= MAX_GROWTH else 'MISSED'}")


class Participants(Curve):
    about = "one room: one person changes something, and more and more listen; one change on its way"
    columns = [
        Column("connections", "connections", is_given=True), Column("microsPerDelivery", "server µs/delivery", "{:,.2f}"), *RATES,
    ]

    def points(self, is_quick):
        return [{"connections": count} for count in ((10, 100, 500) if is_quick else (10, 100, 500, 2000))]

    def measure(self, bench, point):
        report = bench.drive_alone(["closed-loop", *bench.settings(
            rooms=1, participantsPerRoom=1, listenersPerRoom=point["connections"] - 1)])
        return report, {**rates(report), "microsPerDelivery": micros(report["server"]["deliveriesPerCPUSecond"])}


class Connections(Curve):
    about = "people who join, and then do nothing; rooms of five and of one, and behind a gateway"
    columns = [
        Column("connections", "connections", is_given=True), Column("perRoom", "in a room", is_given=True),
        Column("gateway", "gateway", "{}", is_given=True), Column("bytesPerConnection", "bytes/connection"),
        Column("residentMB", "RSS MB", "{:,.1f}"), Column("microsPerJoin", "server µs/join"),
        Column("joinsPerSecond", "joins/s"), Column("idlePercent", "idle CPU %", "{:.1f}"),
    ]

    def points(self, is_quick):
        # Each process has a descriptor for each connection, the driver as well.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - OTHER_FILES
        counts = (1000, 3000) if is_quick else (1000, 5000, 10_000, 20_000)
        if most < counts[-1]:
            print(f"  {counts[-1]:,} connections are too many for ulimit -Hn: {most // 1000 * 1000:,} in their place")
        counts = sorted({min(count, most // 1000 * 1000) for count in counts})
        return [{"connections": count, "perRoom": PEOPLE, "gateway": "–"} for count in counts] + [
            {"connections": counts[1], "perRoom": 1, "gateway": "–"},
            {"connections": counts[1], "perRoom": PEOPLE, "gateway": "yes"}]

    def measure(self, bench, point):
        count = point["connections"]
        arguments = ["idle", *bench.settings(
            rooms=count // point["perRoom"], participantsPerRoom=point["perRoom"], setupTimeoutSeconds=SETUP_SECONDS)]
        arguments += ["--sources", str(-(-count // CONNECTIONS_OF_ADDRESS))]
        if point["gateway"] == "yes":
            with bench.run_folder() as folder, clusters.behind_gateway(folder) as (processes, port):
                report = clusters.drive(processes, port, folder, bench.load, arguments, bench.seconds)
        else:
            report = bench.drive_alone(arguments)
        return report, {
            "bytesPerConnection": report["server"]["bytesPerConnection"],
            "residentMB": report["server"]["residentAfterKB"] / 1024,
            "microsPerJoin": micros(report["setup"]["connectionsPerCPUSecond"]),
            "joinsPerSecond": report["setup"]["connectionsPerSecond"],
            "idlePercent": report["server"]["cpuSeconds"] / report["seconds"] * 100,
        }


class Loops(Curve):
    about = "200 rooms of five who all change something all the time, on more and more event loops"
    columns = [
        Column("loops", "event loops", is_given=True), Column("operationsPerCPUSecond", "ops/CPU-s"), *RATES]

    def points(self, is_quick):
        return [{"loops": count} for count in ((1, 2) if is_quick else (1, 2, 4))]

    def measure(self, bench, point):
        report = bench.drive_alone(
            ["closed-loop", *bench.settings(rooms=FEW_ROOMS, participantsPerRoom=PEOPLE)], f" --loops {point['loops']}")
        return report, {**rates(report), "operationsPerCPUSecond": report["server"]["operationsPerCPUSecond"]}


class Nodes(Curve):
    about = ("the same on a server that is alone, which is 0 here, and on more and more nodes behind a gateway, all on one kind"
             " of store; the processes' time is added up")
    columns = [
        Column("nodes", "nodes", is_given=True), Column("operationsPerCPUSecond", "ops/CPU-s"), *RATES,
        Column("postgresMicrosPerOperation", "PostgreSQL µs/op", "{:,.1f}"),
    ]

    def points(self, is_quick):
        return [{"nodes": count} for count in ((0, 1, 2) if is_quick else (0, 1, 2, 3, 4))]

    def measure(self, bench, point):
        store, used = (bench.postgres.new_database(), bench.postgres.seconds) if bench.postgres else (None, lambda: 0)
        started = clusters.behind_gateway if point["nodes"] else clusters.alone
        with bench.run_folder() as folder, started(folder, point["nodes"], store) as (processes, port):
            arguments = ["closed-loop", *bench.settings(rooms=FEW_ROOMS, participantsPerRoom=PEOPLE)]
            report = clusters.drive(processes, port, folder, bench.load, arguments, bench.seconds, used)
        return report, {
            **rates(report), "operationsPerCPUSecond": report["server"]["operationsPerCPUSecond"],
            "postgresMicrosPerOperation": report["postgresMicrosPerOperation"],
        }


    def judge(self, points):
        of = {point["nodes"]: point["operationsPerCPUSecond"] for point in points}
        if 3 in of:
            part = of[3] / of[0]
            yield (f"target  3 nodes and a gateway: {part:.2f} of the operations per CPU-second of the server that is alone,"
                   f" at least {LEAST_OF_ALONE}: {'met' if part >= LEAST_OF_ALONE else 'MISSED'}")
        for count in sorted(of):
            if count > 1 and count - 1 in of:
                more = of[count - 1] / of[count] - 1
                yield (f"target  node {count} costs {more:+.0%} for each operation, at most {MAX_PER_NODE:+.0%}:"
                       f" {'met' if more <= MAX_PER_NODE else 'MISSED'}")


CURVES = {
    "rooms": Rooms(), "participants": Participants(), "connections": Connections(), "loops": Loops(), "nodes": Nodes()}


def medians(point, runs):
    """The point, and the median of each figure."""
    return {**point, **{key: statistics.median(figures[key] for figures in runs) for key in runs[0]}}


def rows(curve, points):
    """A table of its points, names first."""
    return [[column.name for column in curve.columns]] + [
        [column.form.format(point[column.key]) for column in curve.columns] for point in points]
