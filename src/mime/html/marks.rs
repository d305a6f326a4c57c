//! What the elements of HTML say about history: mail programs name those in which they quote.
//!
//! Sources: what Gmail, Outlook (`divRplyFwdMsg`), Thunderbird (`moz-cite-prefix`), Apple Mail (`type=cite`), Yahoo, Proton, Tuta, Zoho, GMX, Roundcube,
//! Zimbra and NetEase write. Outlook puts `x_` before the names in what it quotes itself.

use super::tree::{Id, Tree};

/// The attributes that are read here.
pub(super) const ATTRIBUTES: [&str; 5] = ["class", "id", "name", "type", "cite"];

/// Classes of elements that have an attribution, and mostly what it is about.
const CLASSES: [&str; 11] = [
    "gmail_quote",
    "gmail_quote_container",
    "gmail_attr",
    "yahoo_quoted",
    "protonmail_quote",
    "zmail_extra",
    "moz-cite-prefix",
    "moz-email-headers-table",
    "ntes-mailmaster-quote",
    "outlookmessageheader",
    "aplreplyheader",
];
/// Ids of elements that have the first lines of what is quoted in the elements behind them.
const IDS: [&str; 5] = [
    "divrplyfwdmsg",
    "reply-intro",
    "stopspelling",
    "zwchr",
    "mail-editor-reference-message-container",
];
/// Classes of quotations of mail programs.
const CITATIONS: [&str; 5] = ["gmail_quote", "protonmail_quote", "tutanota_quote", "yahoo_quoted", "quote"];

/// A name without what Outlook puts before it, in lower case.
fn bare(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("x_") {
        name = rest;
    }
    name.to_ascii_lowercase()
}

fn has_class(tree: &Tree, id: Id, classes: &[&str]) -> bool {
    let names = tree.attribute(id, "class");
    !names.is_empty() && names.split_ascii_whitespace().any(|name| classes.contains(&bare(name).as_str()))
}

/// Whether a mail program begins there what it quotes or forwards.
pub(super) fn begins_history(tree: &Tree, id: Id) -> bool {
    tree.name(id) != "blockquote"
        && (has_class(tree, id, &CLASSES) || begins_what_follows(tree, id) || tree.attribute(id, "name") == "quote")
}

/// Whether what is quoted follows the element rather than being in it.
pub(super) fn begins_what_follows(tree: &Tree, id: Id) -> bool {
    let name = tree.attribute(id, "id");
    !name.is_empty() && IDS.contains(&bare(name).as_str())
        || has_class(tree, id, &["moz-cite-prefix", "gmail_attr", "outlookmessageheader"])
}

/// Whether a mail program has made a quotation, rather than the sender.
pub(super) fn is_citation(tree: &Tree, id: Id) -> bool {
    let cites = tree.attribute(id, "type").eq_ignore_ascii_case("cite") || !tree.attribute(id, "cite").is_empty();
    cites || has_class(tree, id, &CITATIONS)
}
