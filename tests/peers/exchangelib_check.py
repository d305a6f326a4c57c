"""Judges the simulated Exchange server with exchangelib, an EWS client written by others.

    exchangelib_check.py ENDPOINT LOGIN PASSWORD ADDRESS OTHER_ADDRESS MANIFEST

MANIFEST is a JSON file: a list of {"message_id": "<...>", "sha256": "hex of the bytes, or empty when they are rebuilt"}, what the inbox
of ADDRESS holds, newest first. LOGIN owns ADDRESS and may use OTHER_ADDRESS; the login `service`, with the same password, may act for both.
Prints one line per step; exits with 1 at the first failure.
"""

import hashlib
import json
import sys
import threading
import time
import uuid

from exchangelib import (
    DELEGATE,
    IMPERSONATION,
    Account,
    Build,
    CalendarItem,
    Configuration,
    Credentials,
    EWSDate,
    EWSDateTime,
    EWSTimeZone,
    Mailbox,
    Message,
    Version,
)
from exchangelib.errors import ErrorImpersonateUserDenied, ErrorInvalidSyncStateData, ErrorItemNotFound
from exchangelib.fields import MONDAY, WEDNESDAY
from exchangelib.items import SEND_TO_NONE
from exchangelib.recurrence import DailyPattern, Recurrence, WeeklyPattern


def step(text, good=True):
    print(("ok    " if good else "WRONG ") + text, flush=True)
    if not good:
        sys.exit(1)


def eventually(what, seconds=20):
    """Asks again until the answer is true. The last answer."""
    end = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def account(endpoint, login, password, address, access_type=DELEGATE):
    configuration = Configuration(
        service_endpoint=endpoint,
        credentials=Credentials(login, password),
        auth_type="basic",
        max_connections=4,  # the stream keeps one busy
        version=Version(build=Build(15, 1, 2507, 6)),
    )
    return Account(address, config=configuration, autodiscover=False, access_type=access_type)


def impersonation(endpoint, login, password, address, other_address):
    acting = [account(endpoint, "service", password, each, IMPERSONATION) for each in (address, other_address)]
    for each in acting:
        each.inbox.refresh()
    step("who may act for a mailbox is at home in it", acting[0].inbox.total_count > 0)
    try:
        account(endpoint, login, password, other_address, IMPERSONATION).inbox.refresh()
        step("who may not is refused", False)
    except ErrorImpersonateUserDenied:
        step("who may not is refused")

    # One stream for both mailboxes.
    subscriptions = [each.inbox.subscribe_to_streaming() for each in acting]
    heard = []

    def listen():
        stream = acting[0].inbox.get_streaming_events(subscriptions, connection_timeout=1, max_notifications_returned=2)
        for notification in stream:
            heard.append(notification.subscription_id)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for each in acting:
        Message(account=each, folder=each.inbox, subject="To be heard").save()
    step("one stream tells of both mailboxes", eventually(lambda: set(heard) == set(subscriptions)))
    listener.join(20)
    for each, subscription in zip(acting, subscriptions):
        each.inbox.unsubscribe(subscription)
    for each in acting:
        each.inbox.filter().order_by("-datetime_received").only("subject")[0].delete()


def calendar(mine):
    zone = EWSTimeZone("Europe/Berlin")

    def at(day, hour, minute=0):
        return EWSDateTime(2026, 11, day, hour, minute, tzinfo=zone)

    def seen(start=at(1, 0), end=at(30, 0), **options):
        return list(mine.calendar.view(start=start, end=end, **options))

    begun = list(mine.calendar.sync_items())
    step("the calendar is empty", begun == [] and seen() == [])

    # One appointment.
    visit = CalendarItem(
        account=mine,
        folder=mine.calendar,
        subject="Visit & <talk>",
        body="With coffee",
        location="Oak",
        categories=["Customer"],
        start=at(23, 10),
        end=at(23, 11, 30),
        legacy_free_busy_status="Tentative",
        sensitivity="Private",
        reminder_is_set=True,
        reminder_minutes_before_start=30,
    )
    visit.save(send_meeting_invitations=SEND_TO_NONE)
    got = mine.calendar.get(id=visit.id)
    step(f"an appointment is kept: {got.subject!r}", (got.subject, got.location, got.categories) == (visit.subject, "Oak", ["Customer"]))
    step("with its times", (got.start, got.end, got.duration) == (visit.start, visit.end, "PT1H30M"))
    step(f"and its time zone: {got._start_timezone}", got._start_timezone == zone and got._end_timezone == zone)
    step(
        "and the rest of it",
        (got.legacy_free_busy_status, got.sensitivity, got.reminder_minutes_before_start, got.type, got.is_meeting)
        == ("Tentative", "Private", 30, "Single", False),
    )
    step(f"it has a UID: {got.uid}", bool(got.uid) and "With coffee" in got.body)
    synced = list(mine.calendar.sync_items())
    step("the sync tells it", [(kind, one.id) for kind, one in synced] == [("create", visit.id)])

    got.subject = "Call"
    got.start, got.end = at(23, 12), at(23, 13)
    old_key = got.changekey
    got.save(update_fields=["subject", "start", "end"], send_meeting_invitations=SEND_TO_NONE)
    step("a change has another change key", got.changekey != old_key)
    changed = mine.calendar.get(id=visit.id)
    step("it is changed, the rest is not", (changed.subject, changed.start, changed.location, changed.uid) == ("Call", at(23, 12), "Oak", got.uid))
    step("the sync tells the change", [kind for kind, _ in mine.calendar.sync_items()] == ["update"])

    # A whole day.
    day = CalendarItem(
        account=mine, folder=mine.calendar, subject="Holiday", start=EWSDate(2026, 11, 25), end=EWSDate(2026, 11, 25), is_all_day=True
    )
    day.save(send_meeting_invitations=SEND_TO_NONE)
    got = mine.calendar.get(id=day.id)
    step(f"a whole day: {got.start} to {got.end}", got.is_all_day and (got.start, got.end) == (EWSDate(2026, 11, 25), EWSDate(2026, 11, 25)))

    # Views.
    step("a view is in order", [one.subject for one in seen()] == ["Call", "Holiday"])
    step("it has an end", [one.subject for one in seen(end=at(24, 0))] == ["Call"] and seen(end=at(23, 12)) == [])
    step("it has a beginning", [one.subject for one in seen(start=at(23, 12, 30), end=at(24, 0))] == ["Call"] and seen(start=at(23, 13), end=at(24, 0)) == [])
    step("and a length", [one.subject for one in seen(max_items=1)] == ["Call"])

    # Series.
    series = CalendarItem(
        account=mine,
        folder=mine.calendar,
        subject="Round",
        start=at(2, 9),
        end=at(2, 10),
        recurrence=Recurrence(pattern=WeeklyPattern(interval=1, weekdays=[MONDAY, WEDNESDAY]), start=EWSDate(2026, 11, 2), number=4),
    )
    series.save(send_meeting_invitations=SEND_TO_NONE)
    rounds = [one for one in seen() if one.subject == "Round"]
    step("a weekly series is spread out", [one.start for one in rounds] == [at(2, 9), at(4, 9), at(9, 9), at(11, 9)])
    step("into occurrences", {one.type for one in rounds} == {"Occurrence"} and len({one.id for one in rounds}) == 4)
    third = series.occurrence(3)
    third.refresh()
    step("one is found by its number", third.start == at(9, 9) and third.original_start == at(9, 9))
    third.location = "Elm"
    third.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)
    series.occurrence(2).delete(send_meeting_cancellations=SEND_TO_NONE)
    rounds = [one for one in seen() if one.subject == "Round"]
    step(
        "one is changed, one is gone",
        [(one.start, one.type, one.location) for one in rounds]
        == [(at(2, 9), "Occurrence", None), (at(9, 9), "Exception", "Elm"), (at(11, 9), "Occurrence", None)],
    )
    whole = mine.calendar.get(id=series.id)
    step("the series says so", whole.type == "RecurringMaster" and [one.start for one in whole.deleted_occurrences] == [at(4, 9)])
    # This client reads the days of the week as numbers.
    step("and keeps its rule", (whole.recurrence.pattern.weekdays, whole.recurrence.boundary.number) == ([1, 3], 4))
    step("and its last one", whole.last_occurrence.start == at(11, 9) and [one.start for one in whole.modified_occurrences] == [at(9, 9)])
    daily = CalendarItem(
        account=mine,
        folder=mine.calendar,
        subject="Daily",
        start=at(16, 8),
        end=at(16, 9),
        recurrence=Recurrence(pattern=DailyPattern(interval=2), start=EWSDate(2026, 11, 16), end=EWSDate(2026, 11, 20)),
    )
    daily.save(send_meeting_invitations=SEND_TO_NONE)
    step("a daily series ends", [one.start for one in seen() if one.subject == "Daily"] == [at(16, 8), at(18, 8), at(20, 8)])

    # Deletion.
    for item in (changed, got, whole, daily):
        item.delete(send_meeting_cancellations=SEND_TO_NONE)
    step("all are deleted", seen() == [] and mine.calendar.all().count() == 0)
    step("the sync tells it", [(kind, one.id) for kind, one in mine.calendar.sync_items()] == [("delete", visit.id)])


def main():
    endpoint, login, password, address, other_address, manifest_path = sys.argv[1:7]
    with open(manifest_path, encoding="utf-8") as file:
        manifest = json.load(file)
    mine = account(endpoint, login, password, address)
    other = account(endpoint, login, password, other_address)
    inbox = mine.inbox

    # Folders.
    names = {folder.name for folder in mine.root.walk()}
    step(f"folders: {sorted(names)}", {"Inbox", "Sent Items", "Drafts", "Deleted Items", "Calendar"} <= names)
    inbox.refresh()
    step(f"inbox counts {inbox.total_count} messages", inbox.total_count == len(manifest))
    step("calendar is there and empty", mine.calendar.all().count() == 0)

    # Listing, paged.
    listing = inbox.all().only("message_id", "subject", "datetime_received", "size", "sender").order_by("-datetime_received")
    listing.page_size = 7
    listed = list(listing)
    step(
        f"listed {len(listed)} messages, newest first, with the expected Message-IDs",
        [one.message_id for one in listed] == [one["message_id"] for one in manifest],
    )
    times = [one.datetime_received for one in listed]
    step("times received fall", times == sorted(times, reverse=True))

    # MIME.
    whole = {one.message_id: one for one in inbox.all().only("message_id", "mime_content")}
    step(f"fetched {len(whole)} messages", len(whole) == len(manifest))
    for one in manifest:
        mime = whole[one["message_id"]].mime_content
        kept = not one["sha256"] or hashlib.sha256(mime).hexdigest() == one["sha256"]
        if not kept or one["message_id"].encode() not in mime:
            step(f"MIME of {one['message_id']}", False)
    exact = sum(1 for one in manifest if one["sha256"])
    step(f"MIME: {exact} equal byte for byte, all {len(manifest)} with their Message-ID")
    full = inbox.all().order_by("-datetime_received")[0]
    step(f"all properties: {full.subject!r}", full.message_id == manifest[0]["message_id"])

    # Sync in pages, then a change, then again.
    found = [change for change in inbox.sync_items(max_changes_returned=7)]
    step(f"first sync: {len(found)} changes", [kind for kind, _ in found] == ["create"] * len(manifest))
    step("the sync state is complete", inbox.item_sync_state is not None)
    step("nothing new", list(inbox.sync_items()) == [])
    newest = inbox.all().order_by("-datetime_received").only("is_read", "changekey")[0]
    newest.is_read = True
    newest.save(update_fields=["is_read"])
    again = list(inbox.sync_items())
    step(f"a message read: {[kind for kind, _ in again]}", [kind for kind, _ in again] == ["read_flag_change"])
    step("it is the one, and read", again[0][1][0].id == newest.id and again[0][1][1] is True)

    # A stream that hears of a message sent to ourselves and to somebody else.
    heard = threading.Event()
    ready = threading.Event()
    events = []

    def listen():
        with inbox.streaming_subscription() as subscription:
            ready.set()
            for notification in inbox.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1):
                events.extend(notification.events)
                heard.set()
                break

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    step("subscribed", ready.wait(20))

    mark = f"<{uuid.uuid4()}@peer>"
    subject = "Grüße CS-1234567"
    mime = (
        f"From: {address}\r\nTo: {other_address}, {address}\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= CS-1234567\r\n"
        f"Message-ID: {mark}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nX-Peer: 1\r\n\r\nHello\r\n"
    ).encode()
    Message(account=mine, folder=mine.sent, mime_content=mime).send_and_save()

    def holds(folder, message_id):
        return [one for one in folder.all().only("message_id", "subject") if one.message_id == message_id]

    step("the copy is in Sent Items", len(holds(mine.sent, mark)) == 1)
    step("and is found by its Message-ID", [one.message_id for one in mine.sent.filter(message_id=mark).only("message_id")] == [mark])
    arrived = holds(other.inbox, mark)
    step("it arrived in the other mailbox", len(arrived) == 1 and arrived[0].subject == subject)
    step("the stream heard of it", heard.wait(20))
    kinds = sorted(type(event).__name__ for event in events)
    step(f"events: {kinds}", bool({"CreatedEvent", "NewMailEvent"} & set(kinds)))
    listener.join(20)
    step("unsubscribed", not listener.is_alive())
    new = list(inbox.sync_items())
    step("the sync has it too", len(new) == 1 and new[0][0] == "create")

    # A message of properties, as a draft first.
    draft = Message(account=mine, folder=mine.drafts, subject="Draft", body="Text", to_recipients=[Mailbox(email_address=other_address)])
    draft.save()
    step("a draft is saved", mine.drafts.all().count() == 1)
    draft.send(save_copy=True)
    step("it is sent", mine.drafts.all().count() == 0 and eventually(lambda: other.inbox.filter().only("subject").count() >= 2))
    step("its text arrived", "Text" in [one.text_body.strip() for one in other.inbox.all().only("text_body")])

    # Move and delete.
    [message] = holds(inbox, mark)
    old_id = message.id
    message.move(mine.junk)
    step("a move changes the id", message.id != old_id)
    step("the moved one is in the other folder", len(holds(mine.junk, mark)) == 1 and not holds(inbox, mark))
    gone = list(mine.fetch([(old_id, None)]))
    step(f"the old id is gone: {gone[0]!r}", isinstance(gone[0], ErrorItemNotFound))
    changes = list(inbox.sync_items())
    step("the sync tells the removal", [(kind, one.id) for kind, one in changes] == [("delete", old_id)])
    message.delete()
    step("deleted", not holds(mine.junk, mark))

    # A state that is not one.
    inbox.item_sync_state = "H4sIAAAAAAAEAGNgYAAAAAAA"
    try:
        list(inbox.sync_items())
        step("a foreign sync state is refused", False)
    except ErrorInvalidSyncStateData:
        step("a foreign sync state is refused")

    impersonation(endpoint, login, password, address, other_address)
    calendar(mine)


main()
