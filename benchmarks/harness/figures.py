"""Medians, ratios to the reference, targets, and what has changed since a baseline."""

import statistics

from .servers import PEERS, REFERENCE


def summarize(scenario, reports):
    return {figure.name: statistics.median(figure.find(report) for report in reports) for figure in scenario.figures}


def table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def ratios(scenario, medians, reference=REFERENCE):
    """Each server's figures over the reference's of the same run."""
    theirs = medians.get(reference)
    if theirs is None:
        return {}
    names = [figure.name for figure in scenario.figures if figure.compared and theirs.get(figure.name, 0) > 0]
    return {
        server: {name: figures[name] / theirs[name] for name in names if name in figures}
        for server, figures in medians.items() if server != reference
    }


def all_ratios(scenario, medians):
    """To the reference, for each server; then to each other peer, for each server that is none. By how they are called."""
    found = {f"{name}/{REFERENCE}": of for name, of in ratios(scenario, medians).items()}
    for peer in PEERS:
        if peer != REFERENCE:
            found |= {f"{name}/{peer}": of for name, of in ratios(scenario, medians, peer).items() if name not in PEERS}
    return found


def print_result(scenario, result):
    medians = result["medians"]
    rows = [["median of " + str(result["rounds"])] + list(medians)]
    for figure in scenario.figures:
        rows.append([figure.name] + [figure.form.format(medians[server][figure.name]) for server in medians])
    of_others = all_ratios(scenario, medians)
    # Of two servers the ratio stands beside their figures; of more it needs a table of its own.
    beside = len(of_others) == 1
    ratio_rows = [([] if beside else ["ratio"]) + list(of_others)]
    for figure in scenario.figures:
        cells = [f"{of[figure.name]:.2f}" if figure.name in of else "" for of in of_others.values()]
        ratio_rows.append(cells if beside else [figure.name] + cells)
    print()
    if beside:
        table([row + cells for row, cells in zip(rows, ratio_rows)])
    else:
        table(rows)
        if of_others:
            print()
            table([row for row in ratio_rows if any(row[1:])])
    for line in judge(scenario, medians):
        print(line)


def judge(scenario, medians):
    """A line for each target and each server that is no peer."""
    of_reference = ratios(scenario, medians)
    more = {figure.name: figure.more_is_better for figure in scenario.figures}
    for target in scenario.targets:
        for server in medians:
            found = (of_reference.get(server, {}) if target.is_ratio else medians[server]).get(target.figure)
            if server in PEERS or found is None:
                continue
            met = found >= target.bound if more[target.figure] else found <= target.bound
            name = f"{target.figure} of {REFERENCE}'s" if target.is_ratio else target.figure
            sign = "≥" if more[target.figure] else "≤"
            form = "{:,.2f}" if target.is_ratio or target.bound < 100 else "{:,.0f}"
            yield (f"target  {server}: {name} {sign} {form.format(target.bound)}:"
                   f" {'met' if met else 'MISSED'} with {form.format(found)}")


def print_comparison(scenario, result, baseline, tolerance):
    """Prints how the ratios to the reference changed, or the figures where it has none; gives whether one is lost."""
    now, then = ratios(scenario, result["medians"]), ratios(scenario, baseline["medians"])
    what = f"ratio to {REFERENCE}"
    gates = {figure.name for figure in scenario.figures if figure.gates}
    if not now or not then:
        # Other days, other figures: without a reference of the same run nothing can fail.
        now, then, what, gates = result["medians"], baseline["medians"], "figure", set()
    rows = [[what, "server", "baseline", "now", "change"]]
    lost = False
    for server in now.keys() & then.keys():
        for figure in scenario.figures:
            before = then[server].get(figure.name)
            if not figure.compared or figure.name not in now[server] or not before:
                continue
            change = now[server][figure.name] / before - 1
            fails = figure.name in gates and (-change if figure.more_is_better else change) > tolerance
            lost = lost or fails
            rows.append([figure.name, server, f"{before:,.2f}", f"{now[server][figure.name]:,.2f}",
                         f"{change:+.0%}{' LOSS' if fails else ''}"])
    print()
    table(rows)
    return lost
