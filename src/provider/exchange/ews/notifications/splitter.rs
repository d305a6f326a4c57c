//! Splits a notification stream into its envelopes. The stream is one long response that contains several complete XML documents, one after
//! another, and its chunks end anywhere.

/// Finds where each document ends, by counting tags. It reads no names, so that any prefix will do, and checks nothing: that is the
/// XML reader's business.
#[derive(Debug)]
pub(in crate::provider::exchange::ews) struct Splitter {
    /// What has arrived of the current document.
    buffer: Vec<u8>,
    /// How much of `buffer` has been looked at.
    seen: usize,
    state: State,
    depth: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Outside of any markup.
    Text,
    /// After the `<` at `start - 1`, not yet known what it begins.
    Markup { start: usize },
    /// In a start or end tag, possibly within quotes.
    Tag { end_tag: bool, quote: Option<u8>, slash: bool },
    /// Up to these bytes nothing counts: comments, CDATA, processing instructions.
    Until { end: &'static [u8], start: usize },
}

/// A document is over the limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an envelope in the stream is over {0} bytes")]
pub(in crate::provider::exchange::ews) struct TooLong(usize);

impl Splitter {
    /// A splitter for documents of at most `limit` bytes.
    pub(in crate::provider::exchange::ews) fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            seen: 0,
            state: State::Text,
            depth: 0,
            limit,
        }
    }

    /// Accepts the next chunk of the stream.
    pub(in crate::provider::exchange::ews) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Takes out the next whole document, `None` when more of the stream is needed.
    pub(in crate::provider::exchange::ews) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        while let Some(&byte) = self.buffer.get(self.seen) {
            let start = self.seen;
            self.seen += 1;
            if self.seen > self.limit {
                return Err(TooLong(self.limit));
            }
            if self.step(byte, start) {
                let rest = self.buffer.split_off(self.seen);
                self.seen = 0;
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
        }
        Ok(None)
    }

    /// Looks at one byte; whether a document ends with it.
    fn step(&mut self, byte: u8, position: usize) -> bool {
        match &mut self.state {
            State::Text => {
                if byte == b'<' {
                    self.state = State::Markup { start: position + 1 };
                }
            }
            State::Markup { start } => {
                let start = *start;
                match &self.buffer[start..=position] {
                    b"?" => {
                        self.state = State::Until {
                            end: b"?>",
                            start: position + 1,
                        }
                    }
                    b"!--" => {
                        self.state = State::Until {
                            end: b"-->",
                            start: position + 1,
                        }
                    }
                    b"![CDATA[" => {
                        self.state = State::Until {
                            end: b"]]>",
                            start: position + 1,
                        }
                    }
                    // Not yet decided between the two above.
                    begun if b"!--".starts_with(begun) || b"![CDATA[".starts_with(begun) => {}
                    begun => {
                        self.state = State::Tag {
                            end_tag: begun == b"/",
                            quote: None,
                            slash: false,
                        };
                        // `<>` is no tag, but must not swallow what follows it.
                        return byte == b'>' && self.step(byte, position);
                    }
                }
            }
            State::Tag { end_tag, quote, slash } => match (*quote, byte) {
                (Some(open), _) if byte == open => *quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => *quote = Some(byte),
                (None, b'>') => {
                    let (end_tag, empty) = (*end_tag, *slash);
                    self.state = State::Text;
                    if end_tag {
                        self.depth = self.depth.saturating_sub(1);
                    } else if !empty {
                        self.depth += 1;
                    }
                    return self.depth == 0;
                }
                (None, _) => *slash = byte == b'/',
            },
            State::Until { end, start } => {
                if self.buffer[*start..=position].ends_with(end) {
                    self.state = State::Text;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All documents of a stream that arrives in these pieces, and what is left over.
    fn split(pieces: &[&[u8]]) -> (Vec<String>, String) {
        let mut splitter = Splitter::new(10_000);
        let mut found = Vec::new();
        for piece in pieces {
            splitter.push(piece);
            while let Some(document) = splitter.next().unwrap() {
                found.push(String::from_utf8(document).unwrap());
            }
        }
        (found, String::from_utf8(splitter.buffer).unwrap())
    }

    const DOCUMENTS: [&str; 5] = [
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s='a>b'><s:Body><x/><y a=\"/>\" /></s:Body></s:Envelope>",
        "\r\n<Envelope><!-- </Envelope> --><![CDATA[</Envelope>]]]]><a/></Envelope >",
        "<Envelope/>",
        "<Envelope a='/'><b>1 > 0</b></Envelope>",
        "<?x </Envelope>?><!----><!-- - -- ->--><Envelope><![CDATA[]]></Envelope>",
    ];

    #[test]
    fn envelopes_are_found_wherever_the_stream_is_cut() {
        let stream = DOCUMENTS.concat();
        let all: Vec<String> = DOCUMENTS.iter().map(ToString::to_string).collect();
        for cut in 0..=stream.len() {
            let (left, right) = stream.as_bytes().split_at(cut);
            assert_eq!(split(&[left, right]), (all.clone(), String::new()), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(split(&bytes), (all, String::new()));
    }

    #[test]
    fn an_unfinished_envelope_is_kept() {
        assert_eq!(
            split(&[b"<a></a><b><c></c>"]),
            (vec!["<a></a>".to_owned()], "<b><c></c>".to_owned())
        );
    }

    #[test]
    fn an_endless_envelope_is_refused() {
        let mut splitter = Splitter::new(10);
        splitter.push(b"<a></a><b>");
        assert_eq!(splitter.next(), Ok(Some(b"<a></a>".to_vec())));
        splitter.push(b"1234567");
        assert_eq!(splitter.next(), Ok(None));
        splitter.push(b"8");
        assert_eq!(splitter.next(), Err(TooLong(10)));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(text in "[<>/a'\"!\\[\\]?CDAT -]{0,60}", cut in 0_usize..60) {
            let cut = cut.min(text.len());
            let (left, right) = text.as_bytes().split_at(cut);
            prop_assert_eq!(split(&[left, right]), split(&[text.as_bytes()]));
        }
    }
}
