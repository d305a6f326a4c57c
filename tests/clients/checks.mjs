// What is tried against a running service by the TypeScript client, in Node (smoke.mjs) and in a browser (browser.mjs).

import { Code, ConnectError, createClients, EARLIEST, ErrorInfoSchema, ResourceInfoSchema } from "@mailagent/client";

const MISSING_AGENT = "agents/01ARZ3NDEKTSV4RRFFQ69G5FAV";

/**
 * Tries everything. `matches` and `messages` are how many different ones there are. Throws what is wrong; `log` gets a line for each
 * thing that is right.
 */
export async function check({ endpoint, token, matches, messages, log }) {
  const clients = createClients({ baseUrl: endpoint, token });

  const stranger = await failure(createClients({ baseUrl: endpoint }).agents.getAgent({ name: MISSING_AGENT }));
  expect(stranger.code === Code.Unauthenticated, `without a token: ${stranger}`);
  expectReason(stranger, "TOKEN_INVALID");
  log("a call without a token is UNAUTHENTICATED");

  const missing = await failure(clients.agents.getAgent({ name: MISSING_AGENT }));
  expect(missing.code === Code.NotFound, `a missing agent: ${missing}`);
  expectReason(missing, "RESOURCE_NOT_FOUND");
  const [resource] = missing.findDetails(ResourceInfoSchema);
  expect(resource?.resourceName === MISSING_AGENT, `ResourceInfo: ${JSON.stringify(resource)}`);
  log("a missing agent is NOT_FOUND, with details");

  await follow("matches", matches, clients.watchMatches, (match) => match.eventId, log);
  await follow("messages", messages, clients.streamMessages, (message) => message.name, log);
}

/** Follows a stream from the beginning until the wanted number of different events has come, with one break after the first event. */
async function follow(what, wanted, watch, idOf, log) {
  const seen = new Set();
  const signal = AbortSignal.timeout(60_000);
  const retried = [];
  let cursor = EARLIEST;
  for (const goal of [1, wanted]) {
    if (seen.size >= Math.min(goal, wanted)) continue;
    for await (const delivery of watch({ cursor }, { signal, onRetry: (error) => retried.push(String(error)) })) {
      cursor = delivery.cursor;
      expect(cursor !== "", `a delivery of ${what} without a cursor`);
      if (!delivery.event) continue;
      expect(idOf(delivery.event) !== "", `an event of ${what} without an id`);
      seen.add(idOf(delivery.event));
      if (seen.size >= goal) break;
    }
  }
  expect(seen.size === wanted, `${seen.size} of ${wanted} ${what} came within 60 seconds; errors on the way: ${retried.join("; ") || "none"}`);
  log(`${seen.size} ${what} came, in two calls`);
}

/** What a call fails with. */
async function failure(call) {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("a call that must fail did not");
}

function expectReason(error, reason) {
  const [info] = error.findDetails(ErrorInfoSchema);
  expect(info?.domain === "mailagent" && info.reason === reason, `${error}: ErrorInfo is ${JSON.stringify(info)}, not ${reason}`);
}

function expect(holds, text) {
  if (!holds) throw new Error(text);
}
