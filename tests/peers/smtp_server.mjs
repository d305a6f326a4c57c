// An SMTP server that does what addresses and logins tell it to, so that a client can be judged by it.
//
// Usage: node smtp_server.mjs '{"certificate": "…", "key": "…"}'
// Further settings are those of smtp-server. It prints its port, and ends when its input does.
//
// | login                  | result                                           |
// |------------------------|--------------------------------------------------|
// | token `good`           | good                                             |
// | token like `tokens`    | good; with `refuseFirst`, all but the first       |
// | any other token        | 334 with an error, then 535                      |
// | password `correct`     | good                                             |
// | user `123 words`       | that code with those words, `%` is the password  |
//
// | local part             | result                                           |
// |------------------------|--------------------------------------------------|
// | sender `mail-123`      | that code to MAIL FROM                           |
// | recipient `rcpt-123`   | that code to RCPT TO                             |
// | recipient `data-123`   | that code to the message                         |
// | recipient `drop-data`  | drops the connection in the middle of DATA       |
// | recipient `drop-end`   | drops it after the message, without an answer    |
// | recipient `silent`     | never answers the message                        |
// | recipient `bye`        | answers, then drops the connection               |
// | sender `reused`        | drops the connection unless it is a new one      |

import { SMTPServer } from "smtp-server";

const { certificate, key, tokens, refuseFirst, ...settings } = JSON.parse(process.argv[2]);

function fault(code, words) {
  return Object.assign(new Error(words), { responseCode: code });
}

function told(address, step) {
  const match = new RegExp(`^${step}-(\\d{3})@`).exec(address);
  return match ? fault(Number(match[1]), `told to say so <${address}>`) : null;
}

function socket(session) {
  for (const connection of server.connections) {
    if (connection.session.id === session.id) {
      return connection._socket;
    }
  }
}

function drop(session) {
  socket(session)?.destroy();
}

let first = null;

/// Whether a token is good by the settings.
function takes(token) {
  if (!tokens || !token.startsWith(tokens)) {
    return false;
  }
  first ??= token;
  return !refuseFirst || token !== first;
}

const server = new SMTPServer({
  cert: certificate,
  key,
  authMethods: ["PLAIN", "LOGIN", "XOAUTH2"],
  allowInsecureAuth: true,
  authOptional: true,
  disableReverseLookup: true,
  ...settings,
  onAuth(auth, session, callback) {
    if (auth.method === "XOAUTH2") {
      if (auth.accessToken === "good" || takes(auth.accessToken)) {
        return callback(null, { user: auth.username });
      }
      return callback(null, { data: { status: "401", schemes: "bearer mail", scope: "https://mail.example/" } });
    }
    const words = /^(\d{3}) (.*)$/.exec(auth.username);
    if (words) {
      return callback(fault(Number(words[1]), words[2].replace("%", auth.password)));
    }
    return auth.password === "correct" ? callback(null, { user: auth.username }) : callback(fault(535, "5.7.8 wrong"));
  },
  onMailFrom({ address }, session, callback) {
    if (address.startsWith("reused@") && session.transaction > 1) {
      return drop(session);
    }
    callback(told(address, "mail"));
  },
  onRcptTo({ address }, session, callback) {
    callback(told(address, "rcpt"));
  },
  onData(stream, session, callback) {
    const to = session.envelope.rcptTo.map(({ address }) => address);
    const local = to[0].split("@")[0];
    let bytes = 0;
    stream.on("data", (data) => {
      bytes += data.length;
      if (local === "drop-data") {
        drop(session);
      }
    });
    stream.on("end", () => {
      if (local === "drop-end") {
        return drop(session);
      }
      if (local === "silent" || local === "drop-data") {
        return;
      }
      const options = session.envelope.mailFrom.args;
      callback(told(to[0], "data"), `session ${session.id} took ${bytes} bytes ${JSON.stringify(options)}`);
      if (local === "bye") {
        socket(session).end();
      }
    });
  },
});

server.on("error", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
