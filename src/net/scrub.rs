//! Scrubs secrets from servers' replies.
//!
//! Careless servers repeat what they did not understand, including credentials, and their replies are stored, shown and logged. A server knows
//! the credentials anyway, but those who read its replies must not.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ProviderError, Stage, StageFacts};
use crate::crypto::Secret;

/// Replaces what was scrubbed.
const HIDDEN: &str = "[secret]";
/// Shorter secrets, and shorter beginnings of one at the end of a truncated text, are treated as coincidence.
const SHORTEST: usize = 4;
/// The same for the beginning of one in base64.
const SHORTEST_BASE64: usize = 8;

/// Knows secrets in the forms in which they go to servers.
pub struct Scrub {
    /// The secret as it is.
    plain: Vec<Secret>,
    /// What base64 shows of it, for each of the three places that it can have in a group of bytes.
    base64: Vec<Secret>,
}

impl Scrub {
    /// For these secrets.
    pub fn of(secrets: &[&Secret]) -> Self {
        let (mut plain, mut base64) = (Vec::new(), Vec::new());
        for secret in secrets
            .iter()
            .map(|secret| secret.expose().as_str())
            .filter(|secret| secret.len() >= SHORTEST)
        {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let escaped = quick_xml::escape::escape(secret).into_owned();
            plain.extend([Secret::from(secret), encoded.into(), escaped.into()]);
            base64.extend((0..3).filter_map(|before| in_base64(secret, before)));
        }
        // The longest first: one may be part of another.
        plain.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        Self { plain, base64 }
    }

    /// The text without the secrets.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.plain {
            text = text.replace(form.expose().as_str(), HIDDEN);
            if let Some(at) = cut_off(&text, form.expose(), SHORTEST) {
                text.replace_range(at.., HIDDEN);
            }
        }
        for form in &self.base64 {
            let found = |text: &str| {
                text.find(form.expose().as_str())
                    .or_else(|| cut_off(text, form.expose(), SHORTEST_BASE64))
            };
            while let Some(at) = found(&text) {
                // All of it: user names and other parts of the login stand in the same run.
                let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
                let from = text[..at].trim_end_matches(is_base64).len();
                let to = text.len() - text[at..].trim_start_matches(is_base64).len();
                text.replace_range(from..to, HIDDEN);
            }
        }
        text
    }

    /// The error without them in the server's words. Its other words are ours, and a common word for a password would spoil them.
    pub fn error(&self, error: ProviderError) -> ProviderError {
        ProviderError {
            server_reply: self.text(&error.server_reply),
            ..error
        }
    }

    /// The stage without them in the server's words.
    pub fn stage(&self, stage: Stage) -> Stage {
        Stage {
            outcome: match stage.outcome {
                Ok(facts) => Ok(StageFacts {
                    server_reply: self.text(&facts.server_reply),
                    ..facts
                }),
                Err(error) => Err(self.error(error)),
            },
            ..stage
        }
    }
}

/// Where the beginning of a form stands at the end of a text, which was cut in the middle of it.
fn cut_off(text: &str, form: &str, shortest: usize) -> Option<usize> {
    let mut beginnings = (shortest..form.len()).rev().filter_map(|length| form.get(..length));
    let cut = beginnings.find(|beginning| text.ends_with(beginning))?;
    Some(text.len() - cut.len())
}

/// What base64 shows of a text behind so many other bytes, whatever comes behind it.
fn in_base64(secret: &str, before: usize) -> Option<Secret> {
    let shifted = Secret::new([&[0_u8; 2][..before], secret.as_bytes()].concat());
    let encoded = Secret::new(STANDARD.encode(shifted.expose()));
    let from = [0, 2, 3][before];
    let to = shifted.expose().len() * 8 / 6;
    let form = encoded.expose().get(from..to)?;
    (form.len() >= SHORTEST).then(|| form.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_in_every_form() {
        let password = "hunter<2> & söhne";
        let scrub = Scrub::of(&[&password.into()]);
        let base64 = |text: &str| STANDARD.encode(text);
        let cases = [
            (format!("no {password}!"), "no [secret]!".to_owned()),
            (format!("{password} and {password}"), "[secret] and [secret]".to_owned()),
            ("hunter%3C2%3E+%26+s%C3%B6hne".to_owned(), HIDDEN.to_owned()),
            ("hunter&lt;2&gt; &amp; söhne".to_owned(), HIDDEN.to_owned()),
            ("cut off: hunter<2> & s".to_owned(), "cut off: [secret]".to_owned()),
            (
                format!("Basic {} is refused", base64(&format!("anna:{password}"))),
                "Basic [secret] is refused".to_owned(),
            ),
            (format!("535 {}", base64(&format!("\0anna\0{password}"))), "535 [secret]".to_owned()),
            (
                format!("cut off: {}", &base64(&format!("anna:{password}"))[..20]),
                "cut off: [secret]".to_owned(),
            ),
            (base64(password), HIDDEN.to_owned()),
            (
                base64(&format!("user=anna\u{1}auth=Bearer {password}\u{1}\u{1}")),
                HIDDEN.to_owned(),
            ),
            ("the hunter is 2 söhne".to_owned(), "the hunter is 2 söhne".to_owned()),
            (String::new(), String::new()),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub.text(&text), expected, "{text}");
        }
    }
}
