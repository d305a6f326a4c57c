// Judges the simulated Exchange server with ews-javascript-api, a port of the vendor's managed API.
//
//     node ews_javascript_check.mjs ENDPOINT LOGIN PASSWORD ADDRESS OTHER_ADDRESS MANIFEST
//
// The arguments are those of exchangelib_check.py, as is the login `service`. Prints one line per step; exits with 1 at the first failure.

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const ews = createRequire(import.meta.url)("ews-javascript-api");

const [endpoint, login, password, address, otherAddress, manifestPath] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));

function step(text, good = true) {
  console.log((good ? "ok    " : "WRONG ") + text);
  if (!good) process.exit(1);
}

/** A connection of a login, which acts for a mailbox if one is named. */
function service(user = login, actingFor = null) {
  const made = new ews.ExchangeService(ews.ExchangeVersion.Exchange2016);
  made.Credentials = new ews.WebCredentials(user, password);
  made.Url = new ews.Uri(endpoint);
  if (actingFor !== null) made.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, actingFor);
  return made;
}

const { BasePropertySet, ItemSchema, EmailMessageSchema, PropertySet, WellKnownFolderName } = ews;
const exchange = service();
const other = new ews.FolderId(WellKnownFolderName.Inbox, new ews.Mailbox(otherAddress));
const inboxId = new ews.FolderId(WellKnownFolderName.Inbox);

/** Everything in a folder, in pages of seven. */
async function list(folder) {
  const view = new ews.ItemView(7);
  view.PropertySet = new PropertySet(BasePropertySet.IdOnly, ItemSchema.Subject, EmailMessageSchema.InternetMessageId);
  const found = [];
  for (;;) {
    const page = await exchange.FindItems(folder, view);
    found.push(...page.Items);
    if (!page.MoreAvailable) return found;
    view.Offset = page.NextPageOffset;
  }
}

async function holds(folder, messageId) {
  return (await list(folder)).filter((item) => item.InternetMessageId === messageId);
}

/** All changes of the inbox since a state, in pages of `max`. */
async function changes(state, max = 512) {
  const found = [];
  for (;;) {
    const page = await exchange.SyncFolderItems(inboxId, PropertySet.IdOnly, null, max, ews.SyncFolderItemsScope.NormalItems, state);
    found.push(...page.GetEnumerator());
    state = page.SyncState;
    if (!page.MoreChangesAvailable) return { found, state };
  }
}

const kinds = (found) => found.map((change) => ews.ChangeType[change.ChangeType]).join(" ");

async function impersonation() {
  const acting = [address, otherAddress].map((each) => service("service", each));
  const inbox = await ews.Folder.Bind(acting[0], WellKnownFolderName.Inbox);
  step("who may act for a mailbox is at home in it", inbox.TotalCount > 0);
  const refusal = await ews.Folder.Bind(service(login, otherAddress), WellKnownFolderName.Inbox).then(() => null, (error) => error);
  step("who may not is refused", refusal?.ResponseCode === ews.ServiceError.ErrorImpersonateUserDenied);

  // One stream for both mailboxes.
  const connection = new ews.StreamingSubscriptionConnection(acting[0], 1);
  const subscriptions = [];
  for (const each of acting) {
    const subscription = await each.SubscribeToStreamingNotifications([new ews.FolderId(WellKnownFolderName.Inbox)], ews.EventType.Created);
    connection.AddSubscription(subscription);
    subscriptions.push(subscription.Id);
  }
  const told = new Set();
  const heard = new Promise((resolve) => {
    connection.OnNotificationEvent.push((_, notification) => {
      told.add(notification.Subscription.Id);
      if (told.size === subscriptions.length) resolve(true);
    });
  });
  connection.OnDisconnect.push(() => {});
  connection.Open().catch(() => {});
  for (const each of acting) {
    const message = new ews.EmailMessage(each);
    message.Subject = "To be heard";
    await message.Save(WellKnownFolderName.Inbox);
  }
  const late = new Promise((resolve) => setTimeout(() => resolve(false), 20_000).unref());
  step("one stream tells of both mailboxes", (await Promise.race([heard, late])) && subscriptions.every((id) => told.has(id)));
  connection.Close();
}

async function calendar() {
  const folder = new ews.FolderId(WellKnownFolderName.Calendar);
  const nobody = ews.SendInvitationsMode.SendToNone;
  const at = (day, time = "00:00") => new ews.DateTime(`2026-11-${String(day).padStart(2, "0")}T${time}:00Z`);
  const same = (one, other) => one.TotalMilliSeconds === other.TotalMilliSeconds;
  const seen = async (from = at(1), to = at(30), max = undefined) => (await exchange.FindAppointments(folder, new ews.CalendarView(from, to, max))).Items;
  const subjects = (items) => items.map((item) => item.Subject).join(" ");
  step("the calendar is empty", (await seen()).length === 0);

  // One appointment.
  const visit = new ews.Appointment(exchange);
  // This client does not escape what it writes.
  visit.Subject = "Visit";
  visit.Body = new ews.MessageBody(ews.BodyType.Text, "With coffee");
  visit.Location = "Oak";
  visit.Start = at(23, "09:00");
  visit.End = at(23, "10:30");
  visit.LegacyFreeBusyStatus = ews.LegacyFreeBusyStatus.Tentative;
  visit.ReminderMinutesBeforeStart = 30;
  await visit.Save(WellKnownFolderName.Calendar, nobody);
  const got = await ews.Appointment.Bind(exchange, visit.Id);
  step(`an appointment is kept: ${got.Subject}`, got.Subject === "Visit" && got.Location === "Oak" && got.Body.Text.includes("With coffee"));
  step(`with its times: ${got.Start} to ${got.End}`, same(got.Start, visit.Start) && same(got.End, visit.End));
  const { StartTimeZone, EndTimeZone } = ews.AppointmentSchema;
  const zoned = await ews.Appointment.Bind(exchange, visit.Id, new PropertySet(BasePropertySet.IdOnly, StartTimeZone, EndTimeZone));
  const zones = [zoned.StartTimeZone?.Id, zoned.EndTimeZone?.Id];
  step(`and its time zone: ${zones}`, zones.every((zone) => zone === exchange.TimeZone.Id));
  step("and the rest of it", got.LegacyFreeBusyStatus === ews.LegacyFreeBusyStatus.Tentative && got.ReminderMinutesBeforeStart === 30
    && got.AppointmentType === ews.AppointmentType.Single && got.ICalUid !== "");

  got.Subject = "Call";
  got.Location = "Elm";
  await got.Update(ews.ConflictResolutionMode.AutoResolve, ews.SendInvitationsOrCancellationsMode.SendToNone);
  const changed = await ews.Appointment.Bind(exchange, visit.Id);
  step("it is changed, the rest is not", changed.Subject === "Call" && changed.Location === "Elm" && same(changed.Start, visit.Start)
    && changed.ICalUid === got.ICalUid);

  // A series.
  const series = new ews.Appointment(exchange);
  series.Subject = "Round";
  series.Start = at(2, "09:00");
  series.End = at(2, "10:00");
  series.Recurrence = new ews.Recurrence.WeeklyPattern(series.Start, 1, [ews.DayOfTheWeek.Monday, ews.DayOfTheWeek.Wednesday]);
  series.Recurrence.NumberOfOccurrences = 3;
  await series.Save(WellKnownFolderName.Calendar, nobody);
  const all = await seen();
  step(`a series is spread out: ${subjects(all)}`, subjects(all) === "Round Round Round Call");
  step("on its days", [at(2, "09:00"), at(4, "09:00"), at(9, "09:00")].every((start, n) => same(all[n].Start, start)));
  step("a view has a window", subjects(await seen(at(4), at(10))) === "Round Round");
  step("and a length", subjects(await seen(at(1), at(30), 2)) === "Round Round");
  const second = await ews.Appointment.BindToOccurrence(exchange, series.Id, 2);
  step("one is found by its number", same(second.Start, at(4, "09:00")) && second.AppointmentType === ews.AppointmentType.Occurrence);
  await second.Delete(ews.DeleteMode.HardDelete, ews.SendCancellationsMode.SendToNone);
  step("and deleted alone", subjects(await seen()) === "Round Round Call");

  // Sync and deletion.
  const sync = async (state) => exchange.SyncFolderItems(folder, PropertySet.IdOnly, null, 512, ews.SyncFolderItemsScope.NormalItems, state);
  const first = await sync(null);
  step(`the sync tells both: ${kinds(first.GetEnumerator())}`, kinds(first.GetEnumerator()) === "Create Create");
  await changed.Delete(ews.DeleteMode.MoveToDeletedItems, ews.SendCancellationsMode.SendToNone);
  const master = await ews.Appointment.Bind(exchange, series.Id);
  await master.Delete(ews.DeleteMode.HardDelete, ews.SendCancellationsMode.SendToNone);
  step("all are deleted", (await seen()).length === 0);
  const last = await sync(first.SyncState);
  step(`the sync tells it: ${kinds(last.GetEnumerator())}`, kinds(last.GetEnumerator()) === "Delete Delete");
}

async function check() {
  // Folders.
  for (const name of ["MsgFolderRoot", "Inbox", "SentItems", "Drafts", "DeletedItems", "Calendar"]) {
    const folder = await ews.Folder.Bind(exchange, WellKnownFolderName[name]);
    step(`folder ${name}: ${folder.DisplayName}, ${folder.TotalCount} items`, name !== "Inbox" || folder.TotalCount === manifest.length);
  }
  const shared = await ews.Folder.Bind(exchange, other);
  step(`shared ${shared.DisplayName}`, shared.TotalCount === 0);

  // Listing, paged.
  const listed = await list(inboxId);
  const ids = listed.map((item) => item.InternetMessageId);
  step(`listed ${ids.length} messages, newest first, with the expected Message-IDs`,
    JSON.stringify(ids) === JSON.stringify(manifest.map((one) => one.message_id)));

  // MIME.
  const fetched = await exchange.BindToItems(listed.map((item) => item.Id), new PropertySet(BasePropertySet.IdOnly, ItemSchema.MimeContent));
  step(`fetched ${fetched.Count} messages`, fetched.Count === manifest.length);
  manifest.forEach((one, n) => {
    const mime = Buffer.from(fetched.Responses[n].Item.MimeContent.Content, "base64");
    const kept = !one.sha256 || createHash("sha256").update(mime).digest("hex") === one.sha256;
    if (!kept || !mime.includes(one.message_id)) step(`MIME of ${one.message_id}`, false);
  });
  step(`MIME: ${manifest.filter((one) => one.sha256).length} equal byte for byte, all with their Message-ID`);
  const full = await ews.EmailMessage.Bind(exchange, listed[0].Id);
  step(`all properties: ${full.Subject} from ${full.From.Address}`, full.Subject.startsWith("Grüße CS-") && full.Body.Text.includes("Hello"));

  // Sync in pages, then a change, then again.
  const first = await changes(null, 7);
  step(`first sync: ${first.found.length} changes`, first.found.length === manifest.length);
  const idle = await changes(first.state);
  step("nothing new", idle.found.length === 0);
  full.IsRead = true;
  await full.Update(ews.ConflictResolutionMode.AutoResolve);
  const read = await changes(idle.state);
  step(`a message read: ${kinds(read.found)}`, kinds(read.found) === "ReadFlagChange" && read.found[0].IsRead === true);

  // A stream that hears of a message sent to ourselves and to somebody else.
  const listening = service();
  const subscription = await listening.SubscribeToStreamingNotifications([inboxId], ews.EventType.NewMail, ews.EventType.Created);
  const connection = new ews.StreamingSubscriptionConnection(listening, 1);
  connection.AddSubscription(subscription);
  const events = [];
  const heard = new Promise((resolve) => {
    connection.OnNotificationEvent.push((_, notification) => {
      for (const event of notification.Events) events.push(ews.EventType[event.EventType]);
      resolve(true);
    });
  });
  connection.OnDisconnect.push(() => {});
  connection.Open().catch(() => {});

  const mark = `<${randomUUID()}@peer>`;
  const mime = `From: ${address}\r\nTo: ${otherAddress}, ${address}\r\nSubject: CS-1234567\r\nMessage-ID: ${mark}\r\n` +
    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nX-Peer: 1\r\n\r\nHello\r\n";
  const message = new ews.EmailMessage(exchange);
  message.MimeContent = new ews.MimeContent("UTF-8", Buffer.from(mime).toString("base64"));
  await message.SendAndSaveCopy();
  step("the copy is in Sent Items", (await holds(new ews.FolderId(WellKnownFolderName.SentItems), mark)).length === 1);
  step("it arrived in the other mailbox", (await holds(other, mark)).length === 1);
  const late = new Promise((resolve) => setTimeout(() => resolve(false), 20_000).unref());
  step("the stream heard of it", await Promise.race([heard, late]));
  step(`events: ${events.join(" ")}`, events.some((kind) => kind === "NewMail" || kind === "Created"));
  connection.Close();
  const sent = await changes(read.state);
  step(`the sync has it too: ${kinds(sent.found)}`, kinds(sent.found) === "Create");

  // A message of properties, as a draft first.
  const draft = new ews.EmailMessage(exchange);
  draft.Subject = "Draft";
  draft.Body = new ews.MessageBody(ews.BodyType.Text, "Text");
  draft.ToRecipients.Add(otherAddress);
  await draft.Save(WellKnownFolderName.Drafts);
  await draft.Load(PropertySet.IdOnly);
  await draft.SendAndSaveCopy();
  const arrived = await list(other);
  step("a draft is sent", arrived.some((item) => item.Subject === "Draft"));

  // Move and delete.
  const [found] = await holds(inboxId, mark);
  const moved = await exchange.MoveItems([found.Id], new ews.FolderId(WellKnownFolderName.JunkEmail), true);
  const movedId = moved.Responses[0].Item?.Id ?? moved.Responses[0].item?.Id;
  step("a move changes the id", movedId !== undefined && movedId.UniqueId !== found.Id.UniqueId);
  const gone = await exchange.BindToItems([found.Id], PropertySet.IdOnly);
  step(`the old id is gone: ${ews.ServiceError[gone.Responses[0].ErrorCode]}`, gone.Responses[0].ErrorCode === ews.ServiceError.ErrorItemNotFound);
  const removal = await changes(sent.state);
  step(`the sync tells the removal: ${kinds(removal.found)}`, kinds(removal.found) === "Delete");
  await exchange.DeleteItems([movedId], ews.DeleteMode.HardDelete, null, null);
  step("deleted", (await holds(new ews.FolderId(WellKnownFolderName.JunkEmail), mark)).length === 0);

  // A state that is not one.
  const refusal = await changes("H4sIAAAAAAAEAGNgYAAAAAAA").then(() => null, (error) => error);
  step("a foreign sync state is refused", refusal?.ErrorCode === ews.ServiceError.ErrorInvalidSyncStateData);

  await impersonation();
  await calendar();
}

check().then(
  () => process.exit(0),
  (error) => step(error?.stack ?? String(error), false),
);
