"""A gateway that was written from docs/peer-protocol.md alone, beside two nodes of different weight.

It joins through one node, finds the other, holds what each owns against placement, and uses a room. A node that ends a
connection, or says what the page does not have, fails the run.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import tempfile
import time

from peer_gateway import (
    ALIVE, BOUND, BROADCAST, CLOSE, DIRECT, FULL_STATE, HISTORY, NODE, NOT_OWNER, PING, PONG, READ, READING,
    RESUMING, RESYNC, SETTLED, SLOTS, SYNC, Gateway, Refused, Session, data, many, maybe, number, placed,
    signed, slot_of, text,
)
from server import HOST, Wrong, expect, free_port, running

JOIN = b"\1" + text("Asha") + maybe("dhaba", text) + maybe("family", text) + maybe(None, text)
# 2 pieces at 249.5 each: significands 2 and 2495, exponents 0 and -1.
ADD_ITEM = (b"\3" + maybe("dal-1", text) + text("Dal Makhani") + text("veg") + signed(2) + signed(0) + signed(2495)
            + signed(-1) + maybe(None, text))


async def use_room(line, other, room):
    """operations are applied once, and told, settled and replayed"""
    session = Session(line, room, 1)
    session.open()
    sync = (await session.hear(SYNC))[SYNC][0]
    expect(sync.signed() == 0, "a new room has a head")
    state = json.loads(sync.maybe(sync.data))
    expect(state["data"] is None and f"history={state['history']}" in line.peer.features, state)

    session.operate("a-1", 0, JOIN)
    joined = await session.hear(SETTLED)
    types = [message["type"] for message in joined[BROADCAST]]
    expect(types == ["order_created", "participant_joined"], types)
    expect(json.loads(joined[DIRECT][-1].data())["type"] == "ack", "no ack")
    expect(joined[BOUND][0].text() == "asha", "the session is somebody else's")
    expect(joined[SETTLED][0].number() == 1, "not one operation is settled")

    session.operate("a-2", 2, ADD_ITEM)
    added = (await session.hear(SETTLED))[BROADCAST]
    expect([(message["type"], message["seq"]) for message in added] == [("item_added", 3)], added)
    item = added[0]["data"]["item"]
    expect((item["id"], item["quantity"], item["price"]) == ("dal-1", 2, 249.5), item)

    session.operate("a-2", 2, ADD_ITEM)
    again = await session.hear(SETTLED)
    ack = json.loads(again[DIRECT][0].data())
    expect(not again[BROADCAST] and (ack["type"], ack["seq"]) == ("ack", 3), f"a retry was answered with {ack}")

    session.ask(RESYNC)
    expect((await session.hear(SYNC))[SYNC][0].signed() == 3, "the head is not 3")
    session.ask(CLOSE)
    resumed = Session(line, room, 2)
    resumed.open(since=1)
    heard = await resumed.hear(HISTORY)
    expect(heard[RESUMING][0].signed() == 3 and heard[HISTORY][0].flag(), "not resumed at 3, or in parts")
    missed = [json.loads(content)["seq"] for content in heard[HISTORY][0].many(heard[HISTORY][0].data)]
    expect(missed == [2, 3], f"missed {missed}")
    resumed.ask(CLOSE)

    Session(other, room, 1).open()
    reader = await other.next(NOT_OWNER)
    expect(reader.text() == room, "notOwner of another room")
    expect((reader.maybe(reader.signed) or 0) > 0, "notOwner without an epoch")
    expect(reader.maybe(reader.text) == line.peer.node, "notOwner names another owner")


async def read(line, room):
    line.send(READ, number(7) + text(room))
    reader = await line.next(READING)
    expect(reader.number() == 7, "an answer to another read")
    return reader.byte(), reader


async def read_room(line, other, room):
    """a room is read at its owner only"""
    found, reader = await read(line, room)
    expect(found == 1, f"reading {found}")
    state = json.loads(reader.data())
    expect(state["seq"] == 3 and len(state["data"]["items"]) == 1, state)
    found, reader = await read(other, room)
    reader.maybe(reader.signed)
    expect(found == 5 and reader.maybe(reader.text) == line.peer.node, "another node does not say who the owner is")
    empty = next(name for name in map(str, range(100_000)) if slot_of(name) == slot_of(room))
    expect((await read(line, empty))[0] == 2, "a room in which nothing happened is not empty")


async def refusals(ports, secret):
    """who has another secret, or is of another cluster, is refused"""
    for gateway, code in ((Gateway("stranger", "another secret"), 4), (Gateway("stranger", secret, "other"), 1)):
        try:
            await gateway.dial(ports[0])
            raise Wrong(f"a stranger was let in, who should have heard {code}")
        except Refused as refusal:
            expect(refusal.code == code, f"{refusal}, not {code}")


async def join(gateway, ports):
    """one node is dialed, and gossip leads to the other; both dial back"""
    await gateway.meet(ports[0])
    gateway.spawn(gateway.gossip())
    await gateway.until(lambda: f"lines to {gateway.lines.keys()}, dialed by {gateway.dialed_by}",
                        lambda: len(gateway.lines) == 2 and gateway.dialed_by == set(gateway.lines))


async def placement(gateway):
    """each slot comes to the node that its hash gives it to, by weight"""
    nodes = {member.node: member for member in gateway.members.values() if member.kind == NODE}
    weights = {member.name: member.weight for member in nodes.values()}
    expect(sorted(weights.values()) == [100, 200], weights)
    wanted = [placed(slot, weights) for slot in range(SLOTS)]
    expect(len(set(wanted)) == 2, f"placement gives all slots to {wanted[0]}")

    def differing():
        owners = [gateway.owners.get(slot, (0, None))[1] for slot in range(SLOTS)]
        return [slot for slot in range(SLOTS) if owners[slot] is None or nodes[owners[slot]].name != wanted[slot]]

    await gateway.until(lambda: f"placement says other owners of {differing()[:10]}", lambda: not differing())
    return {name: wanted.count(name) for name in weights}


async def frames(gateway, line):
    """a ping is answered, and a frame of a later version passed over"""
    line.send(200, os.urandom(100))
    line.send(PING, number(300))
    expect((await line.next(PONG)).number() == 300, "a pong of another number")


async def bad_neighbours(gateway, line, port, room):
    """garbage and silence end the connections that they come from, and no other"""
    garbage = await Gateway("garbage", gateway.secret).dial(port)
    garbage.writer.write(b"\xff" * 64)
    await garbage.ended(within=1)
    silent = await Gateway("silent", gateway.secret).dial(port)
    started = time.monotonic()
    await silent.ended(within=4)
    expect(time.monotonic() - started > 1.5, "a silent connection was cut at once")
    expect((await read(line, room))[0] == 1, "the room is not read any more")


async def well_known(gateway):
    """both nodes hold the gateway for alive, and answer its pings"""
    gateway.said_of_own.clear()
    for node in gateway.lines:
        gateway.tell(node, FULL_STATE, state=True)
    await gateway.until(lambda: f"it is said of the gateway: {gateway.said_of_own}", lambda: all(
        node in gateway.said_of_own and gateway.said_of_own[node].status == ALIVE for node in gateway.lines))
    expect(len(gateway.acks) >= len(gateway.pings) - 5, f"{len(gateway.acks)} of {len(gateway.pings)} acks")


async def leaving(gateway, lines):
    """a goodbye ends the connections"""
    gateway.leave()
    await gateway.until(lambda: "the end of the connections", lambda: all(line.is_over for line in lines))


async def converse(gateway, ports):
    async def step(body, *arguments):
        try:
            result = await body(*arguments)
            gateway.check()
        except (Wrong, Refused, OSError, EOFError, ValueError, KeyError, asyncio.TimeoutError) as error:
            raise Wrong(f"{body.__doc__}: {error or type(error).__name__}") from error
        print(f"ok      peer: {body.__doc__}")
        return result

    server = await asyncio.start_server(lambda *ends: gateway.spawn(gateway.accept(*ends)), HOST, gateway.port)
    await step(refusals, ports, gateway.secret)
    await step(join, gateway, ports)
    print("        slots:", await step(placement, gateway))
    room = "table-1"
    owner = gateway.owners[slot_of(room)][1]
    line, other = gateway.lines[owner], next(line for node, line in gateway.lines.items() if node != owner)
    await step(frames, gateway, line)
    await step(use_room, line, other, room)
    await step(read_room, line, other, room)
    await step(bad_neighbours, gateway, line, int(line.peer.address.rpartition(":")[2]), room)
    await step(well_known, gateway)
    await step(leaving, gateway, [line, other])
    server.close()


def run(options, _):
    secret = os.urandom(16).hex()
    with tempfile.TemporaryDirectory(prefix="stonepot-conformance-") as folder, contextlib.ExitStack() as nodes:
        ports = [free_port(), free_port()]
        for index, port in enumerate(ports):
            nodes.enter_context(running(
                options.server, free_port(), pathlib.Path(folder, f"node-{index}.log"), "node", "--name",
                f"node-{index}", "--weight", str(100 * (index + 1)), "--store", f"sqlite:{folder}/rooms.sqlite",
                "--peer-listen", f"{HOST}:{port}", "--join", f"{HOST}:{ports[0]}", "--peer-secret", secret))
        try:
            asyncio.run(converse(Gateway("python", secret), ports))
        except Wrong as error:
            print(f"FAILED  peer: {error}")
            return False
    return True
