//! HTML to text and HTML to safe HTML.
//!
//! [`to_words`] is fast and rough, for the index and the identity, and cannot fail. [`to_note`] keeps the layout, for people; [`sanitised`]
//! is safe to show in a page. These two read the [`tree`] that a browser would build, which stays within a budget whatever the HTML
//! contains.

mod charset;
mod marks;
mod note;
mod safe;
mod style;
mod tree;
mod words;

pub(super) use charset::named_charset;
pub(super) use note::to_note;
pub(super) use safe::sanitised;
pub(super) use tree::Budget;
pub(super) use words::to_words;
