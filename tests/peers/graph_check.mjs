// Judges the simulated Exchange server over Microsoft Graph with Microsoft's own client for JavaScript.
//
//     node graph_check.mjs BASE_URL TOKEN ADDRESS OTHER_ADDRESS MANIFEST HOOK_URL
//
// The arguments are those of graph_check.py. Prints one line per step; exits with 1 at the first failure.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";

import { BatchRequestContent, BatchResponseContent, Client, FileUpload, LargeFileUploadTask } from "@microsoft/microsoft-graph-client";

const [base, token, address, other, manifestPath, hook] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));

function step(text, good = true) {
  console.log((good ? "ok    " : "WRONG ") + text);
  if (!good) process.exit(1);
}

function client(token) {
  // Its own way of logging in takes https only.
  const middleware = {
    async execute(context) {
      const headers = new Headers(context.options?.headers);
      // It knows absolute links by https only, and takes those by http for paths. They go to no part of Graph, so without a token.
      const link = context.request.replace(/^.*(?=http:)/, "");
      if (link.startsWith(base)) headers.set("Authorization", `Bearer ${token}`);
      context.response = await fetch(link, { ...context.options, headers });
    },
  };
  return Client.initWithMiddleware({ baseUrl: base.replace(/v1\.0$/, ""), defaultVersion: "v1.0", middleware });
}

const graph = client(token);
// The client knows absolute links by https only.
const relative = (link) => link?.replace(base, "");
const immutable = 'IdType="ImmutableId"';

/** All changes since a link, and the link after them. */
async function changes(link) {
  const found = [];
  let first = true;
  for (;;) {
    const request = graph.api(relative(link) ?? "/me/mailFolders/inbox/messages/delta");
    request.header("Prefer", first && !link ? `odata.maxpagesize=7, ${immutable}` : immutable);
    if (!link) request.select("id,subject,internetMessageId");
    first = false;
    const page = await request.get();
    found.push(...page.value);
    if (page["@odata.deltaLink"]) return { found, link: page["@odata.deltaLink"] };
    link = page["@odata.nextLink"];
  }
}

const me = await graph.api("/me").get();
step("the user is known", me.mail === address);
const inbox = await graph.api("/me/mailFolders('inbox')").get();
step("the inbox has its messages", inbox.totalItemCount === manifest.length);

const listed = [];
let page = await graph.api(`/users/${address}/mailFolders/inbox/messages`).top(5).select("internetMessageId").get();
for (;;) {
  listed.push(...page.value.map((one) => one.internetMessageId));
  const next = relative(page["@odata.nextLink"]);
  if (!next) break;
  page = await graph.api(next).get();
}
step("messages are listed in pages", JSON.stringify(listed) === JSON.stringify(manifest.map((one) => one.message_id)));

let { found, link } = await changes();
step("a delta lists all", found.length === manifest.length && found[0].internetMessageId === manifest[0].message_id);
let next = await changes(link);
step("nothing has changed since", next.found.length === 0);

const raw = Buffer.from(await new Response(await graph.api(`/me/messages/${found[1].id}/$value`).getStream()).arrayBuffer());
const sha256 = createHash("sha256").update(raw).digest("hex");
step("a message is given out", raw.includes(manifest[1].message_id) && (!manifest[1].sha256 || sha256 === manifest[1].sha256));

const mime = `From: ${address}\r\nTo: ${address}\r\nSubject: By MIME\r\nMessage-ID: <by-mime@example.com>\r\n\r\nHello\r\n`;
const draft = await graph
  .api("/me/messages")
  .headers({ "Content-Type": "text/plain", Prefer: immutable })
  .post(Buffer.from(mime).toString("base64"));
step("a draft is made of MIME", draft.isDraft === true && draft.internetMessageId === "<by-mime@example.com>");
await graph.api(`/me/messages/${draft.id}/send`).post(null);
const kept = await graph.api(`/me/messages/${draft.id}`).header("Prefer", immutable).get();
step("the immutable id is that of the sent copy", kept.isDraft === false && kept.parentFolderId !== draft.parentFolderId);
next = await changes(next.link);
step("what was sent arrives", next.found.length === 1 && next.found[0].internetMessageId === "<by-mime@example.com>");
await graph.api("/me/sendMail").post({
  message: { subject: "At once", body: { contentType: "Text", content: "Hello" }, toRecipients: [{ emailAddress: { address } }] },
});
next = await changes(next.link);
step("mail is sent at once", next.found.length === 1 && next.found[0].subject === "At once");

const parts = await graph.api("/me/messages").header("Prefer", immutable).post({
  subject: "In parts",
  body: { contentType: "html", content: "<p>Hello</p>" },
  toRecipients: [{ emailAddress: { address } }],
  internetMessageId: "<in-parts@example.com>",
  internetMessageHeaders: [{ name: "X-Own", value: "mark" }],
  singleValueExtendedProperties: [{ id: "String 0x1042", value: "<before@example.com>" }],
});
await graph.api(`/me/messages/${parts.id}/attachments`).post({
  "@odata.type": "#microsoft.graph.fileAttachment",
  name: "small.txt",
  contentType: "application/octet-stream",
  contentBytes: Buffer.from("small").toString("base64"),
});
const large = Buffer.alloc(9_000_000, "0123456789abcdef-");
const begin = (size) =>
  LargeFileUploadTask.createUploadSession(graph, `/me/messages/${parts.id}/attachments/createUploadSession`, {
    AttachmentItem: { attachmentType: "file", name: "large.bin", size },
  });
const file = new FileUpload(large, "large.bin", large.length);
const upload = new LargeFileUploadTask(graph, file, await begin(large.length), { rangeSize: 10 * 320 * 1024 });
const given = await upload.upload();
step("a large file is uploaded in ranges", Boolean(given.location));
const given_up = new LargeFileUploadTask(graph, file, await begin(large.length), { rangeSize: 10 * 320 * 1024 });
const early = await given_up.uploadSlice(large.subarray(10, 20), { minValue: 10, maxValue: 19 }, large.length).catch((error) => error);
step("ranges come in order", early.statusCode === 416);
step("an upload is given up", (await given_up.cancel()).status === 204);
step("it is gone then", (await given_up.getStatus().catch((error) => error)).statusCode === 404);
step("small files are not uploaded", (await begin(1000).catch((error) => error)).statusCode === 400);
await graph.api(`/me/messages/${parts.id}/send`).post(null);
next = await changes(next.link);
step("what was made of parts arrives", next.found.length === 1 && next.found[0].internetMessageId === "<in-parts@example.com>");
const whole = await graph.api(`/me/messages/${next.found[0].id}/$value`).getStream();
const text = Buffer.from(await new Response(whole).arrayBuffer()).toString("latin1").replaceAll("\r\n", "");
step("its files are whole", text.includes(large.toString("base64")) && text.includes(Buffer.from("small").toString("base64")));
step("its fields are there", text.includes("In-Reply-To: <before@example.com>"));

const ids = await graph.api("/me/translateExchangeIds").post({
  inputIds: found.slice(0, 3).map((one) => one.id),
  sourceIdType: "restImmutableEntryId",
  targetIdType: "restId",
});
step("ids are translated", ids.value.length === 3 && ids.value.every((one) => one.targetId !== one.sourceId));
const byOther = await graph.api(`/me/messages/${ids.value[0].targetId}`).select("internetMessageId").get();
step("a message is found by its other id", byOther.internetMessageId === manifest[0].message_id);

// Only what is behind the host goes along.
const inBatch = (one) => new Request(`https://graph.microsoft.com/me/messages/${one.id}?$select=subject`);
const requests = found.slice(0, 20).map((one, at) => ({ id: String(at), request: inBatch(one) }));
const batch = await graph.api("/$batch").post(await new BatchRequestContent(requests).getContent());
const answers = new BatchResponseContent(batch);
step("a batch is answered one by one", [...Array(20).keys()].every((at) => answers.getResponseById(String(at)).status === 200));

const refused = async (name, request, code) => {
  const error = await request.then(() => undefined, (error) => error);
  step(`${name}: ${error?.code}`, error?.code === code);
};
await refused("a bad token is refused", client("another").api("/me").get(), "InvalidAuthenticationToken");
await refused("a link that is lost is refused", graph.api("/me/mailFolders/inbox/messages/delta?$deltatoken=x.y").get(), "syncStateNotFound");
const shared = await graph.api(`/users/${other}/mailFolders/inbox`).get();
step("a shared mailbox is open", shared.totalItemCount === 0);

const expirationDateTime = new Date(Date.now() + 3600_000).toISOString();
const subscription = await graph.api("/subscriptions").post({
  changeType: "created",
  notificationUrl: hook,
  resource: "me/mailFolders('inbox')/messages",
  expirationDateTime,
  clientState: "secret",
});
step("a subscription is made", Boolean(subscription.id) && subscription.clientState === undefined);
await graph.api(`/subscriptions/${subscription.id}`).delete();
await refused("it is ended", graph.api(`/subscriptions/${subscription.id}`).get(), "ResourceNotFound");

const events = await graph.api("/me/calendarView").query({ startDateTime: "2026-11-01", endDateTime: "2026-12-01" }).get();
step("the calendar is read", events.value.length === 0);
