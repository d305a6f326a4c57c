"""The client against a small server that plays a script. Run by `python -m unittest discover clients/python/tests`."""

import socket
import sys
import unittest
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mailagent_client import EARLIEST, Backoff, connect, error_info, v1  # noqa: E402


def status(code, reason):
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="mailagent"))
    return rpc_status.to_status(status_pb2.Status(code=code, message=reason, details=[detail]))


class Sweep(v1.SweepServiceServicer):
    """Plays one entry of the script for each call: event numbers (0 is a bookmark) and then a status, or None for a plain end."""

    def __init__(self, script):
        self.script = list(script)
        self.asked = []
        self.tokens = []

    def WatchMatches(self, request, context):
        self.asked.append(request.cursor)
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        events, end = self.script.pop(0)
        for event in events:
            match = v1.Match(event_id=f"event-{event}") if event else None
            yield v1.WatchMatchesResponse(cursor=f"after-{event}", match=match)
        if end:
            context.abort_with_status(end)


class WatchTest(unittest.TestCase):
    def follow(self, script, token="", backoff=Backoff(first=0.002, max=0.004)):
        """Follows the script to its error. Returns the server, the deliveries and the error."""
        sweep = Sweep(script)
        server = grpc.server(futures.ThreadPoolExecutor(2))
        v1.add_SweepServiceServicer_to_server(sweep, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        deliveries = []
        with connect(f"http://127.0.0.1:{port}", token) as clients:
            clients.backoff = backoff
            with self.assertRaises(grpc.RpcError) as raised:
                for delivery in clients.watch_matches(v1.WatchMatchesRequest(cursor=EARLIEST)):
                    deliveries.append((delivery.cursor, delivery.event and delivery.event.event_id))
        self.assertEqual(sweep.script, [])
        return sweep, deliveries, raised.exception

    def test_goes_on_after_the_last_cursor(self):
        tokens = iter(["one", "two", "three", "four"])
        sweep, deliveries, error = self.follow(
            [
                ([], status(code_pb2.UNAVAILABLE, "STORE_UNAVAILABLE")),
                ([1, 2, 0], status(code_pb2.UNAVAILABLE, "SHUTTING_DOWN")),
                ([3], None),
                ([], status(code_pb2.OUT_OF_RANGE, "CURSOR_EXPIRED")),
            ],
            token=lambda: next(tokens),
        )
        self.assertEqual(deliveries, [("after-1", "event-1"), ("after-2", "event-2"), ("after-0", None), ("after-3", "event-3")])
        self.assertEqual(sweep.asked, [EARLIEST, EARLIEST, "after-0", "after-3"])
        self.assertEqual(sweep.tokens, ["Bearer one", "Bearer two", "Bearer three", "Bearer four"])
        self.assertIs(error.code(), grpc.StatusCode.OUT_OF_RANGE)
        self.assertEqual(error_info(error).reason, "CURSOR_EXPIRED")

    def test_goes_on_with_a_fresh_token_after_the_last_one_expired(self):
        tokens = iter(["one", "two", "three"])
        expired = status(code_pb2.UNAUTHENTICATED, "TOKEN_INVALID")
        script = [([1], expired), ([2], expired), ([], status(code_pb2.OUT_OF_RANGE, "CURSOR_EXPIRED"))]
        sweep, deliveries, error = self.follow(script, token=lambda: next(tokens))
        self.assertEqual(deliveries, [("after-1", "event-1"), ("after-2", "event-2")])
        self.assertEqual(sweep.asked, [EARLIEST, "after-1", "after-2"])
        self.assertEqual(sweep.tokens, ["Bearer one", "Bearer two", "Bearer three"])
        self.assertIs(error.code(), grpc.StatusCode.OUT_OF_RANGE)

    def test_a_fresh_token_that_is_refused_ends_it(self):
        refused = status(code_pb2.UNAUTHENTICATED, "TOKEN_INVALID")
        for token, script in [(lambda: "token", [([1], refused), ([], refused)]), ("token", [([1], refused)])]:
            _, deliveries, error = self.follow(script, token=token)
            self.assertEqual(deliveries, [("after-1", "event-1")])
            self.assertIs(error.code(), grpc.StatusCode.UNAUTHENTICATED)

    def test_gives_up_after_failures_in_a_row_only(self):
        away = ([], status(code_pb2.UNAVAILABLE, "STORE_UNAVAILABLE"))
        backoff = Backoff(first=0.002, max=0.004, give_up_after=2)
        sweep, deliveries, error = self.follow([away, ([1], None), away], backoff=backoff)
        self.assertEqual(deliveries, [("after-1", "event-1")])
        self.assertEqual(sweep.tokens, [None, None, None])
        self.assertIs(error.code(), grpc.StatusCode.UNAVAILABLE)

    def test_nobody_there(self):
        with connect("127.0.0.1:1") as clients:
            clients.backoff = Backoff(first=0.002, max=0.004, give_up_after=3)
            with self.assertRaises(grpc.RpcError) as raised:
                next(clients.watch_changes(v1.WatchChangesRequest()))
        self.assertIs(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIsNone(error_info(raised.exception))

    def test_a_list_of_addresses_is_called_by_one_name(self):
        # Nobody listens at the first.
        first = "127.0.0.1:1"
        for authority, expected in [(None, first), ("mail.example", "mail.example")]:
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(30)
                with connect(f"ipv4:{first},127.0.0.1:{server.getsockname()[1]}", authority=authority) as clients:
                    call = clients.agents.ListAgents.future(v1.ListAgentsRequest(), wait_for_ready=True)
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(30)
                        # An empty frame of settings. gRPC writes headers as they are, without Huffman's code.
                        connection.sendall(b"\0\0\0\4\0\0\0\0\0")
                        sent = b""
                        while b"AgentService/ListAgents" not in sent or expected.encode() not in sent:
                            piece = connection.recv(65536)
                            self.assertTrue(piece, sent)
                            sent += piece
                    call.cancel()
            self.assertNotIn(f"{first},".encode(), sent)

    def test_refuses_what_is_not_an_address(self):
        for address in ["", "ftp://host:1", "http://"]:
            with self.assertRaises(ValueError, msg=address):
                connect(address)


if __name__ == "__main__":
    unittest.main()
