//! Case references: their format, and how they are found in a subject.

use regex::{Regex, RegexBuilder};
use serde::Serialize;

/// Longest pattern that is accepted, in characters.
const PATTERN_LIMIT: usize = 256;
/// Limit of candidates in one subject; a subject has at most 998 characters.
const CANDIDATE_LIMIT: usize = 32;

/// What a tenant's case references look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseReferenceFormat {
    /// A literal prefix followed by a number of digits, neither preceded nor followed by a letter or digit.
    Prefix {
        /// The prefix, such as `CS-`.
        prefix: String,
        /// Number of digits.
        digits: u8,
    },
    /// A regular expression with one capture group, the reference.
    Pattern(String),
}

impl Default for CaseReferenceFormat {
    fn default() -> Self {
        Self::Prefix {
            prefix: "CS-".to_owned(),
            digits: 7,
        }
    }
}

/// Why a format cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The prefix has invalid characters, or none, or too many.
    #[error("the prefix must have 1 to 32 characters of A-Z a-z 0-9 - _ # / : .")]
    Prefix,
    /// The number of digits is out of range.
    #[error("the number of digits must be 1 to 18")]
    Digits,
    /// The pattern is too long.
    #[error("the pattern must have 1 to {PATTERN_LIMIT} characters")]
    Length,
    /// The pattern does not have exactly one capture group.
    #[error("the pattern must have exactly one capture group for the reference, it has {0}")]
    Groups(usize),
    /// The pattern does not compile.
    #[error("the pattern does not compile")]
    Syntax(#[source] Box<regex::Error>),
}

/// Finds candidates for case references in subjects, in time linear in the length.
#[derive(Clone, Debug)]
pub struct CaseReferenceMatcher {
    regex: Regex,
    whole_words: bool,
}

impl CaseReferenceFormat {
    /// Compiles the format.
    ///
    /// # Errors
    /// [`FormatError`] says what is wrong with it.
    pub fn matcher(&self) -> Result<CaseReferenceMatcher, FormatError> {
        let (pattern, whole_words) = match self {
            Self::Prefix { prefix, digits } => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "-_#/:.".contains(c);
                if prefix.is_empty() || prefix.len() > 32 || !prefix.chars().all(fits) {
                    return Err(FormatError::Prefix);
                }
                if !(1..=18).contains(digits) {
                    return Err(FormatError::Digits);
                }
                (format!("({}[0-9]{{{digits}}})", regex::escape(prefix)), true)
            }
            Self::Pattern(pattern) => {
                if pattern.is_empty() || pattern.chars().count() > PATTERN_LIMIT {
                    return Err(FormatError::Length);
                }
                (pattern.clone(), false)
            }
        };
        let regex = RegexBuilder::new(&pattern)
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| FormatError::Syntax(Box::new(error)))?;
        match regex.captures_len() - 1 {
            1 => Ok(CaseReferenceMatcher { regex, whole_words }),
            groups => Err(FormatError::Groups(groups)),
        }
    }
}

impl CaseReferenceMatcher {
    /// Returns the candidates in `subject`, from left to right, each once, in the form in which references are compared
    /// (see [`reference_key`]), at most 32. `subject` is decoded and normalised.
    pub fn candidates(&self, subject: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for captures in self.regex.captures_iter(subject) {
            let Some(group) = captures.get(1) else { continue };
            if self.whole_words && !stands_alone(subject, group.start(), group.end()) {
                continue;
            }
            let key = reference_key(group.as_str());
            if !key.is_empty() && !found.contains(&key) {
                found.push(key);
                if found.len() == CANDIDATE_LIMIT {
                    break;
                }
            }
        }
        found
    }
}

/// The form in which case references are compared: without white space around and in upper case.
pub fn reference_key(reference: &str) -> String {
    reference.trim().to_uppercase()
}

fn stands_alone(subject: &str, start: usize, end: usize) -> bool {
    let before = subject[..start].chars().next_back();
    let after = subject[end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &str, expected: &[&str]) {
        let matcher = CaseReferenceFormat::default().matcher().unwrap();
        assert_eq!(matcher.candidates(subject), expected, "{subject}");
    }

    #[test]
    fn finds_whole_references_from_left_to_right() {
        check("Re: [CS-0012345] printer", &["CS-0012345"]);
        check("cs-0012345: Cs-0000002, CS-0012345", &["CS-0012345", "CS-0000002"]);
        check("(CS-0012345)CS-0000003.", &["CS-0012345", "CS-0000003"]);
        check("", &[]);
    }

    #[test]
    fn passes_over_what_only_looks_like_one() {
        for subject in [
            "XCS-0012345",
            "CS-001234567",
            "CS-123",
            "CS 0012345",
            "CSX-0012345",
            "éCS-0012345",
            "CS-0012345a",
        ] {
            check(subject, &[]);
        }
    }

    #[test]
    fn patterns_have_one_group_and_bounded_size() {
        let pattern = |text: &str| CaseReferenceFormat::Pattern(text.to_owned()).matcher();
        assert_eq!(pattern(r"ticket#(\d+)").unwrap().candidates("AW: Ticket#77 open"), ["77"]);
        assert!(matches!(pattern(r"\d+"), Err(FormatError::Groups(0))));
        assert!(matches!(pattern(r"(a)(b)"), Err(FormatError::Groups(2))));
        assert!(matches!(pattern(r"("), Err(FormatError::Syntax(_))));
        assert!(matches!(pattern(r"((a{1000}){1000})"), Err(FormatError::Syntax(_))));
        assert!(matches!(pattern(""), Err(FormatError::Length)));
        let prefix = |prefix: &str, digits| {
            CaseReferenceFormat::Prefix {
                prefix: prefix.to_owned(),
                digits,
            }
            .matcher()
        };
        assert!(matches!(prefix("", 7), Err(FormatError::Prefix)));
        assert!(matches!(prefix("CS ", 7), Err(FormatError::Prefix)));
        assert!(matches!(prefix("CS-", 0), Err(FormatError::Digits)));
    }
}
