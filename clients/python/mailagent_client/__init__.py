"""The Python client of mailagent: `connect`, the services, and watches that resume. `v1` has all messages."""

from mailagent_client import v1
from mailagent_client.client import EARLIEST, LATEST, Backoff, Clients, Delivery, connect, error_info

__all__ = ["EARLIEST", "LATEST", "Backoff", "Clients", "Delivery", "connect", "error_info", "v1"]
