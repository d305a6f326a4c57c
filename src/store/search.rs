//! The full-text index: FTS5 on SQLite, a tsvector with a GIN index on PostgreSQL.

use std::borrow::Cow;

use sea_orm::{ConnectionTrait, DbBackend, QueryFilter, Statement, Value, sea_query::Expr};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    SearchWords, TenantStore, Writer,
    rows::groups,
    store_error,
    unspaced::{self, Piece},
};
use crate::domain::{Message, MessageAfter, MessageFilter, Result};

/// PostgreSQL rejects a tsvector over 1 MiB; this much text stays below it, also if it is a row of different characters whose pairs take 14 bytes
/// each.
const POSTGRES_TEXT_LIMIT: usize = 200 * 1024;

/// A lexeme that no text has: what has only combining marks is not found.
const NO_WORD: &str = "'qz'";

/// A search term: consecutive words, the last of them possibly a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm {
    /// The words, at least one, letters and digits only.
    pub words: Vec<String>,
    /// Whether the last word is a prefix.
    pub prefix: bool,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds messages in which all terms occur, newest first.
    pub async fn search_messages(
        &self,
        terms: &[SearchTerm],
        filter: &MessageFilter,
        after: Option<MessageAfter>,
        limit: u64,
    ) -> Result<Vec<(MessageAfter, Message)>> {
        let found = if self.store.is_postgres() {
            Expr::cust_with_values(
                "message.number IN (SELECT number FROM message_search WHERE words @@ $1::tsquery)",
                [Value::from(postgres_query(terms))],
            )
        } else {
            Expr::cust_with_values(
                "message.number IN (SELECT rowid FROM message_search WHERE message_search MATCH ?)",
                [Value::from(sqlite_query(terms))],
            )
        };
        let query = self.all_messages().filter(self.condition(filter)).filter(found);
        self.newest_first(query, after, limit).await
    }
}

impl Writer {
    /// Adds messages to the index.
    pub(super) async fn insert_words(&mut self, rows: Vec<(i64, SearchWords)>) -> Result<()> {
        let backend = self.conn.get_database_backend();
        for group in groups(rows) {
            let (sql, values) = match backend {
                DbBackend::Postgres => postgres_insert(&group),
                _ => sqlite_insert(group),
            };
            self.conn
                .execute_raw(Statement::from_sql_and_values(backend, sql, values))
                .await
                .map_err(store_error)?;
        }
        Ok(())
    }
}

fn sqlite_insert(rows: Vec<(i64, SearchWords)>) -> (String, Vec<Value>) {
    let mut sql = String::from("INSERT INTO message_search (rowid, subject, participants, body, names) VALUES ");
    sql.push_str(&vec!["(?, ?, ?, ?, ?)"; rows.len()].join(", "));
    let values = rows
        .into_iter()
        .flat_map(|(number, words)| {
            [
                number.into(),
                indexed(words.subject),
                indexed(words.participants),
                indexed(words.body),
                indexed(words.names),
            ]
        })
        .collect();
    (sql, values)
}

fn indexed(text: String) -> Value {
    match unspaced::for_index(&text) {
        Cow::Owned(indexed) => indexed.into(),
        Cow::Borrowed(_) => text.into(),
    }
}

fn postgres_insert(rows: &[(i64, SearchWords)]) -> (String, Vec<Value>) {
    let mut sql = String::from("INSERT INTO message_search (number, words) VALUES ");
    let mut values = Vec::with_capacity(rows.len() * 2);
    for (index, (number, words)) in rows.iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        sql.push_str(&format!("(${}, to_tsvector('simple', ${}))", index * 2 + 1, index * 2 + 2));
        let text = [&words.subject, &words.participants, &words.names, &words.body]
            .map(String::as_str)
            .join("\n");
        let text = &text[..text.floor_char_boundary(POSTGRES_TEXT_LIMIT)];
        let folded = fold(&unspaced::for_index(text));
        values.push((*number).into());
        values.push(folded.into());
    }
    (sql, values)
}

/// Removes accents, as FTS5's tokenizer does on its own, and turns everything but letters and digits into spaces, so that PostgreSQL's
/// parser sees words only and no host names or paths.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    }
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect()
}

/// What is looked for in the index: words in a row.
struct Phrase {
    words: Vec<String>,
    /// Whether the last word is a prefix.
    prefix: bool,
    /// Whether all of it is one word of a language without spaces.
    is_run: bool,
}

impl Phrase {
    fn of(term: &SearchTerm) -> Self {
        let pieces: Vec<Piece> = term.words.iter().flat_map(|word| unspaced::pieces(word)).collect();
        let is_run = matches!(pieces[..], [Piece::Run(_)]);
        let (mut words, mut prefix) = (Vec::new(), term.prefix);
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece {
                Piece::Word(word) => words.push(word),
                Piece::Run(run) => {
                    words.extend(unspaced::indexed(&run, index != last));
                    if index == last {
                        // More of the run may follow.
                        prefix = run.len() == 1;
                    }
                }
            }
        }
        Self { words, prefix, is_run }
    }
}

fn sqlite_query(terms: &[SearchTerm]) -> String {
    let quote = |phrase: Phrase| format!("\"{}\"{}", phrase.words.join(" "), if phrase.prefix { "*" } else { "" });
    terms.iter().map(|term| quote(Phrase::of(term))).collect::<Vec<_>>().join(" AND ")
}

fn postgres_query(terms: &[SearchTerm]) -> String {
    let quote = |phrase: Phrase| {
        let folded = phrase.words.iter().map(|word| fold(&word.to_lowercase()).trim().to_owned());
        let mut words: Vec<String> = folded.filter(|word| !word.is_empty()).map(|word| format!("'{word}'")).collect();
        if words.is_empty() {
            words.push(NO_WORD.to_owned());
        }
        // A tsvector knows only the first 16,383 positions of a text, which has fewer words than characters.
        let operator = if phrase.is_run { " & " } else { " <-> " };
        format!("({}{})", words.join(operator), if phrase.prefix { ":*" } else { "" })
    };
    terms.iter().map(|term| quote(Phrase::of(term))).collect::<Vec<_>>().join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_quote_every_word() {
        let terms = [
            SearchTerm {
                words: vec!["Ölheizung".to_owned()],
                prefix: true,
            },
            SearchTerm {
                words: vec!["new".to_owned(), "pump".to_owned()],
                prefix: false,
            },
        ];
        assert_eq!(sqlite_query(&terms), "\"Ölheizung\"* AND \"new pump\"");
        assert_eq!(postgres_query(&terms), "('olheizung':*) & ('new' <-> 'pump')");
    }

    #[test]
    fn words_without_spaces_are_looked_for_by_their_pairs() {
        let term = |words: &[&str]| SearchTerm {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            prefix: false,
        };
        let check = |words: &[&str], sqlite: &str, postgres: &str| {
            assert_eq!(
                (sqlite_query(&[term(words)]).as_str(), postgres_query(&[term(words)]).as_str()),
                (sqlite, postgres)
            );
        };
        check(
            &["\u{4e00}\u{4e01}\u{4e02}"],
            "\"qzbdoabdob qzbdobbdoc\"",
            "('qzbdoabdob' & 'qzbdobbdoc')",
        );
        check(&["\u{4e00}"], "\"qzbdoa\"*", "('qzbdoa':*)");
        check(
            &["\u{4e00}\u{4e01}", "a"],
            "\"qzbdoabdob qzbdob a\"",
            "('qzbdoabdob' <-> 'qzbdob' <-> 'a')",
        );
        // A vowel without a consonant.
        check(&["\u{93f}"], "\"\u{93f}\"", "('qz')");
    }

    #[test]
    fn words_are_folded_for_postgres() {
        assert_eq!(fold("Café-Öl: a/b.example"), "Cafe Ol  a b example");
    }
}
