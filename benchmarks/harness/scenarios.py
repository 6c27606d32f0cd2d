"""What is measured: for each scenario what the driver does, which figures count, and what they are to be."""

import dataclasses
import json
import pathlib
import typing

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenarios"


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    find: typing.Callable  # in a report
    more_is_better: bool = True
    form: str = "{:,.0f}"
    # Whether --compare fails when its ratio to the reference has become worse. Tails are too noisy for that.
    gates: bool = False
    # What says how the run went and not how good the server is has no ratio.
    compared: bool = True


@dataclasses.dataclass(frozen=True)
class Target:
    figure: str
    bound: float
    is_ratio: bool = False  # to the reference of the same run


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What counts in a scenario whose file `stonepot load` runs."""

    name: str
    figures: list
    targets: list = dataclasses.field(default_factory=list)
    measures_disk: bool = False
    # The servers that it can be done to; none: to all. A server that keeps nothing has no cold rooms.
    only: tuple = ()

    @property
    def path(self):
        return FOLDER / f"{self.name}.json"

    @property
    def settings(self):
        return {name: value for name, value in json.loads(self.path.read_text()).items() if name != "thresholds"}

    @property
    def about(self):
        return self.settings["about"]

    @property
    def is_cold(self):
        return self.settings["kind"] == "visits"

    @property
    def is_of_records(self):
        return self.settings["kind"] == "directory"

    def arguments(self, changes):
        return [str(self.path)] + [text for name, value in changes.items() for text in ("--set", f"{name}={value}")]

    def seconds(self, changes):
        return float(changes.get("measuredSeconds", self.settings["measuredSeconds"]))


DRIVER_BUSY = Figure("driver busy", lambda r: r["driver"]["busyFraction"], False, "{:.2f}", compared=False)
DRIVER_COST = Figure("driver µs/op", lambda r: r["driver"]["cpuMicrosPerOperation"], False, "{:,.1f}", compared=False)
BYTES = Figure("bytes", lambda r: r["bytesPerDelivery"], False, compared=False)
RSS = Figure("RSS MB", lambda r: r["server"]["residentAfterKB"] / 1024, False)
OPS = Figure("ops/s", lambda r: r["operationsPerSecond"], gates=True)
OPS_PER_CPU = Figure("ops/CPU-s", lambda r: r["server"]["operationsPerCPUSecond"], gates=True)
LATENCIES = [
    Figure(f"{who} {name} µs", lambda r, key=key, field=field: r["latencies"][key][field], False)
    for who, key in (("own", "ownEcho"), ("others", "others"))
    for name, field in (("p50", "p50Micros"), ("p99", "p99Micros"), ("p99.9", "p999Micros"))
]
OWN_LATENCIES = LATENCIES[:3]
LOOP = [OPS, OPS_PER_CPU, *LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY]
FAN_OUT = [
    Figure("deliveries/s", lambda r: r["deliveriesPerSecond"], gates=True),
    Figure("deliveries/CPU-s", lambda r: r["server"]["deliveriesPerCPUSecond"], gates=True),
    Figure("others p50 µs", lambda r: r["latencies"]["others"]["p50Micros"], False),
    Figure("others p99 µs", lambda r: r["latencies"]["others"]["p99Micros"], False),
    RSS, BYTES, DRIVER_BUSY,
]
DISK = [
    Figure("disk p50 µs", lambda r: r["disk"]["p50Micros"], False, compared=False),
    Figure("disk p99 µs", lambda r: r["disk"]["p99Micros"], False, compared=False),
]
RATE = [OPS, OPS_PER_CPU]


def times_of(latency, name):
    return [
        Figure(f"{name} {short} ms", lambda r, field=field: r["latencies"][latency][field] / 1000, False, "{:,.2f}")
        for short, field in (("p50", "p50Micros"), ("p99", "p99Micros"), ("max", "maxMicros"))
    ]


ALL = [
    Scenario("group-orders", LOOP, [Target("ops/CPU-s", 2.8, is_ratio=True)]),
    Scenario("group-orders-deltas", LOOP, [Target("ops/CPU-s", 3.4, is_ratio=True)]),
    Scenario("steady-orders", LOOP + DISK, [Target("own p50 µs", 2000), Target("own p99 µs", 15_000)],
             measures_disk=True),
    Scenario("one-room", [OPS, OPS_PER_CPU, *OWN_LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY, *DISK],
             [Target("ops/s", 15_000)], measures_disk=True),
    Scenario("one-room-of-four", [OPS, OPS_PER_CPU, *OWN_LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY, *DISK],
             measures_disk=True),
    Scenario("big-room", FAN_OUT, [Target("deliveries/CPU-s", 1.1, is_ratio=True)]),
    Scenario("big-room-deltas", FAN_OUT, [Target("deliveries/CPU-s", 1.1, is_ratio=True)]),
    Scenario(
        "idle",
        [
            Figure("bytes/connection", lambda r: r["server"]["bytesPerConnection"], False, gates=True),
            Figure("RSS before MB", lambda r: r["server"]["residentBeforeKB"] / 1024, False, "{:,.1f}"),
            Figure("RSS after MB", lambda r: r["server"]["residentAfterKB"] / 1024, False, "{:,.1f}"),
            Figure("joins/s", lambda r: r["setup"]["connectionsPerSecond"], gates=True),
            Figure("joins/CPU-s", lambda r: r["setup"]["connectionsPerCPUSecond"], gates=True),
            Figure("idle CPU %", lambda r: r["server"]["cpuSeconds"] / r["seconds"] * 100, False,
                   "{:.1f}"),
        ],
        [Target("bytes/connection", 10 * 1024), Target("joins/s", 1, is_ratio=True),
         Target("joins/CPU-s", 1, is_ratio=True)]),
    Scenario("lunch-rush", [*RATE, *times_of("order", "order"), RSS, DRIVER_BUSY], only=("stonepot",)),
    Scenario("reconnect-storm", [*RATE, *times_of("comeBack", "back"), RSS, DRIVER_BUSY], only=("stonepot",)),
    Scenario(
        "cold",
        [
            Figure("ready s", lambda r: r["cold"]["readySeconds"], False, "{:.2f}"),
            Figure("RSS MB", lambda r: r["cold"]["residentKB"] / 1024, False, "{:,.1f}"),
            Figure("RSS MB, visited", lambda r: r["server"]["residentAfterKB"] / 1024, False, "{:,.1f}"),
            Figure("idle CPU %", lambda r: r["cold"]["idleCPUFraction"] * 100, False, "{:.1f}"),
            Figure("sync p50 µs", lambda r: r["latencies"]["firstSync"]["p50Micros"], False),
            Figure("sync p99 µs", lambda r: r["latencies"]["firstSync"]["p99Micros"], False),
            Figure("sync p99.9 µs", lambda r: r["latencies"]["firstSync"]["p999Micros"], False),
            Figure("upgraded p50 µs", lambda r: r["latencies"]["afterUpgrade"]["p50Micros"], False),
            Figure("upgraded p99 µs", lambda r: r["latencies"]["afterUpgrade"]["p99Micros"], False),
            Figure("visits/CPU-s", lambda r: r["server"]["operationsPerCPUSecond"]),
            Figure("file MB", lambda r: r["cold"]["fileMB"], False, compared=False),
            DRIVER_BUSY,
        ],
        [Target("ready s", 2), Target("sync p99 µs", 20_000)], only=("stonepot",)),
]

RECORD_OPERATIONS = [
    "getCustomer", "orderHistory", "getCircle", "customerCircles", "upsertCustomer", "createOrder", "changeStatus",
    "ordersByStatus", "changeMembers",
]

ALL.append(Scenario(
    "directory",
    [
        OPS, OPS_PER_CPU,
        Figure("PostgreSQL µs/op", lambda r: r["postgresMicrosPerOperation"], False, compared=False),
        *times_of("response", "all"),
        # Of each kind of request the median and the tail; the longest of few says little.
        *(figure for operation in RECORD_OPERATIONS for figure in times_of(operation, operation)[:2]),
        RSS, BYTES, DRIVER_COST, DRIVER_BUSY,
    ],
    only=("stonepot-sqlite", "stonepot-postgres")))

SCENARIOS = {scenario.name: scenario for scenario in ALL}
