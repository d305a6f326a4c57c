//! Parts that the HTML of a message shows, by their Content-ID (RFC 2392) or Content-Location (RFC 2557). They belong into the text, whatever
//! their disposition says: mail programs mark pictures within a text as attachments too.

use std::collections::HashSet;

use super::{
    entity::{Entity, Part},
    layout::{self, CONTENT_ID_LIMIT, Layout},
    opened::HTML_LIMIT,
};

/// Most references that are read.
const REFERENCE_LIMIT: usize = 2_000;
/// Longest reference, in bytes.
const LENGTH_LIMIT: usize = 1_000;

/// Marks the attachments that the HTML shows.
pub(super) fn mark(entity: &Entity<'_>, layout: &mut Layout) {
    let is_html = |index: &&usize| entity.parts[**index].media_type == "text/html";
    let is_named = |(index, inline): &(usize, bool)| !inline && names_of(&entity.parts[*index]).next().is_some();
    if !layout.html.iter().any(|index| is_html(&index)) || !layout.attachments.iter().any(is_named) {
        return;
    }
    let mut shown = HashSet::new();
    for index in layout.html.iter().filter(is_html) {
        shown.extend(references(&entity.parts[*index].text_within(HTML_LIMIT)));
    }
    for (index, inline) in &mut layout.attachments {
        *inline |= names_of(&entity.parts[*index]).any(|name| shown.contains(&name));
    }
}

/// What refers to a part.
fn names_of(part: &Part<'_>) -> impl Iterator<Item = String> {
    let id = layout::content_id(part).filter(|id| !id.is_empty()).map(|id| format!("cid:{id}"));
    let place = part.fields.first("Content-Location").map(|field| field.text(CONTENT_ID_LIMIT));
    let place = place.filter(|place| !place.is_empty());
    id.into_iter().chain(place)
}

/// The values of `src` and `background`, and the addresses of parts anywhere in the HTML.
fn references(html: &str) -> impl Iterator<Item = String> + '_ {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | ')' | ';');
    let at_sign = html.match_indices("cid:").chain(html.match_indices("CID:"));
    let by_id = at_sign.map(move |(at, _)| {
        let rest = &html[at + 4..];
        let rest = &rest[..rest.floor_char_boundary(LENGTH_LIMIT)];
        format!("cid:{}", unescaped(&rest[..rest.find(ends).unwrap_or(rest.len())]))
    });
    let by_place = ["src=", "SRC=", "background=", "BACKGROUND="]
        .into_iter()
        .flat_map(|name| html.match_indices(name))
        .filter_map(move |(at, name)| {
            let rest = html[at + name.len()..].trim_start();
            let rest = &rest[..rest.floor_char_boundary(LENGTH_LIMIT)];
            let value = match rest.chars().next()? {
                quote @ ('"' | '\'') => rest[1..].split(quote).next()?,
                _ => rest.split(|c: char| c.is_whitespace() || c == '>').next()?,
            };
            Some(value.trim().to_owned())
        });
    by_id.take(REFERENCE_LIMIT).chain(by_place.take(REFERENCE_LIMIT))
}

/// Undoes percent-encoding, and the escape of `&` in HTML.
fn unescaped(reference: &str) -> String {
    if !reference.contains(['%', '&']) {
        return reference.to_owned();
    }
    let mut out = Vec::with_capacity(reference.len());
    let mut rest = reference.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = (byte == b'%').then(|| super::transfer::escape(after)).flatten();
        out.push(escaped.unwrap_or(byte));
        if escaped.is_some() {
            rest = &after[2..];
        }
    }
    String::from_utf8_lossy(&out).replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use crate::mime::content;

    fn check(html: &str, head: &str, inline: bool) {
        let raw = format!(
            "Subject: x\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/html\n\n{html}\n--m\nContent-Type: image/png\n\
             Content-Disposition: attachment; filename=a.png\n{head}\n\nI\n--m--"
        );
        let found = content(raw.as_bytes()).attachments;
        assert_eq!((found.len(), found[0].inline), (1, inline), "{html} {head}");
    }

    #[test]
    fn what_the_html_shows_belongs_to_it() {
        for (html, head, inline) in [
            ("<img src=\"cid:a@x\">", "Content-ID: <a@x>", true),
            ("<IMG SRC='CID:a%40x'>", "Content-ID: <a@x>", true),
            ("<td style=\"background:url(cid:a@x)\">", "Content-ID: a@x", true),
            ("<img src=cid:a@x>", "Content-ID: <b@x>", false),
            ("<img src=\"logo.png\">", "Content-Location: logo.png", true),
            ("<IMG SRC=logo.png>", "Content-ID: <a@x>\nContent-Location: logo.png", true),
            (
                "<img src=\"https://x.example/logo.png\">",
                "Content-Location: https://x.example/logo.png",
                true,
            ),
            ("<p>logo.png</p>", "Content-Location: logo.png", false),
            ("<img src=\"cid:a@x\">", "X-Other: a@x", false),
            ("<p>no picture</p>", "Content-ID: <a@x>", false),
        ] {
            check(html, head, inline);
        }
    }
}
