"""Opening a connection, the services on it, and streams that go on after a broken connection."""

from __future__ import annotations

import logging
import random
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from mailagent_client import v1

EARLIEST = "EARLIEST"
"""A cursor that asks for everything that is kept."""

LATEST = "LATEST"
"""A cursor that asks for only what comes from now on. Watches other than of messages take an empty one for it."""

Token = str | Callable[[], str]
Event = TypeVar("Event")
Request = TypeVar("Request", v1.WatchMatchesRequest, v1.StreamMessagesRequest, v1.WatchChangesRequest)
Detail = TypeVar("Detail")

_log = logging.getLogger(__name__)

_CHANNEL_OPTIONS = [
    ("grpc.primary_user_agent", "mailagent-client-python/0.1.0"),
    # A page of 500 records may well pass gRPC's own limit of 4 MiB.
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    # A watch is silent for seconds: without pings a broken path would go unnoticed.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]


# How gRPC's names of lists of addresses begin.
_LISTS = ("ipv4:", "ipv6:")


@dataclass(frozen=True)
class Delivery(Generic[Event]):
    """A response of a watch."""

    cursor: str
    """The position after this delivery: a later watch that starts here misses nothing. Never empty."""
    event: Event | None
    """What happened. None is a bookmark: everything up to `cursor` has been delivered."""


@dataclass(frozen=True)
class Backoff:
    """How a watch waits before it calls again. Each wait is a random part of a limit that doubles with every failure in a row."""

    first: float = 0.5
    """Limit of the first wait, in seconds."""
    max: float = 30.0
    """Limit of all waits, in seconds, unless the service asks for a longer one (RetryInfo)."""
    give_up_after: int | None = None
    """Failures in a row, without any response between them, after which the error is raised. None: never."""

    def delay(self, failures: int, error: grpc.RpcError) -> float:
        """How long to wait after the given number of failures in a row, at least 1."""
        # Random, so that the clients of a service that restarts do not all come back at once. The exponent is bounded because
        # a float is.
        wait = random.random() * min(self.max, self.first * 2 ** min(failures - 1, 64))
        retry = _detail(error, error_details_pb2.RetryInfo)
        return wait + (retry.retry_delay.ToTimedelta().total_seconds() if retry else 0.0)


def connect(
    address: str, token: Token = "", *, credentials: grpc.ChannelCredentials | None = None, authority: str | None = None
) -> Clients:
    """Creates the clients. Nothing is sent before the first call, and the next call re-establishes a broken connection.

    `address` is `host:port`, `http://host:port` or `https://host:port`; the last uses the system's root certificates. Or it is a list of
    addresses as gRPC writes it, such as `ipv4:10.0.0.1:50051,10.0.0.2:50051`: the first that answers is used. `credentials` replaces the
    root certificates, say by a private one. `authority` is the name by which the service is called, with TLS the one in its certificate;
    without it that of the address, of a list its first. `token` is the bearer token, or what gives one for each call. Watches call it
    again when the service refuses the last one, which it does when a token expires, and go on. An empty one sends none.
    """
    if address.startswith(_LISTS):
        # gRPC would send the whole list as the authority, which is none.
        target, authority = address, authority or address.partition(":")[2].partition(",")[0]
    else:
        url = urlsplit(address if "://" in address else f"//{address}")
        if not url.hostname or url.scheme not in ("", "http", "https"):
            raise ValueError(f"not an address of a service: {address!r}; write host:port, http://host:port or https://host:port")
        target = url.netloc if url.port else f"{url.netloc}:{443 if url.scheme == 'https' else 80}"
        if credentials is None and url.scheme == "https":
            credentials = grpc.ssl_channel_credentials()
    options = [*_CHANNEL_OPTIONS, ("grpc.default_authority", authority)] if authority else _CHANNEL_OPTIONS
    if credentials is None:
        channel = grpc.insecure_channel(target, options)
    else:
        channel = grpc.secure_channel(target, credentials, options)
    return Clients(channel, token)


@dataclass
class Clients:
    """The services on one connection, and watches that resume automatically. Close it, or use it in a `with` statement."""

    channel: grpc.Channel
    token: Token = field(default="", repr=False)
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        channel = grpc.intercept_channel(self.channel, _Bearer(self.token))
        self.agents = v1.AgentServiceStub(channel)
        self.archive = v1.ArchiveServiceStub(channel)
        self.directory = v1.DirectoryServiceStub(channel)
        self.settings = v1.SettingsServiceStub(channel)
        self.sweep = v1.SweepServiceStub(channel)

    def watch_matches(self, request: v1.WatchMatchesRequest) -> Iterator[Delivery[v1.Match]]:
        """Follows the matches of messages with cases.

        When the service stops (UNAVAILABLE) or the connection breaks, it waits, calls again with the last cursor and continues; so it
        does with a fresh token when the last one has expired (UNAUTHENTICATED) and `token` is a function. Any other error is raised,
        also when the fresh token is rejected too. Every event is delivered at least once, in order, without gaps; an event may be repeated after a break, so
        drop repeats by its id, or store the cursor together with what was done about the event. Closing the generator ends the call.
        """
        return self._resume(request, self.sweep.WatchMatches, "match")

    def watch_tokens(self, request: v1.WatchTokensRequest) -> Iterator[Delivery[v1.TokenEvent]]:
        """Follows what happens to the logins of agents and maintenance accounts, as `watch_matches` does."""
        return self._resume(request, self.agents.WatchTokens, "event")

    def stream_messages(self, request: v1.StreamMessagesRequest) -> Iterator[Delivery[v1.Message]]:
        """Follows the archive's messages, first the old ones, then the new ones, as `watch_matches` does."""
        return self._resume(request, self.archive.StreamMessages, "message")

    def watch_changes(self, request: v1.WatchChangesRequest) -> Iterator[Delivery[v1.Change]]:
        """Follows what the service makes for the CRM to copy, as `watch_matches` does."""
        return self._resume(request, self.directory.WatchChanges, "change")

    def close(self) -> None:
        """Ends all calls."""
        self.channel.close()

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _resume(self, request: Request, method: Callable, event: str) -> Iterator[Delivery]:
        # The caller's request stays as it is.
        request = type(request).FromString(request.SerializeToString())
        failures = 0
        renewed = False
        while True:
            call = method(request)
            try:
                for response in call:
                    failures = 0
                    renewed = False
                    request.cursor = response.cursor
                    yield Delivery(response.cursor, getattr(response, event) if response.HasField(event) else None)
                error = None
            except grpc.RpcError as failure:
                error = failure
            finally:
                call.cancel()
            if error is not None and error.code() is grpc.StatusCode.UNAUTHENTICATED and callable(self.token) and not renewed:
                renewed = True
                _log.info("the token was rejected, continuing with a fresh one: %s", error.details())
                continue
            failures += 1
            if error is not None and (not _is_passing(error) or failures == self.backoff.give_up_after):
                raise error
            delay = self.backoff.delay(failures, error)
            _log.info("the stream broke, going on in %.1f s: %s", delay, error.details() if error else "it ended")
            time.sleep(delay)


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """The stable reason and metadata of an error, or None when it has none, say because the service was not reached."""
    return _detail(error, error_details_pb2.ErrorInfo)


def _detail(error: grpc.RpcError | None, kind: type[Detail]) -> Detail | None:
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    for packed in status.details if status else ():
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None


def _is_passing(error: grpc.RpcError) -> bool:
    """Whether the same call may succeed later on. A proxy that loses its server resets the stream, which gRPC reports only as text."""
    return error.code() is grpc.StatusCode.UNAVAILABLE or (error.details() or "").startswith(("Received RST_STREAM", "Stream removed"))


class _CallDetails(
    namedtuple("_CallDetails", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")), grpc.ClientCallDetails
):
    """What the library passes to an interceptor, copied with different metadata."""


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token to each call. (gRPC's own call credentials refuse to work without TLS, so not on the loopback either.)"""

    def __init__(self, token: Token) -> None:
        self._token = token

    def _with_token(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        token = self._token() if callable(self._token) else self._token
        if not token:
            return details
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {token}")]
        return _CallDetails(details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression)

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation, details, request):
        return continuation(self._with_token(details), request)
