//! The meaning of a server's replies: one table, of which the first matching row applies.

use super::wire::Reply;
use crate::net::ErrorClass;

/// What was asked when the reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the server speaks first.
    Greeting,
    /// EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH with a password.
    Password,
    /// AUTH with an access token.
    Token,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, and the message itself.
    Message,
}

/// What to do about a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Refused,
    Retry,
    Login,
    TooLarge,
    Unreachable,
}

impl Verdict {
    /// The class of errors.
    pub(super) fn class(self) -> ErrorClass {
        match self {
            Self::Refused => ErrorClass::Refused,
            Self::Retry => ErrorClass::Retry { after: None },
            Self::Login => ErrorClass::LoginRequired,
            Self::TooLarge => ErrorClass::TooLarge,
            Self::Unreachable => ErrorClass::Unreachable,
        }
    }
}

/// A row of the table. Empty columns match everything.
struct Row {
    steps: &'static [Step],
    /// First and last code.
    codes: (u16, u16),
    /// Enhanced codes.
    enhanced: &'static [&'static str],
    /// Words of which one is in the reply, in lower case.
    words: &'static [&'static str],
    verdict: Verdict,
    /// What is wrong and what to do. `{host}` stands for the server, `{who}` for the address or the login that it is about.
    problem: &'static str,
}

const LOGIN: &[Step] = &[Step::Password, Step::Token];
const ANY: &[Step] = &[];
const ALL_BUT_START_TLS: &[Step] = &[
    Step::Greeting,
    Step::Hello,
    Step::Password,
    Step::Token,
    Step::Sender,
    Step::Recipient,
    Step::Message,
];
const ALL_CODES: (u16, u16) = (200, 599);

const fn row(steps: &'static [Step], codes: (u16, u16), verdict: Verdict, problem: &'static str) -> Row {
    Row {
        steps,
        codes,
        enhanced: &[],
        words: &[],
        verdict,
        problem,
    }
}

impl Row {
    const fn enhanced(mut self, enhanced: &'static [&'static str]) -> Self {
        self.enhanced = enhanced;
        self
    }

    const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    fn fits(&self, step: Step, reply: &Reply, words: &str) -> bool {
        (self.steps.is_empty() || self.steps.contains(&step))
            && (self.codes.0..=self.codes.1).contains(&reply.code)
            && (self.enhanced.is_empty() || reply.enhanced().is_some_and(|code| self.enhanced.contains(&code)))
            && (self.words.is_empty() || self.words.iter().any(|wanted| words.contains(wanted)))
    }
}

/// RFC 5321 section 4.2, RFC 4954 section 6, RFC 3463, RFC 5248, and what Exchange Online, Postfix and Gmail say beyond them.
const TABLE: &[Row] = &[
    // Exchange Online.
    row(
        ANY,
        (500, 599),
        Verdict::Login,
        "Exchange Online no longer accepts a password over SMTP (basic authentication is off). Use modern authentication (OAuth) for this \
         agent.",
    )
    .enhanced(&["5.7.30"]),
    row(
        ANY,
        ALL_CODES,
        Verdict::Login,
        "Exchange Online has SMTP AUTH disabled for this mailbox or organisation. Enable 'Authenticated SMTP' for the mailbox, and use \
         modern authentication (OAuth) for this agent.",
    )
    .words(&["smtpclientauthentication is disabled"]),
    row(
        ANY,
        ALL_CODES,
        Verdict::Login,
        "{host} rejects the login {who}: the user name or password is wrong. Enter them again. Exchange Online also says this when \
         passwords are no longer accepted; then use modern authentication (OAuth).",
    )
    .enhanced(&["5.7.139"])
    .words(&["credentials were incorrect", "invalid_grant", "incorrect"]),
    row(
        ANY,
        ALL_CODES,
        Verdict::Login,
        "Exchange Online rejects this login: basic authentication is off or a security default blocks it. Use modern authentication \
         (OAuth) for this agent.",
    )
    .enhanced(&["5.7.139"]),
    row(
        ANY,
        ALL_CODES,
        Verdict::Login,
        "Exchange Online accepts mail here only after a login, and no longer accepts passwords. Use modern authentication (OAuth) for this \
         agent.",
    )
    .enhanced(&["5.7.57"]),
    // Encryption is missing.
    row(
        ALL_BUT_START_TLS,
        (500, 599),
        Verdict::Login,
        "{host} requires encryption before anything else. Choose security STARTTLS (port 587) or TLS (port 465).",
    )
    .words(&["starttls", "encryption required", "must use tls", "secure connection"]),
    row(
        ANY,
        (538, 538),
        Verdict::Login,
        "{host} accepts logins only over an encrypted connection. Choose security STARTTLS (port 587) or TLS (port 465).",
    ),
    // The login.
    row(
        LOGIN,
        (432, 432),
        Verdict::Login,
        "{host} requires the password of {who} to be changed, or a login in another way first. Log in there manually, then enter the \
         password again.",
    ),
    row(
        LOGIN,
        (400, 499),
        Verdict::Retry,
        "{host} currently cannot check logins. It is retried later.",
    ),
    row(
        LOGIN,
        (534, 534),
        Verdict::Login,
        "{host} does not accept this kind of login for {who}. It may require an app password or modern authentication (OAuth).",
    ),
    row(
        &[Step::Token],
        (500, 599),
        Verdict::Login,
        "{host} rejects the access token of {who}. Log in again, with the permission to send over SMTP (SMTP.Send), and check that the \
         mailbox may use SMTP.",
    ),
    row(
        &[Step::Password],
        (535, 535),
        Verdict::Login,
        "{host} rejects the login {who}: the user name or password is wrong. Enter them again.",
    ),
    row(
        &[Step::Password],
        (500, 599),
        Verdict::Login,
        "{host} rejects the login {who}. Check the user name, the password and the authentication method.",
    ),
    row(
        ANY,
        (530, 530),
        Verdict::Login,
        "{host} accepts mail only after a login. Enter a user name and a password.",
    ),
    row(
        ANY,
        (534, 535),
        Verdict::Login,
        "{host} no longer accepts the login. Enter user name and password again.",
    ),
    // The connection.
    row(
        ANY,
        (421, 421),
        Verdict::Retry,
        "{host} closes the connection for now: it is busy, under maintenance, or received too many requests. It is retried later.",
    ),
    row(
        &[Step::Greeting],
        (400, 499),
        Verdict::Retry,
        "{host} currently accepts no connections. It is retried later.",
    ),
    row(
        &[Step::Greeting],
        (500, 599),
        Verdict::Refused,
        "{host} accepts no mail from this machine. Check the server's name, and whether it allows this machine's address.",
    ),
    row(
        &[Step::Hello],
        (500, 504),
        Verdict::Unreachable,
        "{host} accepts neither EHLO nor HELO from this machine. Check the server's name and port.",
    ),
    row(
        &[Step::StartTls],
        (400, 499),
        Verdict::Retry,
        "{host} currently cannot offer TLS. It is retried later.",
    ),
    row(
        &[Step::StartTls],
        (500, 599),
        Verdict::Unreachable,
        "{host} rejects STARTTLS although it offers it. Check the server's TLS settings, or choose security TLS with port 465.",
    ),
    // The size.
    row(
        &[Step::Recipient],
        (552, 552),
        Verdict::Refused,
        "The mailbox of {who} is full. Its owner must free up space.",
    ),
    row(
        ANY,
        (500, 599),
        Verdict::Refused,
        "The mailbox of a recipient is full. Its owner must free up space.",
    )
    .enhanced(&["5.2.2"]),
    row(
        ANY,
        (500, 599),
        Verdict::TooLarge,
        "The message is larger than {host} accepts. Send less, such as fewer attachments, or have the server's limit raised.",
    )
    .enhanced(&["5.3.4", "5.2.3"]),
    row(
        ANY,
        (552, 552),
        Verdict::TooLarge,
        "The message is larger than {host} accepts. Send less, such as fewer attachments, or have the server's limit raised.",
    ),
    row(
        ANY,
        (523, 523),
        Verdict::TooLarge,
        "The message is larger than {host} accepts. Send less, such as fewer attachments, or have the server's limit raised.",
    ),
    // Temporary errors.
    row(
        ANY,
        (400, 499),
        Verdict::Retry,
        "{host} asks to retry later, as it does with senders that it does not know yet (greylisting). It is retried.",
    )
    .words(&["greylist", "graylist", "grey-list", "postgrey"]),
    row(
        ANY,
        (452, 452),
        Verdict::Retry,
        "{host} currently cannot accept that much: too many recipients at once, or no space. It is retried later.",
    ),
    row(
        &[Step::Sender, Step::Recipient],
        (400, 499),
        Verdict::Retry,
        "{host} currently cannot accept mail for {who}. It is retried later.",
    ),
    row(
        ANY,
        (400, 499),
        Verdict::Retry,
        "{host} has a temporary error. It is retried later.",
    ),
    // Sender and recipients.
    row(
        ANY,
        (500, 599),
        Verdict::Refused,
        "{host} does not let this login send with this sender address. Use one of the login's own addresses, or have the server's \
         administrator allow it (send as).",
    )
    .words(&["sender address rejected", "sendasdenied", "send as this sender", "not owned by"]),
    row(
        &[Step::Sender],
        (500, 599),
        Verdict::Refused,
        "{host} rejects the sender {who}. Check from_address of this agent, and that the login may send with it.",
    ),
    row(
        ANY,
        (500, 599),
        Verdict::Refused,
        "{host} does not relay mail to {who} for this login (relaying denied). Enter a user name and a password, or use the server that is \
         intended for sending.",
    )
    .words(&[
        "relay access denied",
        "relaying denied",
        "relay denied",
        "unable to relay",
        "relaying not",
        "relay not",
        "not permitted to relay",
    ]),
    row(
        &[Step::Recipient],
        (500, 599),
        Verdict::Refused,
        "{host} rejects the recipient {who}. Check the address.",
    ),
    row(
        &[Step::Message],
        (500, 599),
        Verdict::Refused,
        "{host} rejects the message because of its content or its sender. See the server's reply.",
    ),
    row(
        ANY,
        (500, 599),
        Verdict::Refused,
        "{host} rejects the command. See the server's reply.",
    ),
];

/// The meaning of an unsuccessful reply. `None` for one that is invalid here.
pub(super) fn meaning(step: Step, reply: &Reply) -> Option<(Verdict, &'static str)> {
    let found = &TABLE[find(step, reply)?];
    Some((found.verdict, found.problem))
}

fn find(step: Step, reply: &Reply) -> Option<usize> {
    if reply.code < 400 {
        return None;
    }
    let words = reply.words().to_lowercase();
    TABLE.iter().position(|row| row.fits(step, reply, &words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// One row at least for each of the table.
    const CASES: &[(Step, &str, Verdict, &str)] = &[
        (
            Step::Password,
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            Verdict::Login,
            "OAuth",
        ),
        (
            Step::Password,
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            Verdict::Login,
            "SMTP AUTH",
        ),
        (
            Step::Password,
            "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
            Verdict::Login,
            "password is wrong",
        ),
        (
            Step::Password,
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            Verdict::Login,
            "OAuth",
        ),
        (
            Step::Sender,
            "530 5.7.57 Client not authenticated to send mail.",
            Verdict::Login,
            "OAuth",
        ),
        (
            Step::Sender,
            "530 5.7.0 Must issue a STARTTLS command first",
            Verdict::Login,
            "STARTTLS",
        ),
        (Step::Password, "538 5.7.11 Encryption needed", Verdict::Login, "STARTTLS"),
        (
            Step::Password,
            "432 4.7.12 A password transition is needed",
            Verdict::Login,
            "changed",
        ),
        (
            Step::Password,
            "454 4.7.0 Temporary authentication failure",
            Verdict::Retry,
            "later",
        ),
        (Step::Token, "454 4.7.0 Temporary authentication failure", Verdict::Retry, "later"),
        (
            Step::Password,
            "534 5.7.9 Application-specific password required",
            Verdict::Login,
            "app password",
        ),
        (
            Step::Token,
            "535 5.7.8 Username and Password not accepted",
            Verdict::Login,
            "access token",
        ),
        (
            Step::Password,
            "535 5.7.8 Error: authentication failed",
            Verdict::Login,
            "password is wrong",
        ),
        (Step::Password, "535 authentication failed", Verdict::Login, "password is wrong"),
        (
            Step::Password,
            "504 5.7.4 Unrecognized authentication type",
            Verdict::Login,
            "authentication method",
        ),
        (
            Step::Sender,
            "530 5.7.1 Authentication required",
            Verdict::Login,
            "only after a login",
        ),
        (Step::Recipient, "535 5.7.8 login expired", Verdict::Login, "no longer"),
        (Step::Greeting, "421 4.3.2 Service not available", Verdict::Retry, "for now"),
        (Step::Sender, "421 4.7.0 Too many messages", Verdict::Retry, "for now"),
        (Step::Greeting, "450 4.3.2 try again", Verdict::Retry, "currently"),
        (Step::Greeting, "554 5.7.1 blocked", Verdict::Refused, "from this machine"),
        (
            Step::Hello,
            "502 Command not implemented",
            Verdict::Unreachable,
            "neither EHLO nor HELO",
        ),
        (
            Step::StartTls,
            "454 4.7.0 TLS not available due to local problem",
            Verdict::Retry,
            "currently cannot offer TLS",
        ),
        (Step::StartTls, "501 no", Verdict::Unreachable, "although it offers"),
        (Step::Recipient, "552 5.2.2 Mailbox full", Verdict::Refused, "full"),
        (Step::Message, "554 5.2.2 mailbox full", Verdict::Refused, "full"),
        (
            Step::Sender,
            "554 5.3.4 Message size exceeds fixed limit",
            Verdict::TooLarge,
            "larger",
        ),
        (Step::Message, "550 5.2.3 too long", Verdict::TooLarge, "larger"),
        (
            Step::Message,
            "552 Message exceeds fixed maximum message size",
            Verdict::TooLarge,
            "larger",
        ),
        (
            Step::Sender,
            "552 5.3.4 Message size exceeds fixed limit",
            Verdict::TooLarge,
            "larger",
        ),
        (Step::Message, "523 too large", Verdict::TooLarge, "larger"),
        (
            Step::Recipient,
            "450 4.2.0 Recipient address rejected: Greylisted",
            Verdict::Retry,
            "greylisting",
        ),
        (Step::Message, "452 4.3.1 Insufficient system storage", Verdict::Retry, "no space"),
        (Step::Recipient, "450 4.2.1 mailbox busy", Verdict::Retry, "bob@x.example"),
        (Step::Message, "451 4.3.0 queue file write error", Verdict::Retry, "temporary"),
        (
            Step::Recipient,
            "553 5.7.1 <a@x>: Sender address rejected: not owned by user anna",
            Verdict::Refused,
            "sender address",
        ),
        (
            Step::Message,
            "554 5.2.252 SendAsDenied; anna not allowed to send as bob",
            Verdict::Refused,
            "send as",
        ),
        (
            Step::Sender,
            "550 5.1.8 sender refused",
            Verdict::Refused,
            "the sender bob@x.example",
        ),
        (
            Step::Recipient,
            "554 5.7.1 <b@x>: Relay access denied",
            Verdict::Refused,
            "relaying denied",
        ),
        (
            Step::Recipient,
            "550 5.1.1 User unknown",
            Verdict::Refused,
            "the recipient bob@x.example",
        ),
        (Step::Message, "550 5.7.1 spam", Verdict::Refused, "its content"),
        (Step::Hello, "550 5.7.1 bad name", Verdict::Refused, "rejects the command"),
        (
            Step::StartTls,
            "502 5.5.1 STARTTLS not available",
            Verdict::Unreachable,
            "although it offers",
        ),
        (
            Step::Recipient,
            "550 5.1.1 <bob@relay.example> User unknown",
            Verdict::Refused,
            "the recipient bob@x.example",
        ),
        (
            Step::Recipient,
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
            Verdict::Refused,
            "relaying denied",
        ),
    ];

    #[test]
    fn every_row_of_the_table_is_reached_and_right() {
        let mut reached = BTreeSet::new();
        for (step, text, verdict, words) in CASES {
            let reply = Reply::parse(format!("{text}\r\n").as_bytes()).unwrap();
            let at = find(*step, &reply).unwrap();
            reached.insert(at);
            let problem = TABLE[at].problem.replace("{who}", "bob@x.example");
            assert_eq!(TABLE[at].verdict, *verdict, "{text}: {problem}");
            assert!(problem.contains(words), "{text}: {problem}");
        }
        let missing: Vec<_> = (0..TABLE.len())
            .filter(|at| !reached.contains(at))
            .map(|at| TABLE[at].problem)
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn every_refusal_has_a_meaning_at_every_step() {
        for step in [
            Step::Greeting,
            Step::Hello,
            Step::StartTls,
            Step::Password,
            Step::Token,
            Step::Sender,
            Step::Recipient,
            Step::Message,
        ] {
            for code in 200..600 {
                let reply = Reply { code, lines: vec![] };
                assert_eq!(meaning(step, &reply).is_some(), code >= 400, "{step:?} {code}");
            }
        }
    }
}
