//! Lists of the directory and of outcomes: `crm_user.addresses`, `contact.addresses` and `outcome.candidates`.

use super::{Cell, MailboxV1, read_first, write};
use crate::domain::{Mailbox, Result};

pub fn write_addresses(addresses: &[String]) -> String {
    write(&addresses)
}

pub fn read_addresses(text: &str, cell: Cell<'_>) -> Result<Vec<String>> {
    read_first(text, cell)
}

/// Who may have written a forwarded message, each with the reason; nothing is written for nobody.
pub fn write_candidates(candidates: Vec<(Mailbox, String)>) -> String {
    if candidates.is_empty() {
        return String::new();
    }
    let form = |(mailbox, reason): (Mailbox, String)| (MailboxV1::from(mailbox), reason);
    write(&candidates.into_iter().map(form).collect::<Vec<_>>())
}

pub fn read_candidates(text: &str, row: &str) -> Result<Vec<(Mailbox, String)>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let candidates: Vec<(MailboxV1, String)> = read_first(text, Cell::new("outcome", "candidates", row))?;
    Ok(candidates.into_iter().map(|(mailbox, reason)| (mailbox.into(), reason)).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check_form, *};

    #[test]
    fn addresses_are_read_as_they_were_written() {
        let check = |addresses: &[&str], text: &str| {
            let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
            let write = |addresses: Vec<String>| write_addresses(&addresses);
            check_form(addresses, text, write, |text| {
                read_addresses(text, Cell::new("contact", "addresses", "r1"))
            });
        };
        check(&[], "[]");
        check(&["eva@oak.example", "É@oak.example"], r#"["eva@oak.example","É@oak.example"]"#);
    }

    #[test]
    fn candidates_are_read_as_they_were_written() {
        let tom = Mailbox {
            display_name: "Tom".to_owned(),
            address: "tom@elm.example".to_owned(),
        };
        let text = r#"[[{"display_name":"Tom","address":"tom@elm.example"},"From line in the forwarded text"]]"#;
        let candidates = vec![(tom, "From line in the forwarded text".to_owned())];
        assert_eq!(write_candidates(candidates.clone()), text);
        assert_eq!(read_candidates(text, "r1").unwrap(), candidates);
        assert_eq!(
            (write_candidates(Vec::new()), read_candidates("", "r1").unwrap()),
            (String::new(), Vec::new())
        );
        for wrong in ["[7]", "{\"v\":2}"] {
            assert!(read_candidates(wrong, "r1").is_err(), "{wrong}");
        }
    }
}
