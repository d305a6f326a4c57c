// Prints each message that became a note on a case, from the oldest kept on, through restarts of the service.
//
//     export MAILAGENT_TOKEN=$(mailagent token --tenant demo --user anna --scope sweep.read)
//     node examples/follow-matches.mjs http://127.0.0.1:50051

import { createClients, EARLIEST } from "@mailagent/client";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:50051";
const clients = createClients({ baseUrl, token: process.env.MAILAGENT_TOKEN ?? "" });

const onRetry = (error, delayMs) => console.error(`${error.message}; going on in ${(delayMs / 1000).toFixed(1)} s`);
for await (const { event } of clients.watchMatches({ cursor: EARLIEST }, { onRetry })) {
  // A program with a database stores the delivery's cursor with what it did about the event, and starts from there next time.
  if (event?.note) console.log(`${event.note.caseReference}  ${event.note.name}  ${event.note.subject}`);
}
