//! Whether and how a message is automatic, by its header and its structure. The words of subject and text are ignored.

use super::{
    address,
    entity::{Entity, Part},
    fields::Fields,
};
use crate::domain::{AutomaticKind, is_mail_system};

/// How much of a delivery status is read, in bytes.
const STATUS_LIMIT: usize = 1024 * 1024;
/// Fields of programs that answer for somebody who is away.
const REPLIES: [&str; 6] = [
    "X-Autoreply",
    "X-Autoreply-From",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Mail-Autoreply",
    "X-Vacation",
];
/// Fields of lists and bulk senders; the last was written before there were others.
const LISTS: [&str; 6] = [
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Help",
    "Mailing-List",
];

/// Decides by these signs, the most reliable first:
///
/// 1. A report (RFC 6522): a delivery status (RFC 3464) with a failed recipient, or with none that can be read, is a bounce; delayed,
///    delivered and relayed ones, receipts (RFC 8098) and feedback (RFC 5965) are reports.
/// 2. Messages that mail systems write themselves in other forms: `X-Failed-Recipients`, From `mailer-daemon`, and From `postmaster` unless it
///    answers something, as people in that office do: a bounce.
/// 3. `Auto-Submitted: auto-replied` (RFC 3834 §5) and the fields of vacation programs: an automatic reply.
/// 4. The fields of lists and of bulk senders (RFC 2369, RFC 2919, RFC 8058) and `Precedence: bulk|junk|list`: a list.
/// 5. `Auto-Submitted` other than `no`: made by a machine, treated as an automatic reply. Not `auto-forwarded`, as what it forwards is
///    somebody's.
/// 6. An empty return path (RFC 5321 §4.5.5): a bounce.
///
/// `X-Auto-Response-Suppress` asks for silence, and is in people's mail too.
pub(super) fn kind(entity: &Entity<'_>) -> Option<AutomaticKind> {
    let fields = &entity.root().fields;
    let has = |name: &str| fields.first(name).is_some();
    let submitted = fields.lower("Auto-Submitted");
    let submitted = submitted.split([';', ' ', '(']).next().unwrap_or_default();
    let precedence = fields.lower("Precedence");
    if let Some(kind) = report(entity) {
        return Some(kind);
    }
    if has("X-Failed-Recipients") || is_from_mail_system(fields) {
        return Some(AutomaticKind::Bounce);
    }
    let says_reply = |name: &&str| has(name) && fields.lower(name) != "no";
    let is_reply = |precedence: &str| precedence == "auto_reply";
    if matches!(submitted, "auto-replied" | "vacation")
        || is_reply(&precedence)
        || is_reply(&fields.lower("X-Precedence"))
        || REPLIES.iter().any(says_reply)
    {
        return Some(AutomaticKind::AutoReply);
    }
    if LISTS.iter().any(|name| has(name)) || matches!(precedence.as_str(), "bulk" | "junk" | "list") {
        return Some(AutomaticKind::List);
    }
    if !matches!(submitted, "" | "no" | "auto-forwarded") {
        return Some(AutomaticKind::AutoReply);
    }
    // Some servers write their own name there instead of nothing.
    let return_path = fields.lower("Return-Path");
    let is_null = ["<>", "<mailer-daemon@", "<mailer-daemon>"]
        .iter()
        .any(|null| return_path.starts_with(null));
    is_null.then_some(AutomaticKind::Bounce)
}

fn report(entity: &Entity<'_>) -> Option<AutomaticKind> {
    let root = entity.root();
    let reports = |part: &&Part<'_>| {
        matches!(
            part.media_type.as_str(),
            "message/delivery-status" | "message/global-delivery-status"
        )
    };
    let report_type = root.parameter("report-type").unwrap_or_default().to_ascii_lowercase();
    match root.media_type.as_str() {
        "message/delivery-status" => Some(delivery(root)),
        "message/disposition-notification" => Some(AutomaticKind::Report),
        "multipart/report" if matches!(report_type.as_str(), "delivery-status" | "") => match entity.parts.iter().find(reports) {
            Some(part) => Some(delivery(part)),
            None if report_type.is_empty() => Some(AutomaticKind::Report),
            None => Some(AutomaticKind::Bounce),
        },
        "multipart/report" => Some(AutomaticKind::Report),
        // Some servers set the wrong outer type.
        _ => entity.parts.iter().find(reports).filter(|_| root.is_multipart()).map(delivery),
    }
}

/// RFC 3464 §2.3.3.
fn delivery(part: &Part<'_>) -> AutomaticKind {
    let status = part.text_within(STATUS_LIMIT);
    let actions = status.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("Action")
            .then(|| value.trim().to_ascii_lowercase())
    });
    let known = ["delayed", "delivered", "relayed", "expanded"];
    let mut any = false;
    let harmless = actions
        .inspect(|_| any = true)
        .all(|action| known.iter().any(|known| action.starts_with(known)));
    if harmless && any {
        AutomaticKind::Report
    } else {
        AutomaticKind::Bounce
    }
}

fn is_from_mail_system(fields: &Fields<'_>) -> bool {
    let answers = || ["In-Reply-To", "References"].iter().any(|name| fields.first(name).is_some());
    match address::first(fields, "From") {
        Some(from) if is_mail_system(&from) => from.key().starts_with("mailer-daemon@") || !answers(),
        Some(_) => false,
        None => fields.lower("From").contains("mailer-daemon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<AutomaticKind>) {
        assert_eq!(kind(&Entity::read(raw.as_bytes())), expected, "{raw}");
    }

    #[test]
    fn header_fields_decide() {
        use AutomaticKind::{AutoReply, Bounce, List};
        for (header, expected) in [
            ("Subject: Automatic reply", None),
            ("Auto-Submitted: no", None),
            ("Auto-Submitted: No (really)", None),
            ("Auto-Submitted: auto-replied (vacation)", Some(AutoReply)),
            ("Auto-Submitted: auto-generated", Some(AutoReply)),
            ("Auto-Submitted: auto-replied\nReturn-Path: <>", Some(AutoReply)),
            ("Auto-Submitted: auto-generated\nList-Id: <l.x.example>", Some(List)),
            ("Precedence: Bulk", Some(List)),
            ("Precedence: list", Some(List)),
            ("Precedence: first-class", None),
            ("Auto-Submitted: auto-forwarded", None),
            ("X-Auto-Response-Suppress: All", None),
            ("X-Auto-Response-Suppress: All\nAuto-Submitted: auto-generated", Some(AutoReply)),
            ("X-Autoreply: yes", Some(AutoReply)),
            ("X-AutoReply-From: a@x.example", Some(AutoReply)),
            ("X-Precedence: auto_reply", Some(AutoReply)),
            ("List-Post: <mailto:l@x.example>", Some(List)),
            ("List-Unsubscribe: <https://x.example/7>", Some(List)),
            ("Mailing-List: contact l-help@x.example; run by ezmlm", Some(List)),
            ("Return-Path: <>", Some(Bounce)),
            ("Return-Path: <MAILER-DAEMON@x.example>", Some(Bounce)),
            ("Return-Path: <a@x.example>", None),
            ("From: MAILER-DAEMON@x.example", Some(Bounce)),
            ("From: Mail Delivery <mailer-daemon>", Some(Bounce)),
            ("From: postmaster@x.example", Some(Bounce)),
            ("From: Tove <postmaster@x.example>\nIn-Reply-To: <1@y.example>", None),
            ("From: eva@postmaster.example", None),
            ("X-Failed-Recipients: a@x.example", Some(Bounce)),
        ] {
            check(&format!("{header}\n\nx"), expected);
        }
    }

    fn report_of(kind: &str, part: &str, content: &str) -> String {
        format!(
            "Content-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\n\nx\n--b\nContent-Type: {part}\n\n{content}\n--b--\n"
        )
    }

    #[test]
    fn reports_are_read() {
        use AutomaticKind::{Bounce, Report};
        for (action, expected) in [
            ("Action: failed", Bounce),
            ("action:  FAILED ", Bounce),
            ("Action: delayed", Report),
            ("Action: delivered\n\nAction: failed", Bounce),
            ("Action: relayed\n\nAction: delivered", Report),
            ("nothing to read", Bounce),
        ] {
            check(&report_of("delivery-status", "message/delivery-status", action), Some(expected));
        }
        check(
            &report_of("disposition-notification", "message/disposition-notification", "x"),
            Some(Report),
        );
        check(&report_of("feedback-report", "message/feedback-report", "x"), Some(Report));
    }
}
