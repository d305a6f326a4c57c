// The TypeScript client in Node, against a running service; see environment.mjs. Exits with 1 when something is wrong.

import { check } from "./checks.mjs";
import { environment } from "./environment.mjs";

await check({ ...environment, log: (line) => console.log(`node: ${line}`) });
// A connection that is kept alive must not keep the process.
process.exit(0);
