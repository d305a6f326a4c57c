//! Whether a sender is who it claims to be, as the receiving server saw it.

use crate::{
    domain::{Mailbox, domain_key, domain_of},
    mime::AuthenticationResults,
};

/// What the receiving server says about a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authenticity {
    /// Nothing that can be believed.
    Unknown,
    /// The From is proven.
    Proven,
    /// The From is not: it fails DMARC (RFC 7489 §3.1), or nothing that passed is aligned with it.
    Failed,
}

/// Reads the topmost header of a trusted server; those below it may come from the sender.
pub(super) fn authenticity(from: Option<&Mailbox>, results: &[AuthenticationResults], trusted: &[String]) -> Authenticity {
    let Some(result) = results.iter().find(|result| trusted.contains(&result.authserv_id)) else {
        return Authenticity::Unknown;
    };
    let domain = from.and_then(|from| domain_of(&from.address));
    let Some(domain) = domain.map(domain_key) else {
        return Authenticity::Failed;
    };
    match result.dmarc.as_deref() {
        Some("pass") => return Authenticity::Proven,
        Some("fail") => return Authenticity::Failed,
        _ => {}
    }
    // No policy is published: the same alignment is asked of what passed.
    let checks = || result.spf.iter().chain(&result.dkim);
    let aligned = |(verdict, checked): &(String, Option<String>)| {
        verdict == "pass" && checked.as_deref().is_some_and(|checked| is_aligned(checked, &domain))
    };
    if checks().any(aligned) {
        return Authenticity::Proven;
    }
    let says_nothing = |verdict: &str| matches!(verdict, "none" | "neutral" | "temperror" | "");
    if checks().all(|(verdict, _)| says_nothing(verdict)) {
        Authenticity::Unknown
    } else {
        Authenticity::Failed
    }
}

/// Relaxed alignment: the same domain, or one within the other. Without a list of public suffixes a sender in a sub-domain of a
/// checked domain passes, and so does the reverse, but never two neighbours.
fn is_aligned(checked: &str, domain: &str) -> bool {
    let checked = domain_key(domain_of(checked).unwrap_or(checked).trim_end_matches('.'));
    let within = |inner: &str, outer: &str| inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.')) && outer.contains('.');
    checked == domain || within(&checked, domain) || within(domain, &checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(results: AuthenticationResults, expected: Authenticity) {
        let from = Mailbox {
            display_name: String::new(),
            address: "eva@Shop.example".to_owned(),
        };
        let results = [results];
        assert_eq!(
            authenticity(Some(&from), &results, &["mx.ours.example".to_owned()]),
            expected,
            "{results:?}"
        );
    }

    fn results(dmarc: Option<&str>, spf: &[(&str, &str)], dkim: &[(&str, &str)]) -> AuthenticationResults {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(verdict, domain)| ((*verdict).to_owned(), Some((*domain).to_owned())))
                .collect()
        };
        AuthenticationResults {
            authserv_id: "mx.ours.example".to_owned(),
            dmarc: dmarc.map(str::to_owned),
            spf: pairs(spf),
            dkim: pairs(dkim),
        }
    }

    #[test]
    fn dmarc_decides_where_there_is_a_verdict() {
        check(results(Some("pass"), &[], &[]), Authenticity::Proven);
        check(results(Some("fail"), &[("pass", "shop.example")], &[]), Authenticity::Failed);
    }

    #[test]
    fn without_a_policy_something_aligned_must_pass() {
        check(results(None, &[("pass", "bounce@shop.example")], &[]), Authenticity::Proven);
        check(
            results(Some("none"), &[("pass", "other.example")], &[("pass", "mail.shop.example")]),
            Authenticity::Proven,
        );
        check(
            results(None, &[("pass", "evil.example")], &[("pass", "notshop.example")]),
            Authenticity::Failed,
        );
        check(results(None, &[("softfail", "shop.example")], &[]), Authenticity::Failed);
        check(results(None, &[("none", "shop.example")], &[]), Authenticity::Unknown);
        check(results(None, &[("pass", "example")], &[]), Authenticity::Failed);
    }

    #[test]
    fn only_trusted_servers_are_believed() {
        let mut foreign = results(Some("fail"), &[], &[]);
        foreign.authserv_id = "mx.evil.example".to_owned();
        check(foreign, Authenticity::Unknown);
    }
}
