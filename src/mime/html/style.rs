//! Style declarations that are kept: the look of text and tables, but nothing that loads, computes or covers other parts of the page.

use std::{collections::HashSet, sync::LazyLock};

/// Properties that are kept.
const PROPERTIES: &str = "background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse \
    border-color border-left border-left-color border-left-style border-left-width border-radius border-right border-right-color \
    border-right-style border-right-width border-spacing border-style border-top border-top-color border-top-style border-top-width \
    border-width color direction display font font-family font-size font-style font-variant font-weight height letter-spacing \
    line-height list-style-type margin margin-bottom margin-left margin-right margin-top max-width min-width padding padding-bottom \
    padding-left padding-right padding-top table-layout text-align text-decoration text-indent text-transform vertical-align \
    white-space width word-break word-spacing word-wrap";
/// Text in a value that loads or computes something, or hides that it does.
const LOADING: [&str; 9] = ["url", "image", "expression", "@import", "src", "\\", "/*", "var(", "attr("];
/// Functions that are kept: they return a colour. Others compute values, including negative lengths.
const FUNCTIONS: [&str; 4] = ["rgb", "rgba", "hsl", "hsla"];
/// Values of `display`, besides those of tables, that leave a box in its place.
const DISPLAYS: [&str; 10] = [
    "none",
    "inline",
    "block",
    "inline-block",
    "list-item",
    "flex",
    "inline-flex",
    "inline-table",
    "inherit",
    "initial",
];
/// Largest font size and letter spacing, in px, pt and the like: larger ones reach far beyond their line.
const LETTER_LIMIT: f64 = 120.0;
/// The same, relative to the surrounding text.
const LETTER_FACTOR_LIMIT: f64 = 8.0;

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| PROPERTIES.split_whitespace().collect());

/// What happens if the content of an element is higher than its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The element grows.
    Grows,
    /// The content covers what follows.
    Overflows,
}

/// A style that is safe.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SafeStyle {
    /// The declarations that are kept.
    pub kept: String,
    /// Whether one was removed that may load something.
    pub loads: bool,
}

/// Keeps the safe declarations of a style attribute.
pub(super) fn safe_style(style: &str, placed: Overflow) -> SafeStyle {
    let mut safe = SafeStyle::default();
    for declaration in declarations(style) {
        let lower = declaration.to_ascii_lowercase();
        if LOADING.iter().any(|part| lower.contains(part)) {
            safe.loads = true;
            continue;
        }
        let (Some((name, value)), Some((_, written))) = (lower.split_once(':'), declaration.split_once(':')) else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if value.is_empty() || !KNOWN.contains(name) || !stays_in_place(name, value) {
            continue;
        }
        if !safe.kept.is_empty() {
            safe.kept.push(';');
        }
        let overflows = name == "height" && placed == Overflow::Overflows;
        safe.kept.push_str(if overflows { "min-height" } else { name });
        safe.kept.push(':');
        safe.kept.push_str(written.trim());
    }
    safe
}

/// The declarations of a style. A semicolon in quotes or parentheses does not end one.
fn declarations(style: &str) -> impl Iterator<Item = &str> {
    let (mut quote, mut depth) = (None, 0_usize);
    style.split(move |c| {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => (),
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ';') => return depth == 0,
            (None, _) => (),
        }
        false
    })
}

/// Whether a value, in lower case, leaves a box in its place and the text in its box, as far as one declaration says.
fn stays_in_place(name: &str, value: &str) -> bool {
    let Some(words) = words(value) else { return false };
    let mut numbers = words.iter().filter_map(|word| number(word));
    match name {
        // Hyphens and digits in names have no meaning.
        "font-family" => true,
        "display" => words.iter().all(|word| {
            let word = word.trim_start_matches('!');
            DISPLAYS.contains(&word) || word == "table" || word.starts_with("table-") || word == "important"
        }),
        "font" | "font-size" | "letter-spacing" | "word-spacing" | "text-indent" => {
            numbers.all(|(number, unit)| {
                let limit = match unit {
                    "em" | "rem" | "ex" | "ch" | "in" | "cm" => LETTER_FACTOR_LIMIT,
                    "%" => LETTER_FACTOR_LIMIT * 100.0,
                    "vw" | "vh" | "vmin" | "vmax" | "svw" | "svh" | "lvw" | "lvh" | "dvw" | "dvh" => LETTER_FACTOR_LIMIT,
                    // A font weight.
                    "" if name == "font" => 1_000.0,
                    _ => LETTER_LIMIT,
                };
                (0.0..=limit).contains(&number)
            })
        }
        _ => numbers.all(|(number, _)| number >= 0.0),
    }
}

/// The words of a value, without quoted ones. `None` if it is incomplete or calls a function that does not return a colour.
fn words(value: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut rest = value;
    let mut depth = 0_usize;
    while let Some(c) = rest.chars().next() {
        if let '"' | '\'' = c {
            let end = rest[1..].find(c)?;
            rest = &rest[end + 2..];
            continue;
        }
        let length = rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | '/' | '(' | ')' | '"' | '\'' | '!'))
            .unwrap_or(rest.len());
        let word = &rest[..length];
        if word.contains(['{', '}', '<', '>', '@', '&', ';', '[', ']']) {
            return None;
        }
        match rest[length..].chars().next() {
            Some('(') if FUNCTIONS.contains(&word) => depth += 1,
            Some('(') => return None,
            Some(')') => depth = depth.checked_sub(1)?,
            _ => (),
        }
        if !word.is_empty() && depth == 0 {
            words.push(word);
        }
        let separator = rest[length..].chars().next().filter(|c| !matches!(c, '"' | '\''));
        rest = &rest[length + separator.map_or(0, char::len_utf8)..];
    }
    (depth == 0).then_some(words)
}

/// A number and its unit. Text that begins like a number but is invalid counts as negative.
fn number(word: &str) -> Option<(f64, &str)> {
    let unsigned = word.trim_start_matches(['+', '-']);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (digits, unit) = unsigned.split_at(end);
    let exponent = unit
        .strip_prefix('e')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')));
    let negative = exponent || word[..word.len() - unsigned.len()].contains('-');
    let value = if negative { -1.0 } else { digits.parse().unwrap_or(-1.0) };
    Some((value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(style: &str, kept: &str, loads: bool) {
        let expected = SafeStyle {
            kept: kept.to_owned(),
            loads,
        };
        assert_eq!(safe_style(style, Overflow::Grows), expected, "{style}");
    }

    #[test]
    fn the_look_stays() {
        for style in [
            "color:red",
            "font:bold 12px/1.5 \"A-1 B\", Arial,sans-serif",
            "font-family:-apple-system,\"Segoe UI\",'x;y'",
            "margin:0 auto !important",
            "background-color:rgba(0, 0, 0, 0.5)",
            "display:inline-block;padding:1em 2%",
            "display:table-cell!important",
            "height:20px",
            "line-height:0",
            "letter-spacing:normal;text-indent:2em",
            "text-align:-webkit-center",
            "width:600px;border:1px solid #e1e1e1",
        ] {
            check(style, style, false);
        }
        check(" COLOR : Red ; ;x;", "color:Red", false);
    }

    #[test]
    fn nothing_leaves_its_place() {
        for style in [
            "margin-top:-500px",
            "margin:0 0 -1em",
            "margin:0,-1px",
            "margin:-.5in",
            "margin:calc(0px - 500px)",
            "margin:min(0px,-500px)",
            "margin:1e-3px",
            "margin:-1e9px",
            "margin:+-5px",
            "text-indent:-9999px",
            "text-indent:5000px",
            "letter-spacing:-20px",
            "word-spacing:400px",
            "vertical-align:-300px",
            "line-height:-1",
            "font-size:900px",
            "font-size:50vw",
            "font:900px Arial",
            "font-size:99999999999999999999px",
            "position:absolute",
            "top:0",
            "inset:0",
            "z-index:9",
            "float:left",
            "transform:translateY(-500px)",
            "translate:0 -500px",
            "display:contents",
            "display:run-in",
            "display:grid",
            "margin:\"",
            "margin:}*{position:fixed",
            "margin:rgb(",
            "color:red{",
        ] {
            check(style, "", false);
        }
        for style in ["margin:var(--x)", "margin-top:\\2d 5px", "margin:/**/-5px", "color:url(x)"] {
            check(style, "", true);
        }
        let lower = safe_style("height:1px;color:red", Overflow::Overflows);
        assert_eq!(lower.kept, "min-height:1px;color:red");
    }
}
