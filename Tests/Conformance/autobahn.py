"""The Autobahn WebSocket suite against the echo: RFC 6455, case by case."""

import json
import os
import pathlib
import shutil
import subprocess

from server import HOST, NotReady, call, serving, table

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
AGENT = "stonepot"
# Compression is not offered; docs/decisions/2026-11-23-no-permessage-deflate.md.
LEFT_OUT = ["12.*", "13.*"]
# NON-STRICT is allowed by the RFC, if not what the suite would like best; INFORMATIONAL is not judged.
ALLOWED = ("OK", "NON-STRICT", "INFORMATIONAL")
# All cases took 37 s on two processors.
LIMIT_SECONDS = 600
CATEGORIES = {
    "1": "framing", "2": "pings and pongs", "3": "reserved bits", "4": "opcodes", "5": "fragmentation", "6": "UTF-8",
    "7": "closing", "9": "sizes and many messages", "10": "automatic fragmentation",
}


def run(options, scratch):
    python, suite = install(scratch)
    reports = scratch / "autobahn-reports"
    shutil.rmtree(reports, ignore_errors=True)
    with serving(options.server) as port:
        specification = scratch / "autobahn.json"
        specification.write_text(json.dumps({
            "outdir": str(reports),
            "servers": [{"agent": AGENT, "url": f"ws://{HOST}:{port}/parties/echo/suite"}],
            "cases": options.cases or ["*"], "exclude-cases": LEFT_OUT, "exclude-agent-cases": {},
        }))
        with open(scratch / "autobahn.log", "w") as log:
            try:
                code = subprocess.run(
                    [python, suite / "bin" / "wstest", "--mode", "fuzzingclient", "--spec", specification],
                    env=environment(suite), stdout=log, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, check=False,
                ).returncode
            except subprocess.TimeoutExpired as error:
                raise NotReady(f"{error}; see {log.name}") from error
    index = reports / "index.json"
    if code != 0 or not index.exists():
        raise NotReady(f"wstest ended with code {code}; see {log.name}")
    return judge(json.loads(index.read_text())[AGENT], reports)


def judge(cases, reports):
    """Prints the results; gives whether all are allowed and there are any."""
    verdicts = {case: worst(result) for case, result in cases.items()}
    rows = [["Autobahn", "cases", *ALLOWED, "failed"]]
    for category in sorted({case.split(".")[0] for case in cases}, key=int):
        of = [verdict for case, verdict in verdicts.items() if case.split(".")[0] == category]
        counts = [of.count(verdict) for verdict in ALLOWED]
        rows.append([f"{category:>2} {CATEGORIES.get(category, '')}"]
                    + [str(number) for number in (len(of), *counts, len(of) - sum(counts))])
    table(rows)
    for case in sorted(cases, key=lambda case: [int(part) for part in case.split(".")]):
        if verdicts[case] != "OK":
            report = json.loads((reports / cases[case]["reportfile"]).read_text())
            detail = report["description"].splitlines()[0].partition("<br")[0].rstrip(".")
            print(f"  {case} {verdicts[case]}: {detail}. Closed with {report['remoteCloseCode']}.")
    print(f"All of it is in {reports}/index.html")
    return bool(cases) and all(verdict in ALLOWED for verdict in verdicts.values())


def worst(result):
    """A case is judged twice: by what came back, and by how the connection ended."""
    marks = (result["behavior"], result["behaviorClose"])
    for mark in marks:
        if mark not in ALLOWED:
            return mark
    return max(marks, key=ALLOWED.index)


def install(scratch):
    """Gives a Python 2.7 and the folder in which the suite is installed for it."""
    python, suite = find_python(), scratch / "autobahn"
    wanted, installed = REQUIREMENTS.read_text(), suite / "requirements.txt"
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing the suite for {python}", flush=True)
        shutil.rmtree(suite, ignore_errors=True)
        answer = call(
            [python, "-m", "pip", "--disable-pip-version-check", "install", "--user", "--ignore-installed", "--quiet",
             "--no-warn-script-location", "--requirement", REQUIREMENTS],
            limit=LIMIT_SECONDS, env=environment(suite))
        if answer.returncode != 0:
            raise NotReady(f"the suite could not be installed:\n{answer.stderr}")
        installed.write_text(wanted)
    return python, suite


def environment(suite):
    """Python 2.7 has no virtual environments of its own, but lets the user's packages lie anywhere."""
    return {**os.environ, "PYTHONUSERBASE": str(suite)}


def find_python():
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    candidates = [os.environ.get("PYTHON2"), *sorted(map(str, pyenv.glob("versions/2.7.*/bin/python2.7"))),
                  shutil.which("python2.7")]
    for candidate in filter(None, candidates):
        # A shim of pyenv's is there also when its Python is not.
        if call([candidate, "-m", "pip", "--version"]).returncode == 0:
            return candidate
    raise NotReady(
        "The Autobahn suite needs Python 2.7 with pip, which Debian has no more; `pyenv install 2.7.18` builds one. "
        "Name it as PYTHON2 if it is not found by itself.")
