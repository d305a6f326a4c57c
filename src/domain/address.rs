//! The form in which addresses and domains are compared: two spellings of one are the same.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The key of an address: its local part in lower case and composed (NFC), its domain as [`domain_key`].
pub fn address_key(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if !address.is_ascii() || may_have_a_label(domain) => format!("{}@{}", folded(local), domain_key(domain)),
        _ => folded(address),
    }
}

/// The key of a domain: in lower case, with internationalised labels in the form of DNS (A-labels, RFC 5890 §2.3.2.1), by the mapping that
/// browsers and mail programs use (UTS 46). What cannot be such a domain is only put into lower case.
pub fn domain_key(domain: &str) -> String {
    if domain.is_ascii() && !may_have_a_label(domain) {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
}

/// An address or domain as people read it: with internationalised labels in Unicode. None if that is the way it is written.
pub fn in_unicode(address: &str) -> Option<String> {
    let at = address.rfind('@').map_or(0, |at| at + 1);
    let (local, domain) = address.split_at(at);
    if !may_have_a_label(domain) {
        return None;
    }
    let (unicode, valid) = idna::domain_to_unicode(domain);
    (valid.is_ok() && unicode != domain).then(|| format!("{local}{unicode}"))
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let composed: Cow<'_, str> = if is_nfc(text) {
        text.into()
    } else {
        text.nfc().collect::<String>().into()
    };
    composed.to_lowercase()
}

/// Whether a label of a domain may be an internationalised one in the form of DNS: these begin with `xn--`.
fn may_have_a_label(domain: &str) -> bool {
    domain.as_bytes().windows(4).any(|bytes| bytes.eq_ignore_ascii_case(b"xn--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_have_one_key() {
        for (one, other) in [
            ("Tom.Ray@X.Example", "tom.ray@x.example"),
            ("ida@k\u{fc}hlwerk.example", "ida@xn--khlwerk-n2a.example"),
            ("Ida@K\u{dc}HLWERK.example", "ida@XN--KHLWERK-N2A.EXAMPLE"),
            ("ida@ku\u{308}hlwerk.example", "ida@k\u{fc}hlwerk.example"),
            ("j\u{f6}rg@x.example", "JO\u{308}RG@x.example"),
            ("a@\u{65e5}\u{672c}\u{3002}example", "a@xn--wgv71a.example"),
            ("a@\u{ff38}.example", "a@x.example"),
            ("a@mail.\u{43f}\u{43e}\u{447}\u{442}\u{430}.example", "a@mail.xn--80a1acny.example"),
            ("a@stra\u{df}e.example", "a@xn--strae-oqa.example"),
            ("a_b@x_y.k\u{fc}.example", "a_b@X_Y.xn--k-eha.example"),
        ] {
            assert_eq!(address_key(one), address_key(other));
        }
        for (one, other) in [
            ("ida@k\u{fc}hlwerk.example", "ida@kuhlwerk.example"),
            ("a@stra\u{df}e.example", "a@strasse.example"),
            ("j\u{f6}rg@x.example", "jorg@x.example"),
            ("a@x.example", "b@x.example"),
        ] {
            assert_ne!(address_key(one), address_key(other));
        }
    }

    #[test]
    fn what_is_no_domain_is_compared_as_it_is() {
        for (text, key) in [
            ("A@xn--.Example", "a@xn--.example"),
            ("a@xn--a-\u{fc}.example", "a@xn--a-\u{fc}.example"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("A", "a"),
            ("", ""),
            ("xn--A@x", "xn--a@x"),
        ] {
            assert_eq!(address_key(text), key);
        }
    }

    #[test]
    fn domains_are_shown_in_unicode() {
        assert_eq!(
            in_unicode("Ida@xn--khlwerk-n2a.example").as_deref(),
            Some("Ida@k\u{fc}hlwerk.example")
        );
        assert_eq!(in_unicode("xn--khlwerk-n2a.example").as_deref(), Some("k\u{fc}hlwerk.example"));
        for text in ["a@x.example", "a@k\u{fc}.example", "xn--x@y.example", "a@xn--.example", ""] {
            assert_eq!(in_unicode(text), None, "{text}");
        }
    }
}
