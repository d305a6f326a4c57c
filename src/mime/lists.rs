//! Whose list a message came through.

use super::fields::Fields;
use crate::domain::domain_key;

/// How much of a field is read, in characters.
const VALUE_LIMIT: usize = 2_000;
/// Most names that are kept.
const NAME_LIMIT: usize = 10;

/// The names of the list or group that passed on what somebody wrote: its identifier (RFC 2919 §2), which ends with the domain that it belongs
/// to, and the domains that it is written to (RFC 2369 §3.4, and what ezmlm and Google write). Empty for what programs sent.
pub(super) fn names(fields: &Fields<'_>) -> Vec<String> {
    let submitted = fields.lower("Auto-Submitted");
    let is_by_program = !submitted.is_empty() && !submitted.starts_with("no") && !submitted.starts_with("auto-forwarded");
    // Senders of campaigns are told of complaints by it.
    if is_by_program || fields.first("Feedback-ID").is_some() || fields.lower("Precedence") == "junk" {
        return Vec::new();
    }
    let text = |name| fields.first(name).map(|field| field.text(VALUE_LIMIT)).unwrap_or_default();
    let (id, post, written) = (text("List-Id"), text("List-Post"), text("Mailing-List"));
    let id = id
        .rsplit_once('<')
        .map_or(id.as_str(), |(_, id)| id.split('>').next().unwrap_or_default());
    let identifier = Some(id.trim()).filter(|id| id.contains('.') && !id.contains(char::is_whitespace));
    let posts = post.split(['<', '>', ',']).filter_map(|link| {
        let (scheme, address) = link.trim().split_once(':')?;
        scheme.eq_ignore_ascii_case("mailto").then(|| address.split('?').next()).flatten()
    });
    // The list itself, not who helps with it.
    let list = written.split(';').filter_map(|part| part.trim().strip_prefix("list "));
    let addresses = posts.chain(list).filter_map(|address| Some(address.trim().rsplit_once('@')?.1));
    let names = identifier.into_iter().chain(addresses).filter(|name| !name.is_empty());
    names.map(domain_key).take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_say_whose_they_are() {
        for (header, expected) in [
            ("List-Id: Valves <valves.Lists.x.example>", &["valves.lists.x.example"][..]),
            ("List-Id: <desk.k\u{fc}hl.example>", &["desk.xn--khl-hoa.example"]),
            ("List-Id: desk.x.example", &["desk.x.example"]),
            ("List-Id: Our desk", &[]),
            ("List-Id: <>", &[]),
            (
                "List-Post: <https://groups.x.example/desk>, <mailto:desk@x.example?subject=a>",
                &["x.example"],
            ),
            ("List-Post: NO", &[]),
            ("Mailing-list: list desk@x.example; contact desk+owners@y.example", &["x.example"]),
            ("Mailing-List: contact desk-help@x.example; run by ezmlm", &[]),
            (
                "List-Id: <desk.x.example>\nList-Post: <mailto:desk@x.example>",
                &["desk.x.example", "x.example"],
            ),
            ("List-Id: <desk.x.example>\nAuto-Submitted: auto-generated", &[]),
            ("List-Id: <desk.x.example>\nAuto-Submitted: no", &["desk.x.example"]),
            ("List-Id: <desk.x.example>\nFeedback-ID: 7:campaign", &[]),
            ("List-Unsubscribe: <mailto:leave@x.example>", &[]),
        ] {
            assert_eq!(names(&Fields::split(format!("{header}\n\n").as_bytes()).0), expected, "{header}");
        }
    }
}
