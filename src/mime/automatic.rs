//! Whether and how a message is automatic, by its header and its structure. Words of subject and text say nothing here.

use super::{
    address,
    entity::{Entity, Part},
    fields::Fields,
};
use crate::domain::AutomaticKind;

/// How much of a delivery status is read, in bytes.
const STATUS_LIMIT: usize = 1024 * 1024;

/// Decides, the surest sign first:
///
/// 1. A report (RFC 6522): a delivery status (RFC 3464) with a failed recipient, or with none that can be read, is a bounce; delayed,
///    delivered and relayed ones, receipts (RFC 8098) and feedback (RFC 5965) are reports.
/// 2. What mail servers write themselves without that form: `X-Failed-Recipients`, From `mailer-daemon`: a bounce.
/// 3. `Auto-Submitted: auto-replied` (RFC 3834 §5) and the fields of vacation programs: an automatic reply.
/// 4. `List-Id` (RFC 2919) and `Precedence: bulk|junk|list`: a list.
/// 5. `Auto-Submitted` other than `no`, `X-Auto-Response-Suppress` other than `None`: made by a machine, taken as automatic reply.
/// 6. An empty return path (RFC 5321 §4.5.5): a bounce.
pub(super) fn kind(entity: &Entity<'_>) -> Option<AutomaticKind> {
    let fields = &entity.root().fields;
    let has = |name: &str| fields.first(name).is_some();
    let submitted = fields.lower("Auto-Submitted");
    let submitted = submitted.split([';', ' ', '(']).next().unwrap_or_default();
    let precedence = fields.lower("Precedence");
    let suppressed = fields.lower("X-Auto-Response-Suppress");
    if let Some(kind) = report(entity) {
        return Some(kind);
    }
    if has("X-Failed-Recipients") || is_from_daemon(fields) {
        return Some(AutomaticKind::Bounce);
    }
    let replies = ["X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Mail-Autoreply", "X-Vacation"];
    let says_reply = |name: &&str| has(name) && fields.lower(name) != "no";
    if matches!(submitted, "auto-replied" | "vacation") || precedence == "auto_reply" || replies.iter().any(says_reply) {
        return Some(AutomaticKind::AutoReply);
    }
    if has("List-Id") || matches!(precedence.as_str(), "bulk" | "junk" | "list") {
        return Some(AutomaticKind::List);
    }
    if !matches!(submitted, "" | "no") || !matches!(suppressed.as_str(), "" | "none") {
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
        // Some servers leave the outer type wrong.
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

fn is_from_daemon(fields: &Fields<'_>) -> bool {
    match address::first(fields, "From") {
        Some(from) => from.key().starts_with("mailer-daemon@"),
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
            ("X-Auto-Response-Suppress: All", Some(AutoReply)),
            ("X-Auto-Response-Suppress: None", None),
            ("X-Autoreply: yes", Some(AutoReply)),
            ("Return-Path: <>", Some(Bounce)),
            ("Return-Path: <MAILER-DAEMON@x.example>", Some(Bounce)),
            ("Return-Path: <a@x.example>", None),
            ("From: MAILER-DAEMON@x.example", Some(Bounce)),
            ("From: Mail Delivery <mailer-daemon>", Some(Bounce)),
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
