//! Lists of servers that an operator names.

/// Whether a list names a server. An entry that begins with a dot stands for all names below it; entries are in lower case.
pub fn is_named(list: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.').to_lowercase();
    list.iter().any(|entry| {
        if entry.starts_with('.') {
            host.len() > entry.len() && host.ends_with(entry.as_str())
        } else {
            host == *entry
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole_names_or_all_below_one() {
        let list = ["mail.example.com".to_owned(), ".corp.test".to_owned()];
        for named in ["mail.example.com", "MAIL.Example.com.", "a.corp.test", "a.b.corp.test"] {
            assert!(is_named(&list, named), "{named}");
        }
        for other in [
            "example.com",
            "a.mail.example.com",
            "corp.test",
            ".corp.test",
            "evilcorp.test",
            "corp.test.evil",
            "",
        ] {
            assert!(!is_named(&list, other), "{other}");
        }
        assert!(!is_named(&[], "mail.example.com"));
    }
}
