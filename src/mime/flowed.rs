//! Texts whose lines are wrapped for transport (RFC 3676): `format=flowed`, with `DelSp`.

use std::borrow::Cow;

/// Line that stands above a signature, and is never joined with the next (RFC 3676 §4.3).
const SIGNATURE: &str = "-- ";

/// What happens to the blank that ends a line which continues in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blank {
    /// It is between two words.
    Stays,
    /// It was added (`DelSp=yes`).
    Goes,
}

/// The text with its paragraphs in one line each. The marks of quoted lines stay.
pub(super) fn joined(text: &str, blank: Blank) -> Cow<'_, str> {
    if !text.contains(" \n") && !text.contains(" \r\n") && !text.contains("\n ") && !text.starts_with(' ') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    // How deeply the line before is quoted, if it continues in the next.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let content = &line[depth..];
        let content = match content.strip_prefix(' ') {
            // Else it would be taken for a quotation.
            Some(unstuffed) if depth == 0 && unstuffed.starts_with('>') => content,
            Some(unstuffed) => unstuffed,
            None => content,
        };
        // A line of blanks ends a paragraph, whatever it says.
        let is_fixed = content == SIGNATURE || content.trim().is_empty();
        let joins = open == Some(depth) && !is_fixed;
        if open.is_some() && !joins {
            out.push('\n');
        }
        if !joins && depth > 0 {
            out.push_str(&line[..depth]);
            if !content.is_empty() {
                out.push(' ');
            }
        }
        open = (!is_fixed && content.ends_with(' ')).then_some(depth);
        match blank {
            Blank::Goes if open.is_some() => out.push_str(&content[..content.len() - 1]),
            _ => out.push_str(content),
        }
        if open.is_none() {
            out.push('\n');
        }
    }
    if !text.ends_with('\n') && out.ends_with('\n') {
        out.pop();
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_are_joined_and_everything_else_stays() {
        for (text, expected) in [
            ("a \nb\nc\n", "a b\nc\n"),
            ("a \r\nb\r\n\r\nc", "a b\n\nc"),
            (" From here\n  indented\n", "From here\n indented\n"),
            ("> a \n> b\nc", "> a b\nc"),
            (">a \n> b", "> a b"),
            (">> a \n> b \n> c\nd", ">> a \n> b c\nd"),
            ("a \n> b", "a \n> b"),
            ("Yes. \n-- \nAnna\n", "Yes. \n-- \nAnna\n"),
            ("> -- \n> Anna", "> -- \n> Anna"),
            ("a \n\nb", "a \n\nb"),
            ("a \n \nb", "a \n\nb"),
            (" >50 \u{b0}C \nis hot", " >50 \u{b0}C is hot"),
            ("one\ntwo", "one\ntwo"),
            ("", ""),
        ] {
            assert_eq!(joined(text, Blank::Stays), expected, "{text:?}");
        }
        assert_eq!(joined("\u{65e5} \n\u{672c} \n", Blank::Goes), "\u{65e5}\u{672c}");
        assert_eq!(joined("a  \nb", Blank::Goes), "a b");
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "([ >]{0,3}[a-c -]{0,6}[ ]?\r?\n?){0,12}", goes in any::<bool>()) {
            let blank = if goes { Blank::Goes } else { Blank::Stays };
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '>').collect::<String>();
            prop_assert_eq!(solid(&joined(&text, blank)), solid(&text));
        }
    }
}
