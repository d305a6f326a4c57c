"""The Python client against a running service, told by the environment. Exits with 1 when something is wrong."""

import os
import sys
import threading
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python"))

from mailagent_client import EARLIEST, connect, error_info, v1  # noqa: E402

MISSING_AGENT = "agents/01ARZ3NDEKTSV4RRFFQ69G5FAV"
PATIENCE_SECONDS = 60


def log(line):
    print(f"python: {line}", flush=True)


def expect(holds, text):
    if not holds:
        sys.exit(f"python: {text}")


def failure(call, request):
    """What a call fails with."""
    try:
        answer = call(request, timeout=PATIENCE_SECONDS)
    except grpc.RpcError as error:
        return error
    sys.exit(f"python: a call that must fail gave {answer}")


def expect_reason(error, reason):
    info = error_info(error)
    expect(info and info.domain == "mailagent" and info.reason == reason, f"{error}: ErrorInfo is {info}, not {reason}")


def follow(what, wanted, watch, request, id_of):
    """Follows a stream from the beginning until the wanted number of different events has come, with one break after the first."""
    seen = set()
    cursor = EARLIEST
    for goal in (1, wanted):
        if len(seen) >= min(goal, wanted):
            continue
        for delivery in watch(request(cursor=cursor)):
            cursor = delivery.cursor
            expect(cursor, f"a delivery of {what} without a cursor")
            if delivery.event is None:
                continue
            expect(id_of(delivery.event), f"an event of {what} without an id")
            seen.add(id_of(delivery.event))
            if len(seen) >= goal:
                break
    log(f"{len(seen)} {what} came, in two calls")


def give_up():
    print(f"python: not done after {PATIENCE_SECONDS} seconds; the last line above tells how far it came", file=sys.stderr, flush=True)
    os._exit(1)


def main():
    endpoint = os.environ["MAILAGENT_TEST_ENDPOINT"]
    # A watch waits for ever, so the process itself has the limit.
    limit = threading.Timer(PATIENCE_SECONDS, give_up)
    limit.daemon = True
    limit.start()

    with connect(endpoint) as strangers:
        error = failure(strangers.agents.GetAgent, v1.GetAgentRequest(name=MISSING_AGENT))
    expect(error.code() is grpc.StatusCode.UNAUTHENTICATED, f"without a token: {error}")
    expect_reason(error, "TOKEN_INVALID")
    log("a call without a token is UNAUTHENTICATED")

    with connect(endpoint, os.environ["MAILAGENT_TEST_TOKEN"]) as clients:
        error = failure(clients.agents.GetAgent, v1.GetAgentRequest(name=MISSING_AGENT))
        expect(error.code() is grpc.StatusCode.NOT_FOUND, f"a missing agent: {error}")
        expect_reason(error, "RESOURCE_NOT_FOUND")
        resource = error_details_pb2.ResourceInfo()
        expect(any(detail.Unpack(resource) for detail in rpc_status.from_call(error).details), f"no ResourceInfo: {error}")
        expect(resource.resource_name == MISSING_AGENT, f"ResourceInfo: {resource}")
        log("a missing agent is NOT_FOUND, with details")

        matches, messages = int(os.environ["MAILAGENT_TEST_MATCHES"]), int(os.environ["MAILAGENT_TEST_MESSAGES"])
        follow("matches", matches, clients.watch_matches, v1.WatchMatchesRequest, lambda match: match.event_id)
        follow("messages", messages, clients.stream_messages, v1.StreamMessagesRequest, lambda message: message.name)


if __name__ == "__main__":
    main()
