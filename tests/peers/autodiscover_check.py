"""Judges the Autodiscover of the simulated Exchange server with exchangelib, an EWS client written by others, in the last version that
speaks the older form (POX). It lies in a folder of its own, which PYTHONPATH names.

    autodiscover_check.py TOLD

TOLD is a JSON text: {"ports": {"NAME:PORT": port on this machine}, "services": {"NAME": "host"}, "roots": file, "login": ..., "password": ...,
"cases": [{"address": ..., "endpoint": what is to be found, empty for nothing}]}. Prints one line per step; exits with 1 at the first failure.
"""

import json
import os
import socket
import sys

told = json.loads(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = told["roots"]

import dns.resolver  # noqa: E402
from exchangelib import Credentials  # noqa: E402
from exchangelib.autodiscover import autodiscover_cache  # noqa: E402
from exchangelib.autodiscover.discovery import Autodiscovery  # noqa: E402
from exchangelib.autodiscover.protocol import AutodiscoverProtocol  # noqa: E402
from exchangelib.errors import AutoDiscoverFailed, ErrorNonExistentMailbox  # noqa: E402


def step(text, good=True):
    print(("ok    " if good else "WRONG ") + text, flush=True)
    if not good:
        sys.exit(1)


ask_system = socket.getaddrinfo


def getaddrinfo(host, port, *rest, **more):
    """Names mean servers on this machine, whatever their ports are here."""
    known = told["ports"].get(f"{host}:{port}")
    if known is None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} is not known")
    return ask_system("127.0.0.1", known, *rest, **more)


class Record:
    def __init__(self, text):
        self.text = text

    def to_text(self):
        return self.text


class Resolver:
    """A name service that knows what it was told."""

    def resolve(self, name, kind, **_):
        name = name.rstrip(".")
        if kind == "A" and any(known.split(":")[0] == name for known in told["ports"]):
            return [Record("127.0.0.1")]
        if kind == "SRV" and name in told["services"]:
            return [Record(f"0 0 443 {told['services'][name]}.")]
        raise dns.resolver.NXDOMAIN


def main():
    socket.getaddrinfo = getaddrinfo
    Autodiscovery.resolver = Resolver()
    Autodiscovery.RETRY_WAIT = 0
    AutodiscoverProtocol.TIMEOUT = 5
    for case in told["cases"]:
        autodiscover_cache.clear()
        search = Autodiscovery(email=case["address"], credentials=Credentials(told["login"], told["password"]))
        try:
            _, protocol = search.discover()
            found = protocol.service_endpoint
        except (AutoDiscoverFailed, ErrorNonExistentMailbox) as error:
            found = ""
            print(f"      {error!r:.200}")
        step(f"{case['address']}: {found or 'nothing'}", found == case["endpoint"])


main()
