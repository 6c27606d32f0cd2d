"""A tenant's records over HTTP/2: a server with a certificate, on a SQLite file or on PostgreSQL."""

import contextlib
import pathlib
import subprocess
import sys

from . import clusters, servers

POSTGRES = "stonepot-postgres"


def make_certificate(folder):
    """One that is signed by itself, as `server.pem`, and its key as `server.key`; gives the certificate's path."""
    certificate = pathlib.Path(folder, "server.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-keyout", str(pathlib.Path(folder, "server.key")), "-out", str(certificate), "-subj", "/CN=localhost",
               "-addext", f"subjectAltName=DNS:localhost,IP:{servers.HOST}"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        raise servers.NotStarted(f"openssl made no certificate: {error}") from error
    return str(certificate)


@contextlib.contextmanager
def database(names, scratch):
    """A PostgreSQL server if one of these servers needs it; none where there is none, and then that server is left out."""
    with contextlib.ExitStack() as stack:
        found = None
        if POSTGRES in names:
            try:
                found = stack.enter_context(clusters.postgres(scratch))
            except servers.NotStarted as error:
                print(f"{error}\n{POSTGRES} is left out", file=sys.stderr)
                names.remove(POSTGRES)
        yield found


def measure(name, command, scratch, load, seconds, arguments, postgres):
    """One run against a fresh server on an empty store."""
    certificate = make_certificate(scratch)
    used = postgres.seconds if name == POSTGRES else lambda: 0
    words = {"postgres": postgres.new_database()} if name == POSTGRES else {}
    with servers.running(name, command, scratch, "/readyz", authority=certificate, **words) as (server, port, _):
        return clusters.drive([server], port, scratch, load, arguments, seconds, used, certificate)
