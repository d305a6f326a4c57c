//! Mail that is made to cost much: kinds that did, and generated ones.

use std::fmt::Write;

use fastrand::Rng;

/// The word that is in every one of them, for the search.
pub const WORD: &str = "zugzwang";

/// What attacks are known by, and the message.
pub fn known() -> Vec<(String, Vec<u8>)> {
    let html = |html: String| message("text/html; charset=utf-8", "7bit", &html);
    let bold = |count: usize| (0..count).map(|i| format!("<b title={i}>")).collect::<String>();
    let many = |piece: &str, count: usize| piece.repeat(count);
    let named = |count: usize, sep: &str| (0..count).map(|i| format!("a{i}{sep}")).collect::<String>();
    let cases = [
        ("formatting", html(format!("<p>{}</p>{}", bold(240), many("<p>x", 30_000)))),
        (
            "formatting in cells",
            html(format!("<table>{}", many(&format!("<td><p>{}</p>x", bold(20)), 2_000))),
        ),
        ("adoption", html(many("<a><div>", 60_000))),
        ("foster parents", html(format!("<table>{}", many("x<i></i>", 40_000)))),
        ("attributes of html", html((0..34_000).map(|i| format!("<html a{i}=1>")).collect())),
        ("attributes of a tag", html(format!("<p {}>x", named(150_000, " ")))),
        ("attributes without blanks", html(format!("<p {}>x", named(150_000, "/")))),
        ("deep lists", html(format!("{}{}", many("<ul><li>", 100), many("x<br>", 60_000)))),
        (
            "deep quotations",
            html(format!("{}{}", many("<blockquote>", 100), many("x<br>", 60_000))),
        ),
        ("references", html(many("&amp", 250_000))),
        ("numbers", html(format!("<ol start=9223372036854775807>{}", many("<li>x", 50_000)))),
        (
            "spans",
            html(format!("<table>{}", many("<tr><td colspan=65534 rowspan=65534>x", 10_000))),
        ),
        ("cells", html(format!("<table><tr>{}", many("<td>x", 100_000)))),
        ("elements", html(many("<i></i>", 150_000))),
        ("lines", html(many("<br>", 250_000))),
        ("preformatted", html(format!("<pre>{}", many("\t", 500_000)))),
        ("styles", html(many("<p style=\"margin:0 0 0 0;color:rgb(((((((\">", 20_000))),
        (
            "quotation",
            message("text/plain", "7bit", &many("On 1/1/2025 at 10:00 a <a@x.example\n", 60_000)),
        ),
        ("header blocks", message("text/plain", "7bit", &many("From: a b c\n", 150_000))),
        ("labels", message("text/plain", "7bit", &many("to:\nto:\nx\n", 200_000))),
        (
            "characters",
            message("text/plain; charset=iso-2022-jp", "8bit", &many("\u{1b}$B\u{1b}(B", 200_000)),
        ),
        (
            "escapes",
            message("text/plain; charset=utf-7", "quoted-printable", &many("+AGE-=3D=\n", 200_000)),
        ),
        ("base64", message("text/plain; charset=gb18030", "base64", &many("/w==", 500_000))),
        ("parts", parts(2_500, "text/html", "<table><tr><td><b title=1><p>x")),
        ("related", parts(2_500, "image/png; name=\"=?utf-8?Q?=E2=80=AE?=\"", "x")),
        (
            "embedded",
            parts(500, "message/rfc822", "Subject: x\nContent-Type: text/html\n\n<b><p>x"),
        ),
        (
            "wild parts",
            parts(500, "text/html", &format!("<p>{}</p>{}", bold(240), many("<p>x", 600))),
        ),
        (
            "indented parts",
            parts(
                1_500,
                "text/html",
                &format!("{}{}", many("<blockquote>", 100), many("x<br>", 1_000)),
            ),
        ),
        (
            "parameters of parts",
            parts(
                2_500,
                &format!(
                    "text/plain{0}\nContent-Disposition: inline{0}",
                    (0..1_000).map(|i| format!(";a{i}=b")).collect::<String>()
                ),
                "x",
            ),
        ),
        (
            "fields of parts",
            parts(2_500, &format!("text/plain\n{}", many("a:\n", 2_000).trim_end()), "x"),
        ),
        (
            "characters of parts",
            parts(
                1_000,
                "text/plain; charset=windows-1252\nContent-Transfer-Encoding: base64",
                &many("gICAgICA", 4_000),
            ),
        ),
        ("nested", nested(200)),
        ("nested boundaries", boundaries(8 << 20)),
        (
            "recipients",
            format!(
                "From: a@x.example\nTo: {}\nSubject: {WORD}\n\nx\n",
                many("\"=?utf-8?B?4oCu?=\" <b@y.example>, ", 5_000)
            )
            .into_bytes(),
        ),
        (
            "many senders",
            format!("{}Subject: {WORD}\n\nx\n", many(&format!("From: {}\n", many("a,", 5_000)), 1_000)).into_bytes(),
        ),
        (
            "headers",
            format!(
                "From: a@x.example\nSubject: {WORD}\n{}\nx\n",
                (0..5_000).map(|i| format!("X-{i}: {}\n", "y".repeat(900))).collect::<String>()
            )
            .into_bytes(),
        ),
        (
            "words of headers",
            format!("From: a@x.example\nSubject: {WORD} {}\n\nx\n", many("=?utf-8?Q?", 30_000)).into_bytes(),
        ),
        (
            "parameters",
            message(
                &format!("text/html;{}", (0..30_000).map(|i| format!(" a{i}*=x'y'z;")).collect::<String>()),
                "7bit",
                "x",
            ),
        ),
    ];
    cases.into_iter().map(|(name, raw)| (name.to_owned(), raw)).collect()
}

fn message(media_type: &str, encoding: &str, body: &str) -> Vec<u8> {
    let header = format!("From: Eve <eve@x.example>\nDate: Mon, 6 Jan 2025 10:00:00 +0000\nSubject: [CS-1] {WORD}\n");
    format!("{header}Content-Type: {media_type}\nContent-Transfer-Encoding: {encoding}\n\n{body}\n").into_bytes()
}

fn parts(count: usize, media_type: &str, body: &str) -> Vec<u8> {
    let part = format!("--m\nContent-Type: {media_type}\nContent-ID: <i>\n\n{body}\n");
    message("multipart/related; boundary=m", "7bit", &format!("{}--m--", part.repeat(count)))
}

fn nested(depth: usize) -> Vec<u8> {
    let open = |level: usize| match level % 2 {
        0 => format!("Content-Type: multipart/alternative; boundary=b{level}\n\n--b{level}\n"),
        _ => "Content-Type: message/rfc822\n\n".to_owned(),
    };
    let inside: String = (0..depth).map(open).collect();
    message(
        "multipart/mixed; boundary=m",
        "7bit",
        &format!("--m\n{inside}Content-Type: text/html\n\n<b>x"),
    )
}

/// Multiparts within each other, of which each has all of a long text that is much like its boundary.
fn boundaries(length: usize) -> Vec<u8> {
    let line = "-".repeat(40);
    let open = |level: usize| format!("Content-Type: multipart/mixed; boundary=\"{line}{level}\"\n\n--{line}{level}\n");
    let inside: String = (0..40).map(open).collect();
    message(
        "multipart/mixed; boundary=m",
        "7bit",
        &format!("--m\n{inside}\n{}", "-".repeat(length)),
    )
}

/// The message of a seed: pieces of HTML, character sets, encodings and trees of parts in any order.
pub fn generated(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut out = format!("From: {} <g{seed}@x.example>\nSubject: [CS-1] {WORD} {seed}\n", junk(&mut rng, 20)).into_bytes();
    for _ in 0..rng.usize(..4) {
        out.extend_from_slice(format!("X-Any: {}\n", junk(&mut rng, 60)).as_bytes());
    }
    entity(&mut rng, &mut out, 0);
    out
}

fn entity(rng: &mut Rng, out: &mut Vec<u8>, depth: usize) {
    let kinds = ["mixed", "alternative", "related", "digest", "report", "signed"];
    if depth < 6 && rng.u8(..10) < 4 {
        let boundary = format!("b{depth}{}", rng.u8(..3));
        let kind = kinds[rng.usize(..kinds.len())];
        out.extend_from_slice(format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\n\n").as_bytes());
        for _ in 0..rng.usize(1..6) {
            out.extend_from_slice(format!("--{boundary}\n").as_bytes());
            entity(rng, out, depth + 1);
            out.push(b'\n');
        }
        if rng.bool() {
            out.extend_from_slice(format!("--{boundary}--\n").as_bytes());
        }
        return;
    }
    if depth < 6 && rng.u8(..10) == 0 {
        out.extend_from_slice(b"Content-Type: message/rfc822\n\nSubject: inner\n");
        return entity(rng, out, depth + 1);
    }
    let types = [
        "text/html",
        "text/html",
        "text/html",
        "text/plain",
        "text/calendar",
        "image/png",
        "message/delivery-status",
        "application/pkcs7-mime",
    ];
    let charsets = [
        "utf-8",
        "us-ascii",
        "iso-8859-1",
        "windows-1252",
        "utf-7",
        "utf-16",
        "utf-16le",
        "iso-2022-jp",
        "gb18030",
        "big5",
        "euc-kr",
        "shift_jis",
        "koi8-r",
        "x-user-defined",
        "macintosh",
        "no-such",
    ];
    let encodings = ["7bit", "8bit", "base64", "quoted-printable", "x-uuencode", "binary"];
    let (kind, charset) = (types[rng.usize(..types.len())], charsets[rng.usize(..charsets.len())]);
    let encoding = encodings[rng.usize(..encodings.len())];
    out.extend_from_slice(format!("Content-Type: {kind}; charset={charset}; name=\"{}\"\n", junk(rng, 12)).as_bytes());
    out.extend_from_slice(format!("Content-Transfer-Encoding: {encoding}\nContent-ID: <{}>\n\n", junk(rng, 8)).as_bytes());
    let body = if kind == "text/html" { html(rng) } else { junk(rng, 400) };
    for byte in body.bytes() {
        match encoding {
            "quoted-printable" if !byte.is_ascii_alphanumeric() => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
            "base64" if rng.u8(..50) == 0 => out.push(rng.u8(..)),
            _ => out.push(byte),
        }
    }
}

const NAMES: [&str; 48] = [
    "p",
    "b",
    "i",
    "a",
    "font",
    "div",
    "span",
    "table",
    "tr",
    "td",
    "th",
    "tbody",
    "caption",
    "colgroup",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "pre",
    "h1",
    "br",
    "hr",
    "img",
    "svg",
    "math",
    "mi",
    "title",
    "style",
    "script",
    "template",
    "select",
    "option",
    "textarea",
    "form",
    "button",
    "nobr",
    "frameset",
    "html",
    "body",
    "head",
    "noscript",
    "plaintext",
    "marquee",
    "object",
    "annotation-xml",
];

fn html(rng: &mut Rng) -> String {
    let mut out = String::new();
    for _ in 0..rng.usize(1..12) {
        let mut piece = String::new();
        for _ in 0..rng.usize(1..8) {
            let name = NAMES[rng.usize(..NAMES.len())];
            match rng.u8(..10) {
                0..5 => {
                    let _ = write!(piece, "<{name}");
                    for _ in 0..rng.usize(..4) {
                        let attribute =
                            ["title", "style", "colspan", "rowspan", "start", "href", "src", "alt", "id", "color"][rng.usize(..10)];
                        let value = [
                            "1",
                            "-1",
                            "65535",
                            "99999999999999999999",
                            "margin:-9px",
                            "x y",
                            "data:image/png;base64,AA==",
                        ][rng.usize(..7)];
                        let _ = write!(piece, " {attribute}=\"{value}\"");
                    }
                    piece.push('>');
                }
                5..7 => {
                    let _ = write!(piece, "</{name}>");
                }
                _ => {
                    let junk = junk(rng, 12);
                    piece.push_str(&junk);
                }
            }
        }
        let times = if rng.u8(..8) == 0 { rng.usize(1..400) } else { rng.usize(1..6) };
        out.push_str(&piece.repeat(times));
    }
    out
}

fn junk(rng: &mut Rng, length: usize) -> String {
    let pieces = [
        "a",
        "word ",
        "&amp",
        "&#x202e;",
        "&nbsp;",
        "<!--",
        "-->",
        "<![CDATA[",
        "\u{202e}",
        "\u{65e5}",
        "=?utf-8?Q?=C3?=",
        "=?",
        "> ",
        "On 1/1/2025 a@x.example wrote: ",
        "From: a@x.example ",
        "\t",
        "'",
        "\\",
        "(",
        ";",
        "=",
        "%",
        "CON",
        ":",
    ];
    (0..rng.usize(..length.max(1))).map(|_| pieces[rng.usize(..pieces.len())]).collect()
}
