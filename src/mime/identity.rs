//! The identity of a message: what stays the same when a server rebuilds it.

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::{
    Identity, ParsedMail,
    basics::Basics,
    entity::Part,
    html,
    opened::{HTML_LIMIT, Opened},
};

/// Most bytes of text that are read of one part.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;
/// Deepest embedded message that is parsed; a deeper one counts as its bytes.
const DEPTH_LIMIT: usize = 4;
/// How much of a text is digested at a time, in bytes.
const PIECE: usize = 16 * 1024;

/// Computes the identity: SHA-256 over Message-ID, time and address of the sender, then subject and text without any white space, and
/// the sorted digests of everything else. It is computed from decoded content, whatever the encoding.
///
/// Every alternative counts: shops send the same short plain text with the HTML of each order.
///
/// `seen` is called with each text that is read as such. Only the first is the text of the message: servers turn the others into attachments.
pub(super) fn of(basics: &Basics, opened: &Opened<'_>, seen: impl FnMut(&str)) -> Identified {
    identify(basics, opened, 0, seen)
}

/// What a message is known by.
pub(super) struct Identified {
    pub identity: Identity,
    /// See [`ParsedMail::copy_key`].
    pub copy_key: Option<[u8; 32]>,
}

/// The identity of a message without a Message-ID also includes its recipients. Without a time as well, it is the digest of its bytes:
/// so little else remains that other messages could have the same identity, and no server that delivers mail omits both.
pub(super) fn without_message_id(mail: &ParsedMail, raw: &[u8]) -> Identity {
    if mail.date.is_none() {
        return Identity(bytes(digest(&SHA256, raw).as_ref()));
    }
    let mut context = Context::new(&SHA256);
    context.update(&mail.identity.0);
    for recipient in mail.to.iter().chain(&mail.cc) {
        context.update(recipient.key().as_bytes());
        context.update(b"\n");
    }
    Identity(bytes(context.finish().as_ref()))
}

fn identify(basics: &Basics, opened: &Opened<'_>, depth: usize, mut seen: impl FnMut(&str)) -> Identified {
    let mut context = beginning(basics);
    add_whole(&mut context, &basics.subject);
    let mut digests: Vec<[u8; 32]> = Vec::new();
    let (mut first, mut said) = (true, Vec::new());
    let is_compared = opened.other_alternatives().next().is_some();
    for (part, text) in opened.texts(TEXT_LIMIT, |source| html::to_words(source, TEXT_LIMIT)) {
        let digest = if first && !is_compared { None } else { text_digest(&text) };
        said.push(digest);
        if std::mem::take(&mut first) {
            add_whole(&mut context, &text);
        } else {
            digests.extend(digest);
        }
        digests.extend(unread(part));
        seen(&text);
    }
    if first {
        add_whole(&mut context, "");
    }
    for part in opened.other_alternatives() {
        let digest = text_digest(&html::to_words(&part.text_within(HTML_LIMIT), TEXT_LIMIT));
        // Servers make an HTML alternative of a text that has none.
        if !said.contains(&digest) {
            digests.extend(digest);
            digests.extend(unread(part));
        }
    }
    digests.extend(opened.unlisted().filter_map(|part| content(opened, part, depth)));
    let mut files = Vec::new();
    for (part, inline) in opened.attachments() {
        let digest = content(opened, part, depth);
        digests.extend(digest);
        if !inline && !part.media_type.starts_with("text/") {
            files.extend(digest);
        }
    }
    add_sorted(&mut context, digests);
    Identified {
        identity: Identity(bytes(context.finish().as_ref())),
        copy_key: copy_key(basics, files),
    }
}

fn copy_key(basics: &Basics, files: Vec<[u8; 32]>) -> Option<[u8; 32]> {
    let known = basics.message_id.is_some() && basics.date.is_some() && basics.from.is_some();
    known.then(|| {
        let mut context = beginning(basics);
        add_sorted(&mut context, files);
        bytes(context.finish().as_ref())
    })
}

/// A digest that begins with Message-ID, time and address of the sender.
fn beginning(basics: &Basics) -> Context {
    let mut context = Context::new(&SHA256);
    let mut field = |bytes: &[u8]| {
        // Lengths separate one field from the next.
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    field(basics.message_id.as_deref().unwrap_or_default().as_bytes());
    field(&basics.date.map_or(0, |date| date.time().0).to_be_bytes());
    field(basics.from.as_ref().map(|from| from.key()).unwrap_or_default().as_bytes());
    context
}

fn add_sorted(context: &mut Context, mut digests: Vec<[u8; 32]>) {
    digests.sort_unstable();
    let digests = digests.concat();
    context.update(&(digests.len() as u64).to_be_bytes());
    context.update(&digests);
}

/// The digest of an attachment. Servers rebuild embedded messages too, re-encode texts in another charset and drop empty ones.
fn content(opened: &Opened<'_>, part: &Part<'_>, depth: usize) -> Option<[u8; 32]> {
    if part.is_message() && depth < DEPTH_LIMIT {
        let embedded = opened.open_within(part, |outer, opened| {
            identify(&Basics::of(&outer.root().fields), &opened, depth + 1, |_| ()).identity
        });
        if let Some(identity) = embedded {
            return Some(identity.0);
        }
    }
    let is_text = part.media_type.starts_with("text/") || part.media_type.starts_with("message/");
    if !is_text {
        return Some(measured(part).1);
    }
    unread(part).or_else(|| text_digest(&part.text_within(TEXT_LIMIT)))
}

/// Represents the rest of a text that is too long to be read whole, by its encoded bytes, so that two texts with the same beginning are
/// not taken for the same one.
fn unread(part: &Part<'_>) -> Option<[u8; 32]> {
    if part.body.len() <= TEXT_LIMIT {
        return None;
    }
    let (length, digest) = measured(part);
    (length > TEXT_LIMIT).then_some(digest)
}

/// Length and digest of the decoded body of a part.
fn measured(part: &Part<'_>) -> (usize, [u8; 32]) {
    let (mut length, mut context) = (0, Context::new(&SHA256));
    part.pieces(|piece| {
        length += piece.len();
        context.update(piece);
    });
    (length, bytes(context.finish().as_ref()))
}

fn text_digest(text: &str) -> Option<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    add_solid(&mut context, text);
    (!text.trim().is_empty()).then(|| bytes(context.finish().as_ref()))
}

fn bytes(digest: &[u8]) -> [u8; 32] {
    digest.try_into().expect("SHA-256 has 32 bytes")
}

/// Adds the length of a text without white space and that text.
fn add_whole(context: &mut Context, text: &str) {
    context.update(&solid_length(text).to_be_bytes());
    add_solid(context, text);
}

/// Length of a text without white space, in bytes.
fn solid_length(text: &str) -> u64 {
    text.split_whitespace().map(|word| word.len() as u64).sum()
}

/// Adds a text without white space: servers fold, wrap and trim it as they like. It works piece by piece, as a text may be most of a large
/// message.
fn add_solid(context: &mut Context, text: &str) {
    let mut piece = Vec::with_capacity(PIECE.min(text.len()));
    for word in text.split_whitespace() {
        if piece.len() + word.len() > PIECE {
            context.update(&piece);
            piece.clear();
        }
        if word.len() > PIECE {
            context.update(word.as_bytes());
        } else {
            piece.extend_from_slice(word.as_bytes());
        }
    }
    context.update(&piece);
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn check(one: &str, other: &str, same: bool) {
        let identity = |raw: &str| parse(raw.as_bytes()).unwrap().identity;
        assert_eq!(identity(one) == identity(other), same, "{one}\n-----\n{other}");
    }

    const HEAD: &str = "Message-ID: <1@x>\nDate: Mon, 6 Jan 2025 10:00:00 +0000\nFrom: A <a@x.example>\nSubject: s\n";

    #[test]
    fn rebuilding_keeps_it() {
        let plain = format!("{HEAD}\nGr\u{fc}\u{df}e\n");
        check(
            &plain,
            "Subject: =?utf-8?Q?s?=\r\nFrom: a@X.example\r\nX-Any: 1\r\nDate: Mon, 6 Jan 2025 11:00:00 +0100\r\nMessage-ID:\r\n <1@x>\r\n\
             Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe =\r\n\r\n",
            true,
        );
        check(
            &plain,
            &format!(
                "{HEAD}Content-Type: multipart/alternative; boundary=q\n\n--q\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n--q--"
            ),
            true,
        );
    }

    #[test]
    fn every_alternative_counts() {
        let order = |plain: &str, html: &str| {
            format!(
                "{HEAD}Content-Type: multipart/alternative; boundary=q\n\n--q\n\n{plain}\n--q\nContent-Type: text/html; charset=utf-8\n\n{html}\n--q--"
            )
        };
        let generated = order("See below", "<p>See<br>below</p>");
        check(&generated, &format!("{HEAD}\nSee below\n"), true);
        check(
            &order("See below", "<p>Order 41</p>"),
            &order("See below", "<p>Order 42</p>"),
            false,
        );
        check(
            &order("See below", "<p>Order 41</p>"),
            &order("See  above", "<p>Order 41</p>"),
            false,
        );
        check(
            &order("See below", "<p>Gr\u{fc}\u{df}e, order&nbsp;41</p>"),
            &order("See\n below", "<div>Gr&uuml;&szlig;e, <b>order</b> 41</div>"),
            true,
        );
    }

    #[test]
    fn what_people_see_changes_it() {
        let plain = format!("{HEAD}\ntext");
        for (from, to) in [
            ("1@x", "2@x"),
            ("10:00", "10:01"),
            ("a@x", "b@x"),
            (": s", ": t"),
            ("text", "test"),
            ("Message-ID", "X-ID"),
        ] {
            check(&plain, &plain.replacen(from, to, 1), false);
        }
    }

    #[test]
    fn copies_have_their_key_in_common() {
        let key = |raw: &str| parse(raw.as_bytes()).unwrap().copy_key;
        let plain = format!("{HEAD}\ntext");
        let with = |subject: &str, file: &str| {
            let head = HEAD.replace("Subject: s", subject);
            format!(
                "{head}Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n\na footer\n--b\nContent-Type: application/pdf\n\n{file}\n--b--"
            )
        };
        assert_eq!(
            key(&plain),
            key(&plain.replace(": s", ": [EXTERNAL] s").replace("text", "text and more"))
        );
        assert_eq!(key(&with("Subject: s", "P")), key(&with("Subject: [list] s", "P")));
        assert_ne!(key(&with("Subject: s", "P")), key(&with("Subject: s", "Q")));
        assert_ne!(key(&with("Subject: s", "P")), key(&plain));
        for lacking in ["Message-ID", "Date", "From"] {
            assert_eq!(key(&plain.replace(lacking, "X-Other")), None, "{lacking}");
        }
    }

    #[test]
    fn without_a_message_id_recipients_count_and_without_a_time_every_byte() {
        let no_id = HEAD.replace("Message-ID: <1@x>\n", "");
        let to = |to: &str| format!("{no_id}To: {to}\n\ntext");
        check(&to("B <b@x.example>"), &to("b@X.example").replace('\n', "\r\n"), true);
        check(&to("b@x.example"), &to("c@x.example"), false);
        check("Subject: s\n\ntext", "Subject: s\n\ntext", true);
        check("Subject: s\n\ntext", "Subject: s\r\n\r\ntext", false);
    }

    /// Only the beginning of such a text is read as a text.
    #[test]
    fn long_texts_that_begin_alike_differ() {
        let text = "word ".repeat(super::TEXT_LIMIT / 5 + 1);
        let long = |end: &str| format!("{HEAD}\n{text}{end}");
        check(&long("a"), &long("b"), false);
        let attached = |end: &str| format!("{HEAD}Content-Type: text/csv\nContent-Disposition: attachment\n\n{text}{end}");
        check(&attached("a"), &attached("b"), false);
        check(&attached("a"), &attached("a"), true);
    }

    #[test]
    fn attachments_count_by_content() {
        let with = |head: &str, content: &str| {
            format!("{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--b\n{head}\n\n{content}\n--b--")
        };
        let plain = with("Content-Type: application/x", "xxx");
        check(
            &plain,
            &with("Content-Type: application/x; name=n\nContent-Transfer-Encoding: base64", "eHh4"),
            true,
        );
        check(&plain, &with("Content-Type: application/x", "xxy"), false);
        // A second text, within the text and beside it.
        check(&with("X-A: 1", "more"), &with("Content-Disposition: attachment", "more\n"), true);
        check(&with("X-A: 1", "more"), &with("X-A: 1", "less"), false);
        let embedded = |inner: &str| with("Content-Type: message/rfc822", inner);
        check(
            &embedded("Subject: i\nX-A: 1\n\nbody"),
            &embedded("X-B: 2\nSubject:  i\n\nbody \n"),
            true,
        );
        check(&embedded("Subject: i\n\nbody"), &embedded("Subject: i\n\nother"), false);
    }
}
