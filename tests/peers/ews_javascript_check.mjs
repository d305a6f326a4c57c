// Judges the simulated Exchange server with ews-javascript-api, a port of the vendor's managed API.
//
//     node ews_javascript_check.mjs ENDPOINT LOGIN PASSWORD ADDRESS OTHER_ADDRESS MANIFEST
//
// The arguments are those of exchangelib_check.py. Prints one line per step; exits with 1 at the first failure.

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

function service() {
  const made = new ews.ExchangeService(ews.ExchangeVersion.Exchange2016);
  made.Credentials = new ews.WebCredentials(login, password);
  made.Url = new ews.Uri(endpoint);
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
}

check().then(
  () => process.exit(0),
  (error) => step(error?.stack ?? String(error), false),
);
