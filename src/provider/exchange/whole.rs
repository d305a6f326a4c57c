//! Whether what a server returned is the message that it lists, and all of it.
//!
//! Exchange has returned empty and cut messages with a status of success. Taken for messages, they would be archived as such, and no
//! comparison of ids would find the gap.

use crate::{
    mime::{self, Outline},
    provider::ListedMessage,
};

/// What is wrong when it is not.
pub(super) const NOT_WHOLE: &str = "{host} returns content that is not the message it lists. The request is retried a few times.";

/// Looks at the content that a server returned. `None` if nothing is wrong with it; otherwise [`problem`] decides by what the server lists.
pub(super) fn doubtful(raw: &[u8]) -> Option<Outline> {
    let outline = mime::outline(raw);
    (outline.is_blank || outline.ends_early || outline.message_ids.is_empty()).then_some(outline)
}

/// What is wrong with content of `length` bytes, in a sentence; `None` if it is what the server lists.
///
/// Sizes alone prove nothing, as Exchange counts what it stores: properties and recipients too, and text in UTF-16.
pub(super) fn problem(outline: &Outline, length: usize, listed: &ListedMessage) -> Option<&'static str> {
    if outline.is_blank {
        return Some("The content is empty.");
    }
    if outline.ends_early && listed.size.is_some_and(|size| (length as u64) < size) {
        return Some("The content ends in the middle.");
    }
    let solid = |text: &str| text.split_whitespace().collect::<String>();
    let id = solid(&listed.message_id);
    let id = id.trim_matches(['<', '>']);
    // Servers give a Message-ID to messages that have none, or that have it where only they find it, and cut long subjects.
    let is_another = !id.is_empty() && !outline.message_ids.is_empty() && outline.message_ids.iter().all(|own| own != id);
    let subject = solid(&listed.subject);
    let names_another = !subject.is_empty() && outline.subjects.iter().all(|own| !solid(own).starts_with(&subject));
    (is_another && names_another).then_some("The content is not that of the message that the server lists.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Message-ID: <1@x.example>\r\nSubject: Pump four\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
                         text\r\n--b--\r\n";

    fn listed() -> ListedMessage {
        ListedMessage {
            subject: "Pump four".to_owned(),
            message_id: "<1@x.example>".to_owned(),
            size: Some(WHOLE.len() as u64),
            ..ListedMessage::default()
        }
    }

    fn check(raw: &str, listed: &ListedMessage, doubted: bool, expected: Option<&str>) {
        assert_eq!(doubtful(raw.as_bytes()).is_some(), doubted, "{raw}");
        let found = problem(&mime::outline(raw.as_bytes()), raw.len(), listed);
        assert_eq!(
            found.map(|problem| problem.contains(expected.unwrap_or_default())),
            expected.map(|_| true),
            "{raw}: {found:?}"
        );
    }

    #[test]
    fn empty_and_cut_content_is_none() {
        check(WHOLE, &listed(), false, None);
        check("", &listed(), true, Some("empty"));
        check("\r\n \r\n", &listed(), true, Some("empty"));
        for end in [10, 30, 43, 60, WHOLE.len() - 14, WHOLE.len() - 5] {
            check(&WHOLE[..end], &listed(), true, Some(""));
        }
        let base64 = "Message-ID: <1@x.example>\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZ";
        check(base64, &listed(), true, Some("in the middle"));
    }

    #[test]
    fn senders_that_end_a_message_badly_are_believed() {
        // The server has no more than that.
        let unclosed = &WHOLE[..WHOLE.len() - 9];
        check(&format!("{unclosed}\r\n"), &listed(), false, None);
        let size = |size| ListedMessage { size, ..listed() };
        check(unclosed, &size(Some(unclosed.len() as u64)), true, None);
        check(unclosed, &size(None), true, None);
        check("Message-ID: <1@x.example>\nSubject: Pump four", &size(Some(10)), true, None);
        check(
            "Message-ID: <1@x.example>\nthe text begins\nat once\n",
            &size(Some(9_000)),
            false,
            None,
        );
    }

    #[test]
    fn another_message_is_told_by_id_and_subject() {
        let other = "Message-ID: <2@x.example>\n\ntext";
        check(other, &listed(), false, Some("not that"));
        // The server made up an id.
        check("Subject: Pump five\n\ntext", &listed(), true, None);
        check(
            "Message-ID: <2@x.example>\nSubject: Pump\n four and more\n\ntext",
            &listed(),
            false,
            None,
        );
        check("Message-ID:\n <1@x.example>\nSubject: x\n\ntext", &listed(), false, None);
        check(other, &ListedMessage::default(), false, None);
        // Which of two counts is for the server to say.
        check(
            "Message-ID: <2@x.example>\nMessage-ID: <1@x.example>\nSubject: x\n\ntext",
            &listed(),
            false,
            None,
        );
    }
}
