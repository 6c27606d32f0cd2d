"""What is measured: for each scenario what the driver does, which figures count, and what they are to be."""

import dataclasses
import typing


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
    about: str
    mode: str  # of `stonepot load`
    settings: dict  # its options
    figures: list
    targets: list = dataclasses.field(default_factory=list)
    measures_disk: bool = False
    # A server that keeps nothing has no cold rooms.
    only: tuple = ()

    def arguments(self, changes):
        settings = {**self.settings, **changes}
        return [self.mode] + [text for name, value in settings.items() for text in (f"--{name}", str(value))]


DRIVER_BUSY = Figure("driver busy", lambda r: r["driver"]["busyFraction"], False, "{:.2f}", compared=False)
DRIVER_COST = Figure("driver µs/op", lambda r: r["driver"]["cpuMicrosPerOperation"], False, "{:,.1f}", compared=False)
BYTES = Figure("bytes", lambda r: r["bytesPerBroadcast"], False, compared=False)
RSS = Figure("RSS MB", lambda r: r["server"]["residentAfterKB"] / 1024, False)
OPS = Figure("ops/s", lambda r: r["operationsPerSecond"], gates=True)
OPS_PER_CPU = Figure("ops/CPU-s", lambda r: r["server"]["operationsPerCPUSecond"], gates=True)
LATENCIES = [
    Figure(f"{who} {name} µs", lambda r, key=key, field=field: r[key][field], False)
    for who, key in (("own", "ownEcho"), ("others", "others"))
    for name, field in (("p50", "p50Micros"), ("p99", "p99Micros"), ("p99.9", "p999Micros"))
]
OWN_LATENCIES = LATENCIES[:3]
LOOP = [OPS, OPS_PER_CPU, *LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY]
FAN_OUT = [
    Figure("deliveries/s", lambda r: r["deliveriesPerSecond"], gates=True),
    Figure("deliveries/CPU-s", lambda r: r["server"]["deliveriesPerCPUSecond"], gates=True),
    Figure("others p50 µs", lambda r: r["others"]["p50Micros"], False),
    Figure("others p99 µs", lambda r: r["others"]["p99Micros"], False),
    RSS, BYTES, DRIVER_BUSY,
]
DISK = [
    Figure("disk p50 µs", lambda r: r["disk"]["p50Micros"], False, compared=False),
    Figure("disk p99 µs", lambda r: r["disk"]["p99Micros"], False, compared=False),
]
ROOMS_OF_FIVE = {"rooms": 200, "participants": 5, "items": 5, "seconds": 10, "warmup": 3}

SCENARIOS = {
    "closed-loop": Scenario(
        "200 rooms of five who all change something all the time; the whole order in each broadcast",
        "closed-loop", {**ROOMS_OF_FIVE, "dialect": 1}, LOOP, [Target("ops/CPU-s", 2.5, is_ratio=True)]),
    "closed-loop-deltas": Scenario(
        "the same, with the change alone in each broadcast",
        "closed-loop", {**ROOMS_OF_FIVE, "dialect": 2}, LOOP, [Target("ops/CPU-s", 3, is_ratio=True)]),
    "open-loop": Scenario(
        "200 rooms of five at a steady 2000 operations a second, beside what the disk takes for one write",
        "open-loop", {**ROOMS_OF_FIVE, "dialect": 1, "rate": 2000}, LOOP + DISK,
        [Target("own p50 µs", 2000), Target("own p99 µs", 15_000)], measures_disk=True),
    "one-room": Scenario(
        "one room, one connection with 64 operations on their way, dialect 2",
        "closed-loop", {"rooms": 1, "participants": 1, "in-flight": 64, "items": 5, "dialect": 2, "seconds": 8,
                        "warmup": 2},
        [OPS, OPS_PER_CPU, *OWN_LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY, *DISK],
        [Target("ops/s", 15_000)], measures_disk=True),
    "one-room-of-four": Scenario(
        "one room, four connections with 16 operations each on their way, dialect 2; four deliveries an operation",
        "closed-loop", {"rooms": 1, "participants": 4, "in-flight": 16, "items": 5, "dialect": 2, "seconds": 8,
                        "warmup": 2},
        [OPS, OPS_PER_CPU, *OWN_LATENCIES, RSS, BYTES, DRIVER_COST, DRIVER_BUSY, *DISK], measures_disk=True),
    "fan-out": Scenario(
        "one who changes something, a thousand who listen and did not join; the whole order in each broadcast",
        "closed-loop", {"rooms": 1, "participants": 1, "listeners": 1000, "items": 5, "dialect": 1, "seconds": 8,
                        "warmup": 2},
        FAN_OUT, [Target("deliveries/CPU-s", 1.1, is_ratio=True)]),
    "fan-out-deltas": Scenario(
        "the same, with the change alone in each broadcast",
        "closed-loop", {"rooms": 1, "participants": 1, "listeners": 1000, "items": 5, "dialect": 2, "seconds": 8,
                        "warmup": 2},
        FAN_OUT, [Target("deliveries/CPU-s", 1.1, is_ratio=True)]),
    "idle": Scenario(
        "10 000 who join rooms of five, and then do nothing",
        "idle", {"rooms": 2000, "participants": 5, "items": 0, "dialect": 1, "warmup": 5, "seconds": 5},
        [
            Figure("bytes/connection", lambda r: r["server"]["bytesPerConnection"], False, gates=True),
            Figure("RSS before MB", lambda r: r["server"]["residentBeforeKB"] / 1024, False, "{:,.1f}"),
            Figure("RSS after MB", lambda r: r["server"]["residentAfterKB"] / 1024, False, "{:,.1f}"),
            Figure("joins/s", lambda r: r["setup"]["connectionsPerSecond"], gates=True),
            Figure("joins/CPU-s", lambda r: r["setup"]["connectionsPerCPUSecond"], gates=True),
            Figure("idle CPU %", lambda r: r["server"]["cpuSeconds"] / r["scenario"]["measuredSeconds"] * 100, False,
                   "{:.1f}"),
        ],
        [Target("bytes/connection", 10 * 1024), Target("joins/s", 1, is_ratio=True),
         Target("joins/CPU-s", 1, is_ratio=True)]),
    "cold": Scenario(
        "a file with 100 000 rooms that nobody is in: start, rest, and 200 visits a second",
        "visits", {"prefix": "cold", "rooms": 100_000, "rate": 200, "dialect": 1, "seconds": 10},
        [
            Figure("ready s", lambda r: r["cold"]["readySeconds"], False, "{:.2f}"),
            Figure("RSS MB", lambda r: r["cold"]["residentKB"] / 1024, False, "{:,.1f}"),
            Figure("RSS MB, visited", lambda r: r["server"]["residentAfterKB"] / 1024, False, "{:,.1f}"),
            Figure("idle CPU %", lambda r: r["cold"]["idleCPUFraction"] * 100, False, "{:.1f}"),
            Figure("sync p50 µs", lambda r: r["firstSync"]["p50Micros"], False),
            Figure("sync p99 µs", lambda r: r["firstSync"]["p99Micros"], False),
            Figure("sync p99.9 µs", lambda r: r["firstSync"]["p999Micros"], False),
            Figure("upgraded p50 µs", lambda r: r["afterUpgrade"]["p50Micros"], False),
            Figure("upgraded p99 µs", lambda r: r["afterUpgrade"]["p99Micros"], False),
            Figure("visits/CPU-s", lambda r: r["server"]["visitsPerCPUSecond"]),
            Figure("file MB", lambda r: r["cold"]["fileMB"], False, compared=False),
            DRIVER_BUSY,
        ],
        [Target("ready s", 2), Target("sync p99 µs", 20_000)], only=("stonepot",)),
}
