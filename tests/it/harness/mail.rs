//! Messages.

use std::sync::atomic::{AtomicU32, Ordering};

/// A plain message; every one that is made has another Message-ID and text.
#[derive(Clone, Debug)]
pub struct Mail {
    headers: Vec<(String, String)>,
    body: String,
}

impl Mail {
    /// From an address to `anna@example.com`, with this subject.
    pub fn new(from: &str, subject: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let headers = [
            ("From", from.to_owned()),
            ("To", "Anna <anna@example.com>".to_owned()),
            ("Subject", subject.to_owned()),
            ("Date", "Mon, 23 Nov 2026 09:00:00 +0000".to_owned()),
            ("Message-ID", format!("<test-{number}@mail.example>")),
        ];
        Self {
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: format!("This is message {number}.\r\n"),
        }
    }

    /// With another value of a header field, or a further field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another text.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Its Message-ID without the angle brackets.
    pub fn id(&self) -> String {
        let value = self
            .headers
            .iter()
            .find(|(name, _)| name == "Message-ID")
            .map(|(_, value)| value.as_str());
        value.unwrap_or_default().trim_matches(['<', '>']).to_owned()
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// A message written out whole: line ends become CR LF.
pub fn raw(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}
