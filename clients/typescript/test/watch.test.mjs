// The client against a small grpc-web server that plays a script.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, createClients, EARLIEST, WatchMatchesRequestSchema, WatchMatchesResponseSchema } from "@mailagent/client";

const frame = (flag, bytes) => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};
const matchFrame = (number) =>
  frame(
    0,
    toBinary(
      WatchMatchesResponseSchema,
      create(WatchMatchesResponseSchema, { cursor: `after-${number}`, ...(number && { match: { eventId: `event-${number}` } }) }),
    ),
  );
const status = (code) => (response) => response.end(frame(0x80, Buffer.from(`grpc-status: ${code}\r\ngrpc-message: no\r\n`)));
const cutOff = (response) => response.destroy();
const cutOffInside = (response) => response.end(matchFrame(9).subarray(0, 7));
const silent = () => {};
const httpStatus = (code) => Object.assign(() => {}, { http: code });

/** Starts a server which answers the n-th call with the n-th [event numbers (0: a bookmark), end]. */
async function serve(t, script) {
  const log = { asked: [], tokens: [], ended: 0 };
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    log.asked.push(fromBinary(WatchMatchesRequestSchema, Buffer.concat(chunks).subarray(5)).cursor);
    log.tokens.push(request.headers.authorization);
    response.on("close", () => log.ended++);
    const [events, end] = script.shift() ?? [[], status(3)];
    response.writeHead(end.http ?? 200, { "content-type": "application/grpc-web+proto" });
    if (end.http) return response.end();
    response.flushHeaders();
    for (const number of events) response.write(matchFrame(number));
    // The frames must be out before the end, above all before one that cuts the connection.
    setTimeout(() => end(response), 20);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { log, baseUrl: `http://127.0.0.1:${server.address().port}` };
}

const quick = { firstDelayMs: 2, maxDelayMs: 4 };

test("goes on after the last cursor", async (t) => {
  const retried = [];
  const { log, baseUrl } = await serve(t, [
    [[], httpStatus(503)],
    [[1, 2, 0], status(Code.Unavailable)],
    [[3], cutOff],
    [[4], cutOffInside],
    [[5], silent],
    [[], status(Code.OutOfRange)],
  ]);
  let calls = 0;
  const clients = createClients({ baseUrl, token: async () => `token-${++calls}` });
  const seen = [];
  const options = { ...quick, silenceMs: 1_500, onRetry: (error) => retried.push(error.code) };
  await assert.rejects(
    async () => {
      for await (const { cursor, event } of clients.watchMatches({ cursor: EARLIEST }, options)) seen.push([cursor, event?.eventId]);
    },
    { code: Code.OutOfRange },
  );
  const event = (number) => [`after-${number}`, `event-${number}`];
  assert.deepEqual(seen, [event(1), event(2), ["after-0", undefined], event(3), event(4), event(5)]);
  assert.deepEqual(log.asked, [EARLIEST, EARLIEST, "after-0", "after-3", "after-4", "after-5"]);
  assert.deepEqual(log.tokens, [1, 2, 3, 4, 5, 6].map((number) => `Bearer token-${number}`));
  assert.equal(retried.length, 5);
});

test("what a retry cannot mend ends it", async (t) => {
  for (const end of [status(Code.PermissionDenied), status(Code.Unknown), status(Code.InvalidArgument), httpStatus(401), httpStatus(404)]) {
    const { log, baseUrl } = await serve(t, [[[], end]]);
    await assert.rejects(createClients({ baseUrl }).watchMatches({}, quick).next());
    assert.deepEqual(log.asked, [""]);
    assert.deepEqual(log.tokens, [undefined]);
  }
});

test("a token that cannot be had ends it", async (t) => {
  const { log, baseUrl } = await serve(t, []);
  const clients = createClients({ baseUrl, token: () => Promise.reject(new Error("signed out")) });
  await assert.rejects(clients.watchMatches({}, quick).next(), { code: Code.Unauthenticated });
  assert.deepEqual(log.asked, []);
});

test("goes on with a fresh token after the last one expired", async (t) => {
  const expired = status(Code.Unauthenticated);
  const { log, baseUrl } = await serve(t, [
    [[1], expired],
    [[2], expired],
    [[], status(Code.OutOfRange)],
  ]);
  let calls = 0;
  const watch = createClients({ baseUrl, token: () => `token-${++calls}` }).watchMatches({ cursor: EARLIEST }, quick);
  assert.equal((await watch.next()).value.cursor, "after-1");
  assert.equal((await watch.next()).value.cursor, "after-2");
  await assert.rejects(watch.next(), { code: Code.OutOfRange });
  assert.deepEqual(log.asked, [EARLIEST, "after-1", "after-2"]);
  assert.deepEqual(log.tokens, ["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
});

test("a fresh token that is refused ends it, and so does one that is always the same", async (t) => {
  const refused = status(Code.Unauthenticated);
  for (const [token, calls] of [
    [() => "token", 3],
    ["token", 1],
  ]) {
    const script = [[[1], refused], [[], refused], [[], refused]].slice(0, calls);
    const { log, baseUrl } = await serve(t, script);
    const watch = createClients({ baseUrl, token }).watchMatches({}, quick);
    assert.equal((await watch.next()).value.cursor, "after-1");
    await assert.rejects(watch.next(), { code: Code.Unauthenticated });
    assert.equal(log.asked.length, Math.min(calls, 2));
  }
});

test("gives up after failures in a row only", async (t) => {
  const away = [[], status(Code.Unavailable)];
  const { log, baseUrl } = await serve(t, [away, [[1], cutOff], away]);
  const watch = createClients({ baseUrl }).watchMatches({}, { ...quick, giveUpAfter: 2 });
  assert.equal((await watch.next()).value.cursor, "after-1");
  await assert.rejects(watch.next(), { code: Code.Unavailable });
  assert.deepEqual(log.asked, ["", "", "after-1"]);
});

test("leaving the loop or the signal ends the call", async (t) => {
  const { log, baseUrl } = await serve(t, [
    [[1], silent],
    [[2], silent],
  ]);
  const clients = createClients({ baseUrl });
  for await (const { cursor } of clients.watchMatches({})) {
    assert.equal(cursor, "after-1");
    break;
  }
  const stop = new AbortController();
  for await (const { cursor } of clients.watchMatches({}, { signal: stop.signal })) {
    assert.equal(cursor, "after-2");
    stop.abort();
  }
  for (const deadline = Date.now() + 5000; log.ended < 2 && Date.now() < deadline; ) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(log.ended, 2);
});
