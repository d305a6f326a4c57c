"""Prints each message that became a note on a case, from the oldest kept on, through restarts of the service.

    export MAILAGENT_TOKEN=$(mailagent token --tenant demo --user anna --scope sweep.read)
    python examples/follow_matches.py http://127.0.0.1:50051
"""

import os
import sys

from mailagent_client import EARLIEST, connect, v1


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:50051"
    with connect(address, os.environ["MAILAGENT_TOKEN"]) as clients:
        for delivery in clients.watch_matches(v1.WatchMatchesRequest(cursor=EARLIEST)):
            # A program with a database stores `delivery.cursor` with what it did about the event, and starts from there next time.
            if delivery.event:
                note = delivery.event.note
                print(f"{note.case_reference}  {note.name}  {note.subject}", flush=True)


if __name__ == "__main__":
    main()
