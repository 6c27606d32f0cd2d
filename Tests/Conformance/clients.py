"""Clients that others wrote: Python's websockets, curl and h2load, over plain connections and TLS."""

import asyncio
import json
import pathlib
import shutil
import ssl
import tempfile

from server import HOST, NotReady, Wrong, call, expect, serving

try:
    import websockets
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.extensions.permessage_deflate import PerMessageDeflate
except ImportError as missing:
    raise NotReady(f"{missing}: Debian has it as python3-websockets") from missing

LIMIT_SECONDS = 20
REQUESTS = 2000


def run(options, _):
    for program in ("curl", "h2load", "openssl"):
        if shutil.which(program) is None:
            raise NotReady(f"{program} is missing")

    passed = True
    with tempfile.TemporaryDirectory(prefix="stonepot-conformance-") as folder:
        certificate, key = make_certificate(pathlib.Path(folder))
        trusting = ssl.create_default_context(cafile=certificate)
        secure = ["--tls-certificate", certificate, "--tls-key", key]
        for scheme, arguments, context in (("ws", [], None), ("wss", secure, trusting)):
            with serving(options.server, *arguments) as port:
                origin = f"{scheme}://{HOST}:{port}"
                for check in (echo, rooms, compression, reserved_bit):
                    passed &= report(f"websockets {websockets.__version__} {scheme}: {check.__doc__}",
                                     lambda: asyncio.run(asyncio.wait_for(check(origin, context), LIMIT_SECONDS)))
                passed &= report(f"curl {scheme.replace('ws', 'http')}: the same answers in each version of HTTP",
                                 lambda: curl(port, certificate if context else None))
                passed &= report(f"h2load {scheme.replace('ws', 'http')}: {REQUESTS} requests in each version of HTTP",
                                 lambda: h2load(port, context is not None))
    return passed


def report(name, body):
    try:
        body()
    except (Wrong, OSError, asyncio.TimeoutError, WebSocketException) as error:
        print(f"FAILED  {name}: {error or type(error).__name__}")
        return False
    print(f"ok      {name}")
    return True


def make_certificate(folder):
    certificate, key = folder / "server.pem", folder / "server.key"
    answer = call([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
        f"subjectAltName=DNS:localhost,IP:{HOST}",
    ])
    if answer.returncode != 0:
        raise NotReady(f"openssl: {answer.stderr}")
    return str(certificate), str(key)


def connect(origin, path, context, **options):
    return websockets.connect(origin + path, ssl=context, max_size=None, **options)


async def echo(origin, context):
    """messages of all sizes come back as they were, pings are answered, a close is answered"""
    async with connect(origin, "/parties/echo/x", context) as socket:
        for text in ("", "a", "Daal ₹ 🍲" * 7, "z" * 125, "z" * 126, "z" * 65_535, "z" * 65_536, "z" * 1_000_000):
            for message in (text, text.encode()):
                await socket.send(message)
                expect(await socket.recv() == message, f"{len(message)} came back as something else")
        await socket.send(["in ", "three ", "parts"])
        expect(await socket.recv() == "in three parts", "a message in parts came back as something else")
        await (await socket.ping(b"are you there"))
        await socket.close(4001, "enough")
        expect(socket.close_code == 4001, f"the close was answered with {socket.close_code}")


async def rooms(origin, context):
    """two people in one room see each other's changes in order"""
    path = "/parties/collaborative_order/table?v=2"
    async with connect(origin, path, context) as asha, connect(origin, path, context) as ben:
        for socket, name in ((asha, "asha"), (ben, "ben")):
            await socket.send(json.dumps({
                "type": "join", "participantId": name, "participantName": name,
                "data": {"circleId": "family", "tenantId": "dhaba"}}))
            while json.loads(await socket.recv())["type"] != "participant_joined":
                pass
        for number in range(20):
            await asha.send(json.dumps({
                "type": "add_item", "participantId": "asha", "opId": f"item-{number}",
                "data": {"dishName": "Naan", "dishType": "veg", "quantity": 1, "price": 30}}))
        for socket in (asha, ben):
            seen = []
            while len(seen) < 20:
                message = json.loads(await socket.recv())
                expect(message["type"] != "error", message)
                if message["type"] == "item_added":
                    seen.append(message["seq"])
            expect(seen == list(range(seen[0], seen[0] + 20)), f"positions {seen}")


async def compression(origin, context):
    """permessage-deflate, which is offered, is not accepted, and all goes on without it"""
    async with connect(origin, "/parties/echo/x", context, compression="deflate") as socket:
        expect("permessage-deflate" in socket.request_headers["Sec-WebSocket-Extensions"], "nothing was offered")
        expect("Sec-WebSocket-Extensions" not in socket.response_headers, "an extension was accepted")
        expect(socket.extensions == [], f"the client believes in {socket.extensions}")
        await socket.send("z" * 10_000)
        expect(await socket.recv() == "z" * 10_000, "the message came back as something else")


async def reserved_bit(origin, context):
    """a compressed message, of which nothing was agreed, closes the connection with 1002"""
    for path in ("/parties/echo/x", "/parties/collaborative_order/bits"):
        async with connect(origin, path, context, compression=None) as socket:
            socket.extensions = [PerMessageDeflate(False, False, 15, 15)]
            await socket.send("z" * 100)
            try:
                # The state of a room comes first.
                while True:
                    await socket.recv()
            except ConnectionClosed:
                expect(socket.close_code == 1002, f"{path} closed with {socket.close_code}")


def curl(port, certificate):
    versions = ["--http1.0", "--http1.1"] + (["--http2"] if certificate else [])
    trust = ["--cacert", certificate] if certificate else []
    base = f"{'https' if certificate else 'http'}://{HOST}:{port}"
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/parties/main/nobody", 404),
                         ("/nothing", 404)):
        for method in ("GET", "HEAD", "OPTIONS"):
            seen = set()
            for version in versions:
                shown = ["--head"] if method == "HEAD" else ["--request", method]
                answer = call(["curl", "--silent", "--show-error", "--max-time", "10", version, *trust, *shown,
                               "--output", "/dev/null", "--write-out", "%{http_code} %{content_type}", base + path])
                expect(answer.returncode == 0, f"{version} {method} {path}: {answer.stderr.strip()}")
                seen.add(answer.stdout)
            expect(len(seen) == 1, f"{method} {path} is answered in different ways: {seen}")
            wanted = 204 if method == "OPTIONS" else status
            expect(seen.pop().startswith(f"{wanted} "), f"{method} {path} is not answered with {wanted}")


def h2load(port, is_secure):
    base = f"{'https' if is_secure else 'http'}://{HOST}:{port}/healthz"
    for version in [["--h1"]] + ([["--max-concurrent-streams", "20"]] if is_secure else []):
        answer = call(["h2load", "--requests", str(REQUESTS), "--clients", "20", *version, base], limit=LIMIT_SECONDS * 3)
        wanted = f"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout"
        expect(answer.returncode == 0 and wanted in answer.stdout, f"{version}: {answer.stdout}{answer.stderr}")
