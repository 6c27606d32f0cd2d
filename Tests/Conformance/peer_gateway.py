"""A gateway that was written from docs/peer-protocol.md alone: bytes, placement, connections, gossip, sessions."""

import asyncio
import collections
import contextlib
import hashlib
import hmac
import json
import os
import time

from server import HOST, Wrong, expect, free_port

HELLO, AUTHENTICATE, REFUSED, GOSSIP, PING, PONG, GOODBYE = 1, 2, 3, 4, 5, 6, 7
OPEN, OPERATION, RESYNC, CLOSE, READ = 16, 17, 19, 20, 21
OUTPUT, READING, NOT_OWNER = 32, 34, 35
BROADCAST, DIRECT, SYNC, RESUMING, HISTORY, SETTLED, BOUND = 1, 3, 4, 5, 6, 7, 9
PING_MEMBER, ACK, PING_REQUEST, NACK, FULL_STATE, FULL_ANSWER, LEAVE, NEWS = range(1, 9)
ALIVE, SUSPECT, DEAD, LEFT = range(4)
NODE, GATEWAY = 1, 2
SLOTS = 1024
PATIENCE_SECONDS = 30

# Bytes


def number(value):
    form = bytearray()
    while value >= 0x80:
        form.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(form) + bytes([value])


def signed(value):
    return number(value << 1 if value >= 0 else ~(value << 1))


def data(content):
    return number(len(content)) + content


def text(content):
    return data(content.encode())


def maybe(content, form):
    return b"\0" if content is None else b"\1" + form(content)


def many(contents, form):
    return number(len(contents)) + b"".join(map(form, contents))


class Reader:
    def __init__(self, content):
        self.rest = content

    def take(self, count):
        expect(count <= len(self.rest), "the bytes end too early")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def byte(self):
        return self.take(1)[0]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                expect(byte or not shift, "a number is longer than it need be")
                expect(value < 1 << 64, "a number has more than 64 bits")
                return value
            shift += 7

    def signed(self):
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def flag(self):
        byte = self.byte()
        expect(byte < 2, f"{byte} is no flag")
        return byte == 1

    def data(self):
        return self.take(self.number())

    def text(self):
        return self.data().decode()

    def maybe(self, form):
        return form() if self.flag() else None

    def many(self, form):
        return [form() for _ in range(self.number())]


# Where a room is

MASK = (1 << 64) - 1
PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def rotate(value, count):
    return (value << count | value >> 64 - count) & MASK


def mix(lane, word):
    return rotate(lane + word * PRIMES[1] & MASK, 31) * PRIMES[0] & MASK


def xxh64(content):
    """The xxHash specification's XXH64, with seed 0."""
    def word(count):
        nonlocal rest
        value, rest = int.from_bytes(rest[:count], "little"), rest[count:]
        return value

    rest, result = content, PRIMES[4]
    if len(content) >= 32:
        lanes = [PRIMES[0] + PRIMES[1] & MASK, PRIMES[1], 0, -PRIMES[0] & MASK]
        while len(rest) >= 32:
            lanes = [mix(lane, word(8)) for lane in lanes]
        result = sum(rotate(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            result = (result ^ mix(0, lane)) * PRIMES[0] + PRIMES[3] & MASK
    result = result + len(content) & MASK
    while len(rest) >= 8:
        result = rotate(result ^ mix(0, word(8)), 27) * PRIMES[0] + PRIMES[3] & MASK
    if len(rest) >= 4:
        result = rotate(result ^ word(4) * PRIMES[0] & MASK, 23) * PRIMES[1] + PRIMES[2] & MASK
    while rest:
        result = rotate(result ^ word(1) * PRIMES[4] & MASK, 11) * PRIMES[0] & MASK
    result = (result ^ result >> 33) * PRIMES[1] & MASK
    result = (result ^ result >> 29) * PRIMES[2] & MASK
    return result ^ result >> 32


def slot_of(room):
    return xxh64(room.encode()) % SLOTS


def logarithm(value):
    exponent = value.bit_length() - 1
    mantissa, result = value << 63 - exponent, exponent << 32
    for bit in range(31, -1, -1):
        square = mantissa * mantissa
        if square >= 1 << 127:
            result, mantissa = result + (1 << bit), square >> 64
        else:
            mantissa = square >> 63
    return result


def distance(name, slot):
    content = len(name.encode()).to_bytes(8, "little") + name.encode() + slot.to_bytes(8, "little")
    return (1 << 38) - logarithm(max(1, xxh64(content)))


def placed(slot, weights):
    """The name of the node that ought to own the slot."""
    best, *others = sorted(weights)
    for name in others:
        if distance(name, slot) * weights[best] < distance(best, slot) * weights[name]:
            best = name
    return best


# Gossip

Member = collections.namedtuple("Member", "node name host port kind weight lowest highest status incarnation accusers")


def member_bytes(member):
    return (text(member.node) + text(member.name) + text(member.host) + number(member.port) + bytes([member.kind])
            + number(member.weight) + number(member.lowest) + number(member.highest) + bytes([member.status])
            + number(member.incarnation) + many(member.accusers, text))


def read_member(content):
    reader = Reader(content)
    return Member(reader.text(), reader.text(), reader.text(), reader.number(), reader.byte(), reader.number(),
                  reader.number(), reader.number(), reader.byte(), reader.number(), reader.many(reader.text))


def owners_bytes(owners):
    groups = collections.defaultdict(list)
    for slot, (epoch, owner) in sorted(owners.items()):
        groups[owner].append((slot, epoch))

    def group_bytes(owner):
        content, last = maybe(owner, text) + number(len(groups[owner])), 0
        for slot, epoch in groups[owner]:
            content, last = content + number(slot - last) + number(epoch), slot
        return data(content)

    return many(groups, group_bytes)


def read_owners(reader):
    owners = {}
    for content in reader.many(reader.data):
        group, slot = Reader(content), 0
        owner = group.maybe(group.text)
        for _ in range(group.number()):
            slot += group.number()
            owners[slot] = (group.number(), owner)
    return owners


# Connections

class Refused(Exception):
    def __init__(self, code):
        super().__init__(f"refused with code {code}")
        self.code = code


Hello = collections.namedtuple("Hello", "magic lowest highest cluster slots node name kind address nonce features")


def proof(secret, role, dialer, acceptor):
    content = text("stonepot-peer-proof-1") + bytes([role]) + data(dialer) + data(acceptor)
    return hmac.digest(secret.encode(), content, hashlib.sha256)


class Line:
    """A connection. What comes on it is either dealt with by its gateway or waits in `frames`."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.frames, self.is_over = asyncio.Queue(), False

    def send(self, kind, body):
        self.writer.write((1 + len(body)).to_bytes(4, "big") + bytes([kind]) + body)

    async def receive(self):
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        expect(1 <= length <= 16 << 20, f"a frame of {length} bytes")
        content = await self.reader.readexactly(length)
        return content[0], content[1:]

    async def due(self, kind):
        found, body = await asyncio.wait_for(self.receive(), PATIENCE_SECONDS)
        if found == REFUSED:
            raise Refused(Reader(body).number())
        expect(found == kind, f"frame {found} instead of {kind}")
        return body

    def greet(self, body):
        reader = Reader(body)
        self.peer = Hello(reader.text(), reader.number(), reader.number(), reader.text(), reader.number(),
                          reader.text(), reader.text(), reader.byte(), reader.text(), reader.data(),
                          reader.many(reader.text))
        expect(self.peer.magic == "stonepot-peer" and self.peer.lowest <= 1 <= self.peer.highest, self.peer)
        return body

    async def next(self, kind):
        """The next frame of this kind; outputs, which come when they like, may come before it."""
        while True:
            found, body = await asyncio.wait_for(self.frames.get(), PATIENCE_SECONDS)
            if found == kind:
                return Reader(body)
            expect(found == OUTPUT, f"frame {found} instead of {kind}")

    async def ended(self, within):
        """Waits until the peer has ended the connection, whatever it says until then, which is not answered."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(1 << 16), within):
                pass


class Gateway:
    def __init__(self, name, secret, cluster="stonepot"):
        self.name, self.secret, self.cluster = name, secret, cluster
        self.node = f"{name}~{os.urandom(8).hex()}"
        self.port = free_port()
        self.status, self.incarnation = ALIVE, int(time.time() * 1000)
        # By node: what is known of members, what they last said of this one, and the lines that were dialed to them.
        self.members, self.said_of_own, self.lines = {}, {}, {}
        self.dialing, self.dialed_by = set(), set()
        self.owners, self.has_joined = {}, False
        # By number: pings that were sent, for whom if not for oneself, and those that were answered.
        self.pings, self.acks = {}, set()
        self.tasks, self.fault = set(), None

    # Tasks

    def spawn(self, body):
        async def guarded():
            try:
                await body
            except Exception as error:  # Told by `check`.
                self.fault = self.fault or error

        self.tasks.add(asyncio.ensure_future(guarded()))

    async def until(self, what, condition):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self.check()
            expect(time.monotonic() < deadline, f"waited in vain: {what()}")
            await asyncio.sleep(0.02)

    def check(self):
        if self.fault:
            raise Wrong(f"a connection failed: {self.fault!r}") from self.fault

    # Connections

    def hello(self):
        return (text("stonepot-peer") + number(1) + number(1) + text(self.cluster) + number(SLOTS) + text(self.node)
                + text(self.name) + bytes([GATEWAY]) + text(f"{HOST}:{self.port}") + data(os.urandom(32))
                + many([], text))

    async def dial(self, port):
        line = Line(*await asyncio.open_connection(HOST, port))
        own = self.hello()
        line.send(HELLO, own)
        theirs = line.greet(await line.due(HELLO))
        line.send(AUTHENTICATE, data(proof(self.secret, 1, own, theirs)))
        mac = Reader(await line.due(AUTHENTICATE)).data()
        expect(hmac.compare_digest(mac, proof(self.secret, 2, own, theirs)), "the acceptor's proof is wrong")
        return line

    async def accept(self, reader, writer):
        line = Line(reader, writer)
        theirs, own = line.greet(await line.due(HELLO)), self.hello()
        line.send(HELLO, own)
        mac = Reader(await line.due(AUTHENTICATE)).data()
        expect(hmac.compare_digest(mac, proof(self.secret, 1, theirs, own)), "the dialer's proof is wrong")
        line.send(AUTHENTICATE, data(proof(self.secret, 2, theirs, own)))
        self.dialed_by.add(line.peer.node)
        await self.listen(line)

    async def listen(self, line):
        try:
            while True:
                kind, body = await line.receive()
                if kind == PING:
                    line.send(PONG, body)
                elif kind == GOSSIP:
                    self.hear(Reader(Reader(body).data()))
                elif kind == GOODBYE:
                    line.writer.close()
                    raise ConnectionError(Reader(body).text())
                else:
                    line.frames.put_nowait((kind, body))
        except (EOFError, ConnectionError):
            line.is_over = True
            if self.status == ALIVE:
                raise

    async def meet(self, port):
        line = await self.dial(port)
        self.lines[line.peer.node] = line
        self.spawn(self.listen(line))

    # Gossip

    def own(self):
        return Member(self.node, self.name, HOST, self.port, GATEWAY, 0, 1, 1, self.status, self.incarnation, [])

    def tell(self, node, kind, about=b"", state=False):
        if node in self.lines:
            members = list(self.members.values()) if state else []
            self.lines[node].send(GOSSIP, data(
                bytes([1, kind]) + data(member_bytes(self.own())) + data(about)
                + many(members, lambda member: data(member_bytes(member)))
                + owners_bytes(self.owners if state else {})))

    def ping(self, node, asked_by=None):
        self.pings[len(self.pings) + 1] = asked_by
        self.tell(node, PING_MEMBER, number(len(self.pings)) + text(node))

    def hear(self, message):
        expect(message.byte() == 1, "gossip of another version")
        kind, sender, about = message.byte(), read_member(message.data()), Reader(message.data())
        for member in [sender] + [read_member(content) for content in message.many(message.data)]:
            self.learn(member, sender.node)
        for slot, (epoch, owner) in read_owners(message).items():
            known, last = self.owners.get(slot, (0, None))
            if (epoch, owner is None) > (known, last is None):
                self.owners[slot] = (epoch, owner)
        if kind == PING_MEMBER:
            self.tell(sender.node, ACK, number(about.number()) + text(self.node))
        elif kind == ACK:
            answered, target = about.number(), about.text()
            self.acks.add(answered)
            if self.pings[answered]:
                node, asked = self.pings[answered]
                self.tell(node, ACK, number(asked) + text(target))
        elif kind == PING_REQUEST:
            asked, target = about.number(), about.text()
            self.ping(target, asked_by=(sender.node, asked))
            asked_ping = len(self.pings)
            asyncio.get_running_loop().call_later(
                0.08, lambda: asked_ping in self.acks or self.tell(sender.node, NACK, number(asked)))
        elif kind in (FULL_STATE, FULL_ANSWER):
            self.has_joined = True
            if kind == FULL_STATE:
                self.tell(sender.node, FULL_ANSWER, state=True)

    def learn(self, member, sender):
        if member.node == self.node:
            self.said_of_own[sender] = member
            if (member.incarnation, member.status) > (self.incarnation, self.status):
                self.incarnation = member.incarnation + 1
            return
        known = self.members.get(member.node)
        if known is None or (member.incarnation, member.status) >= (known.incarnation, known.status):
            self.members[member.node] = member
        if member.status in (ALIVE, SUSPECT) and member.kind == NODE and member.node not in self.dialing:
            self.dialing.add(member.node)
            if member.node not in self.lines:
                self.spawn(self.meet(member.port))

    async def gossip(self):
        """Asks for full state each second until all is known, and pings one member after the other."""
        turn = 0
        while self.status == ALIVE:
            node = sorted(self.lines)[turn // 5 % len(self.lines)]
            knows_all = sum(owner is not None for _, owner in self.owners.values()) == SLOTS
            if turn % 5 == 0 and not (self.has_joined and knows_all):
                self.tell(node, FULL_STATE, state=True)
            self.ping(sorted(self.lines)[turn % len(self.lines)])
            turn += 1
            await asyncio.sleep(0.2)

    def leave(self):
        self.status = LEFT
        for node, line in self.lines.items():
            self.tell(node, LEAVE)
            line.send(GOODBYE, text("done"))


# Rooms

class Session:
    """One session: what is asked of its room, and what was said to it."""

    def __init__(self, line, room, session):
        self.line, self.room, self.session, self.count, self.settled = line, room, session, 0, 0
        self.items = []

    def ask(self, kind, rest=b""):
        self.line.send(kind, text(self.room) + number(self.session) + rest)

    def open(self, since=None):
        self.ask(OPEN, maybe(None, text) + bytes([2]) + maybe(since, signed) + maybe(None, text) + b"\0"
                 + maybe(None, signed))

    def operate(self, name, after, command):
        self.count += 1
        self.ask(OPERATION, number(self.count) + maybe(name, text) + text("asha") + text(name) + signed(after)
                 + data(command))

    async def hear(self, last):
        """What comes up to an item of this kind, by kinds."""
        heard = collections.defaultdict(list)
        while last not in heard:
            reader = await self.line.next(OUTPUT)
            expect(reader.text() == self.room and reader.signed() > 0, "an output of another room, or epoch")
            for content in reader.many(reader.data):
                item = Reader(content)
                kind = item.byte()
                if kind == BROADCAST:
                    at, _, delta = item.signed(), item.maybe(item.data), item.maybe(item.data)
                    message = json.loads(delta)
                    expect(message["seq"] == at, message)
                    heard[kind].append(message)
                elif kind in (DIRECT, SYNC, RESUMING, HISTORY, SETTLED, BOUND):
                    if item.number() == self.session:
                        heard[kind].append(item)
        return heard
