"""Judges the simulated Exchange server over Microsoft Graph with Microsoft's own client for Python.

    graph_check.py BASE_URL TOKEN ADDRESS OTHER_ADDRESS MANIFEST HOOK_URL

MANIFEST is that of exchangelib_check.py. TOKEN is of the user with the mailbox ADDRESS, who may use OTHER_ADDRESS too. HOOK_URL answers
validations of subscriptions. Prints one line per step; exits with 1 at the first failure.
"""

import asyncio
import base64
import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from io import BytesIO

from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator, BaseBearerTokenAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.internet_message_header import InternetMessageHeader
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.messages.item.attachments.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask

# Bytes in a range.
RANGE = 10 * 320 * 1024


def step(text, good=True):
    print(("ok    " if good else "WRONG ") + text, flush=True)
    if not good:
        sys.exit(1)


class Token(AccessTokenProvider):
    def __init__(self, token):
        self.token = token

    async def get_authorization_token(self, uri, additional_authentication_context=None):
        # Addresses for uploads are no part of Graph, and permission enough.
        return self.token if "/v1.0/" in uri else ""

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def client(base, token):
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Token(token)))
    adapter.base_url = base
    return GraphServiceClient(request_adapter=adapter)


async def changes(delta, link=None):
    """All changes since a link, and the link after them."""
    found = []
    while True:
        if link is None:
            wanted = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["id", "subject", "internetMessageId"])
            configuration = RequestConfiguration(query_parameters=wanted)
            configuration.headers.add("Prefer", 'odata.maxpagesize=7, IdType="ImmutableId"')
            page = await delta.get(request_configuration=configuration)
        else:
            configuration = RequestConfiguration()
            configuration.headers.add("Prefer", 'IdType="ImmutableId"')
            page = await delta.with_url(link).get(request_configuration=configuration)
        found += page.value
        link = page.odata_next_link or page.odata_delta_link
        if page.odata_delta_link:
            return found, link


async def main(base, token, address, other, manifest, hook):
    graph = client(base, token)
    me = await graph.me.get()
    step("the user is known", me.mail == address)
    user = graph.users.by_user_id(address)

    folders = await graph.me.mail_folders.get()
    step("folders are listed", {"Inbox", "Sent Items", "Drafts"} <= {folder.display_name for folder in folders.value})
    inbox = await graph.me.mail_folders.by_mail_folder_id("inbox").get()
    step("the inbox has its messages", inbox.total_item_count == len(manifest))
    same = await user.mail_folders.by_mail_folder_id(inbox.id).get()
    step("a folder is found by its id", same.display_name == "Inbox")

    messages = graph.me.mail_folders.by_mail_folder_id("inbox").messages
    delta = messages.delta
    found, link = await changes(delta)
    step("a delta lists all, in pages", [one.internet_message_id for one in found] == [one["message_id"] for one in manifest])
    nothing, link = await changes(delta, link)
    step("nothing has changed since", nothing == [])

    for one, expected in zip(found[:5], manifest):
        raw = await graph.me.messages.by_message_id(one.id).content.get()
        good = expected["message_id"].encode() in raw
        if expected["sha256"]:
            good = good and hashlib.sha256(raw).hexdigest() == expected["sha256"]
        step(f"{expected['message_id']} is given out", good)
    whole = await graph.me.messages.by_message_id(found[0].id).get()
    step(
        "a message has its properties",
        whole.subject.startswith("Grüße") and whole.from_.email_address.address.endswith("@example.org") and not whole.is_draft,
    )

    moved = await graph.me.messages.by_message_id(found[0].id).move.post(MovePostRequestBody(destination_id="deleteditems"))
    step("a message is moved", moved.parent_folder_id != whole.parent_folder_id)
    after, link = await changes(delta, link)
    step("the move is a removal", [one.id for one in after] == [found[0].id] and "@removed" in after[0].additional_data)
    again = await graph.me.messages.by_message_id(found[0].id).get()
    step("its immutable id stays", again.internet_message_id == found[0].internet_message_id)

    to = [Recipient(email_address=EmailAddress(address=address))]
    draft = Message(subject="A draft", body=ItemBody(content_type=BodyType.Text, content="Hello"), to_recipients=to)
    draft = await graph.me.messages.post(draft)
    step("a draft is made", draft.is_draft)
    await graph.me.messages.by_message_id(draft.id).send.post()
    after, link = await changes(delta, link)
    step("what was sent arrives", [one.subject for one in after] == ["A draft"])
    mail = Message(subject="At once", body=ItemBody(content_type=BodyType.Text, content="Hello"), to_recipients=to)
    await graph.me.send_mail.post(SendMailPostRequestBody(message=mail))
    after, link = await changes(delta, link)
    step("mail is sent at once", [one.subject for one in after] == ["At once"])

    mail = Message(
        subject="In parts",
        body=ItemBody(content_type=BodyType.Html, content="<p>Hello</p>"),
        to_recipients=to,
        internet_message_id="<in-parts@example.com>",
        internet_message_headers=[InternetMessageHeader(name="X-Own", value="mark")],
        single_value_extended_properties=[SingleValueLegacyExtendedProperty(id="String 0x1039", value="<before@example.com>")],
    )
    draft = graph.me.messages.by_message_id((await graph.me.messages.post(mail)).id)
    small, large = b"small", bytes(range(256)) * 30_000
    await draft.attachments.post(FileAttachment(name="small.bin", content_type="application/octet-stream", content_bytes=small))
    item = AttachmentItem(attachment_type=AttachmentType.File, name="large.bin", size=len(large))
    session = await draft.attachments.create_upload_session.post(CreateUploadSessionPostRequestBody(attachment_item=item))
    # As a whole, the task asks once more after the end; its single steps do as they should.
    task = LargeFileUploadTask(session, graph.request_adapter, BytesIO(large), max_chunk_size=RANGE)
    for start in range(0, len(large), RANGE):
        task.next_range = None
        answer = await task.next_chunk(task.stream, start, min(start + RANGE, len(large)) - 1)
        expected = [str(start + RANGE)] if start + RANGE < len(large) else None
        told = answer.additional_data.get("NextExpectedRanges") if answer else None
        step(f"a range is taken, next is {expected}", told == expected)
    await draft.send.post()
    after, link = await changes(delta, link)
    step("what was made of parts arrives", [one.internet_message_id for one in after] == ["<in-parts@example.com>"])
    text = (await graph.me.messages.by_message_id(after[0].id).content.get()).replace(b"\r\n", b"")
    step("its files are whole", base64.b64encode(small) in text and base64.b64encode(large) in text)
    step("its fields are there", b"References: <before@example.com>" in text)

    for name, asked, status in [
        ("an unknown message", graph.me.messages.by_message_id(found[0].id[:-4] + "AAAA"), 400),
        ("another mailbox", graph.users.by_user_id("nobody@example.com").mail_folders.by_mail_folder_id("inbox"), 404),
    ]:
        try:
            await asked.get()
            step(f"{name} is not found", False)
        except ODataError as error:
            step(f"{name} is not found: {error.error.code}", error.response_status_code == status)
    try:
        await client(base, "another").me.get()
        step("a bad token is refused", False)
    except ODataError as error:
        step("a bad token is refused", error.error.code == "InvalidAuthenticationToken")
    shared = await graph.users.by_user_id(other).mail_folders.by_mail_folder_id("inbox").get()
    step("a shared mailbox is open", shared.total_item_count == 0)

    wanted = Subscription(
        change_type="created,updated,deleted",
        notification_url=hook,
        lifecycle_notification_url=hook,
        resource="/me/mailFolders('inbox')/messages",
        expiration_date_time=datetime.now(timezone.utc) + timedelta(hours=1),
        client_state=base64.b64encode(b"secret").decode(),
    )
    made = await graph.subscriptions.post(wanted)
    step("a subscription is made", made.id and made.client_state is None)
    later = await graph.subscriptions.by_subscription_id(made.id).patch(
        Subscription(expiration_date_time=datetime.now(timezone.utc) + timedelta(hours=2))
    )
    step("it is prolonged", later.expiration_date_time > made.expiration_date_time)
    await graph.subscriptions.by_subscription_id(made.id).delete()
    left = await graph.subscriptions.get()
    step("it is ended", left.value == [])

    calendar = await graph.me.calendar.get()
    events = await graph.me.events.get()
    step("the calendar is read", calendar.name == "Calendar" and events.value == [])


asyncio.run(main(*sys.argv[1:5], json.load(open(sys.argv[5], encoding="utf-8")), sys.argv[6]))
