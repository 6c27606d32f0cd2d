"""Works out of the curves what a larger deployment costs, and writes it into docs/scaling.md."""

import re

from . import curves, servers

PAGE = servers.ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- benchmarks/scale --write-page: begin -->\n", "<!-- benchmarks/scale --write-page: end -->\n"
# What processors are left half idle for: peaks, reconnecting clients, and a node that is gone.
UTILIZATION = 0.5
SECONDS_BETWEEN_OPERATIONS = 10
# (people connected, rooms that are kept)
DEPLOYMENTS = [(10_000, 100_000), (100_000, 1_000_000), (1_000_000, 10_000_000)]


def line(points, x, y):
    """The straight line that is nearest to the points, each one's distance taken relative to it; gives y at 0, and slope."""
    weights = [1 / point[y] ** 2 for point in points]
    total = sum(weights)
    mean_x = sum(w * point[x] for w, point in zip(weights, points)) / total
    mean_y = sum(w * point[y] for w, point in zip(weights, points)) / total
    spread = sum(w * (point[x] - mean_x) ** 2 for w, point in zip(weights, points))
    slope = sum(w * (point[x] - mean_x) * (point[y] - mean_y) for w, point in zip(weights, points)) / spread
    return mean_y - slope * mean_x, slope


def costs(result):
    """What the formula takes, by its names there."""
    points = {name: curve["points"] for name, curve in result["curves"].items()}
    rooms, (single, *nodes) = points["rooms"], points["nodes"]
    people = points["connections"]
    alone = [point for point in people if point["gateway"] == "–"]
    of_five = [point for point in alone if point["perRoom"] == curves.PEOPLE]
    of_one = next(point for point in alone if point["perRoom"] == 1)
    behind = next(point for point in people if point["gateway"] == "yes")
    few, many = of_five[0], of_five[-1]
    shared = (many["residentMB"] - few["residentMB"]) * 2**20 / (many["connections"] - few["connections"])
    same = next(point for point in of_five if point["connections"] == of_one["connections"])
    # A connection in a room of five has a fifth of it, one in a room of its own has all.
    room = (of_one["bytesPerConnection"] - same["bytesPerConnection"]) / (1 - 1 / curves.PEOPLE)
    coldest = max(rooms, key=lambda point: point["cold"])
    return {
        "operation": rooms[0]["microsPerOperation"],
        "delivery": line(points["participants"], "connections", "microsPerOperation")[1],
        "gateway": nodes[0]["microsPerOperation"] / single["microsPerOperation"],
        "most": nodes[-1]["nodes"],
        "nodes": nodes[-1]["microsPerOperation"] / nodes[0]["microsPerOperation"],
        "database": nodes[-1]["postgresMicrosPerOperation"],
        "join": many["microsPerJoin"],
        "connection": shared - room / curves.PEOPLE,
        "room": room,
        "behind": behind["bytesPerConnection"] / same["bytesPerConnection"],
        "process": rooms[0]["restMB"],
        "cold": max(0, coldest["restMB"] - rooms[0]["restMB"]) * 2**20 / coldest["cold"],
        "file": coldest["fileMB"] * 2**20 / coldest["cold"],
    }


def extrapolate(cost, people, kept):
    operations = people / SECONDS_BETWEEN_OPERATIONS
    each = cost["operation"] * cost["gateway"] * cost["nodes"]
    warm = people / curves.PEOPLE
    memory = (people * cost["connection"] + warm * cost["room"]) * cost["behind"] + kept * cost["cold"]
    return {
        "operations": operations,
        "deliveries": operations * curves.PEOPLE,
        "processors": operations * each / 1e6 / UTILIZATION,
        "database": operations * cost["database"] / 1e6 / UTILIZATION,
        "return": people * cost["join"] / 1e6,
        "memory": memory / 2**30,
        "store": kept * cost["file"] / 2**30,
    }


def markdown(rows, named_columns=1):
    def text(cells):
        return "| " + " | ".join(cells) + " |"
    return [text(rows[0]), "|---" * named_columns + "|---:" * (len(rows[0]) - named_columns) + "|", *map(text, rows[1:])]


def cost_rows(cost):
    return [
        ["cost", "of", "measured"],
        ["c", f"an operation in a room of five, at a steady {curves.STEADY_OPERATIONS:,} a second", f"{cost['operation']:.1f} µs"],
        ["d", "each further delivery of it", f"{cost['delivery']:.2f} µs"],
        ["g", "the way through a gateway, as a factor", f"{cost['gateway']:.2f}"],
        ["s", f"{cost['most']} nodes in the place of one, as a factor", f"{cost['nodes']:.2f}"],
        ["p", "an operation at PostgreSQL", f"{cost['database']:.1f} µs"],
        ["j", "a join, with connection and upgrade", f"{cost['join']:.0f} µs"],
        ["m", "a connection that waits", f"{cost['connection']:,.0f} bytes"],
        ["r", "a room in memory, without its connections", f"{cost['room']:,.0f} bytes"],
        ["h", "gateway and node in the place of one process, as a factor of m and r", f"{cost['behind']:.2f}"],
        ["k", "a cold room, in memory", f"{cost['cold']:.0f} bytes"],
        ["f", "a cold room, in the store", f"{cost['file']:,.0f} bytes"],
        ["b", "a process with nothing to do", f"{cost['process']:.0f} MB"],
    ]


def deployment_rows(cost):
    rows = [["people at once", "rooms kept", "operations/s", "deliveries/s", "processors", "of PostgreSQL", "memory", "store",
             "all come back, processor time"]]
    for people, kept in DEPLOYMENTS:
        found = extrapolate(cost, people, kept)
        rows.append([
            f"{people:,}", f"{kept:,}", f"{found['operations']:,.0f}", f"{found['deliveries']:,.0f}",
            f"{found['processors']:,.1f}", f"{found['database']:,.1f}", f"{found['memory']:,.1f} GB",
            f"{found['store']:,.1f} GB", f"{found['return']:,.0f} s"])
    return rows


def section(result):
    machine = result["machine"]
    lines = [
        f"{result['at'][:10]}, commit {machine['commit']}, {machine['cores']} processors ({machine['cpu']}) that server and driver"
        f" share; dialect {result['dialect']}, {result['seconds']:g} s for each run, medians of {result['rounds']}; nodes on"
        f" {result['store']}{' (a short run)' if result['quick'] else ''}.", ""]
    for name, found in result["curves"].items():
        curve = curves.CURVES[name]
        given = sum(column.is_given for column in curve.columns)
        lines += [f"**{name.capitalize()}**: {curve.about}.", "", *markdown(curves.rows(curve, found["points"]), given), ""]
        lines += ["- " + sentence.removeprefix("target  ") + "." for sentence in curve.judge(found["points"])]
        lines += [""] if lines[-1] else []
    cost = costs(result)
    lines += ["**Costs**, worked out of these:", "", *markdown(cost_rows(cost), 2), ""]
    lines += [f"**Deployments**, by the formula, with an operation of each person in {SECONDS_BETWEEN_OPERATIONS} s:", "",
              *markdown(deployment_rows(cost), 0), ""]
    return "\n".join(lines)


def write(result):
    text = PAGE.read_text()
    found = re.search(re.escape(BEGIN) + ".*" + re.escape(END), text, re.DOTALL)
    if not found:
        raise ValueError(f"{PAGE.name} has no place for it")
    PAGE.write_text(text[:found.start()] + BEGIN + "\n" + section(result) + "\n" + END + text[found.end():])
