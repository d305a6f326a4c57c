//! Copies of a message to which lists and servers added something on the way: a footer, a banner, a tag in the subject.

use std::collections::HashMap;

use super::content::Prepared;
use crate::{
    domain::CaseId,
    store::{NewNote, NotedCopy},
};

/// The notes that messages of a batch may be copies of.
#[derive(Default)]
pub(super) struct Copies(HashMap<Vec<u8>, Vec<NotedCopy>>);

impl Copies {
    /// Those that the database has.
    pub fn new(noted: Vec<NotedCopy>) -> Self {
        let mut copies = Self::default();
        for copy in noted {
            copies.add(copy);
        }
        copies
    }

    fn add(&mut self, copy: NotedCopy) {
        self.0.entry(copy.copy_key.clone()).or_default().push(copy);
    }

    /// Adds a note of this batch.
    pub fn note(&mut self, new: &NewNote) {
        if let Some(copy_key) = new.copy_key {
            self.add(NotedCopy {
                case: new.note.case.clone(),
                copy_key: copy_key.to_vec(),
                texts: [new.note.text.clone(), new.note.quoted.clone()],
            });
        }
    }

    /// Whether a copy of a message made a note on a case already.
    pub fn have(&self, message: &Prepared, case: &CaseId) -> bool {
        let Some(noted) = message.parsed.copy_key.and_then(|key| self.0.get(key.as_slice())) else {
            return false;
        };
        let Some(note) = &message.note else { return false };
        let words = Words::of([&note.text, &note.quoted]);
        let mut noted = noted.iter().filter(|noted| noted.case == *case);
        noted.any(|noted| words.only_adds(&Words::of(noted.texts.each_ref().map(String::as_str))))
    }
}

/// How often each word occurs in a text. Where lines are broken, and whether a footer stands above or below the history, does not matter.
struct Words<'a>(HashMap<&'a str, usize>);

impl<'a> Words<'a> {
    fn of(texts: [&'a str; 2]) -> Self {
        let mut words: HashMap<&str, usize> = HashMap::new();
        let marks = |word: &&str| word.chars().all(|c| c == '>');
        for word in texts.into_iter().flat_map(str::split_whitespace).filter(|word| !marks(word)) {
            *words.entry(word).or_default() += 1;
        }
        Self(words)
    }

    fn has_all_of(&self, other: &Self) -> bool {
        let has = |(word, count): (&&str, &usize)| self.0.get(word).is_some_and(|own| own >= count);
        other.0.iter().all(has)
    }

    /// Whether one of two texts has all words of the other, which must have some.
    fn only_adds(&self, other: &Self) -> bool {
        !self.0.is_empty() && !other.0.is_empty() && (self.has_all_of(other) || other.has_all_of(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: [&str; 2], other: [&str; 2], expected: bool) {
        assert_eq!(Words::of(one).only_adds(&Words::of(other)), expected, "{one:?} {other:?}");
        assert_eq!(Words::of(other).only_adds(&Words::of(one)), expected, "{other:?} {one:?}");
    }

    #[test]
    fn a_copy_has_all_words_of_the_other() {
        let said = ["The pump is dry.", "> How is the pump?"];
        check(said, said, true);
        check(
            said,
            ["The pump\nis dry.\n___\nTo leave this list, write to us.", "> How is\n> the pump?"],
            true,
        );
        check(said, ["CAUTION: from outside.\nThe pump is dry. > How is the pump?", ""], true);
        check(said, ["The pump is wet.", "> How is the pump?"], false);
        check(["no no", ""], ["no", ""], true);
        check(["no no yes", ""], ["no yes yes", ""], false);
        check(["", ""], said, false);
        check(["", " "], ["", ""], false);
    }
}
