//! Databases as SQL that people can review, and back.
//!
//! The statements make the tables as they were, so that later migrations meet what the version that wrote them left behind. Rows are in the
//! order of their columns. Of the full-text index of SQLite, whose own tables are bytes of its format, the words are written.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::harness::{Engine, Harness};

/// The words of the full-text index, made for reading them and dropped again.
const WORDS: &str = "dump_words";
/// Columns of the full-text index of SQLite.
const SEARCH: [&str; 4] = ["subject", "participants", "body", "names"];

/// A database in words.
pub struct Dump {
    /// Statements that make it.
    pub sql: String,
    /// How many rows each table has.
    pub rows: BTreeMap<String, usize>,
}

/// Writes down what is in the database of a service, which may run.
pub async fn write(h: &Harness) -> Dump {
    let database = h.database().await;
    let dump = match h.engine {
        Engine::Sqlite => sqlite(&database).await,
        Engine::Postgres => postgres(&database).await,
    };
    database.close().await.expect("the connection closes");
    dump
}

/// Makes the database of a service that does not run anew from these statements.
pub async fn load(h: &Harness, sql: &str) {
    if h.engine == Engine::Sqlite {
        for end in ["", "-wal", "-shm"] {
            // It may be folded into the file already.
            let _ = std::fs::remove_file(h.config.data_dir.join(format!("mailagent.db{end}")));
        }
    }
    let database = h.database().await;
    if h.engine == Engine::Postgres {
        run(&database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    }
    run(&database, sql).await;
    database.close().await.expect("the connection closes");
}

/// How many rows each table of a service's database has.
pub async fn rows(h: &Harness) -> BTreeMap<String, usize> {
    write(h).await.rows
}

async fn run(database: &DatabaseConnection, sql: &str) {
    let done = database.execute_unprepared(sql).await;
    done.unwrap_or_else(|error| panic!("{error}: {}", sql.chars().take(300).collect::<String>()));
}

/// The column `line` of what a query finds.
async fn lines(database: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(database.get_database_backend(), sql.to_owned());
    let rows = database.query_all_raw(statement).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter().map(|row| row.try_get("", "line").expect("it is text")).collect()
}

impl Dump {
    /// Begins with the statements that make the tables.
    fn of(tables: &[String]) -> Self {
        let statements: Vec<String> = tables.iter().map(|statement| format!("{statement};\n")).collect();
        Self {
            sql: statements.join("\n"),
            rows: BTreeMap::new(),
        }
    }

    /// Adds a table's rows, each with its values in parentheses.
    fn add(&mut self, table: &str, columns: &[&str], rows: &[String]) {
        if !rows.is_empty() {
            let (columns, values) = (columns.join(", "), rows.join(",\n"));
            self.sql.push_str(&format!("\nINSERT INTO {table} ({columns}) VALUES\n{values};\n"));
        }
        self.rows.insert(table.to_owned(), rows.len());
    }
}

async fn sqlite(database: &DatabaseConnection) -> Dump {
    let ours = "name NOT LIKE 'sqlite_%' AND name NOT LIKE 'message_search%'";
    let tables = format!("SELECT name AS line FROM sqlite_master WHERE type = 'table' AND {ours} ORDER BY name");
    let tables = lines(database, &tables).await;
    let made = "SELECT sql AS line FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'message_search_%' \
                ORDER BY type = 'index', name";
    let mut dump = Dump::of(&lines(database, made).await);
    for table in &tables {
        let columns = format!("SELECT name AS line FROM pragma_table_info('{table}') ORDER BY cid");
        let columns = lines(database, &columns).await;
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let values: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        let rows = format!(
            "SELECT '(' || {} || ')' AS line FROM {table} ORDER BY {}",
            values.join(" || ', ' || "),
            columns.join(", ")
        );
        dump.add(table, &columns, &lines(database, &rows).await);
    }
    let rows = words(database).await;
    dump.add("message_search", &["rowid", SEARCH[0], SEARCH[1], SEARCH[2], SEARCH[3]], &rows);
    dump
}

/// The rows of the full-text index: the words of each message and column, as they were found, in their order.
async fn words(database: &DatabaseConnection) -> Vec<String> {
    run(
        database,
        &format!("CREATE VIRTUAL TABLE {WORDS} USING fts5vocab('message_search', 'instance')"),
    )
    .await;
    let columns = SEARCH.map(|column| {
        format!(
            "quote(COALESCE((SELECT group_concat(term, ' ') FROM (SELECT term FROM {WORDS} \
             WHERE doc = one.doc AND col = '{column}' ORDER BY offset)), ''))"
        )
    });
    let rows = format!(
        "SELECT '(' || doc || ', ' || {} || ')' AS line FROM (SELECT DISTINCT doc FROM {WORDS}) AS one ORDER BY doc",
        columns.join(" || ', ' || ")
    );
    let rows = lines(database, &rows).await;
    run(database, &format!("DROP TABLE {WORDS}")).await;
    rows
}

async fn postgres(database: &DatabaseConnection) -> Dump {
    let tables = lines(
        database,
        "SELECT tablename::TEXT AS line FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    )
    .await;
    let mut made = Vec::new();
    for table in &tables {
        // A column that counts by itself is made with its sequence.
        let columns = format!(
            "SELECT a.attname || ' ' || CASE WHEN pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' THEN 'BIGSERIAL' ELSE \
             format_type(a.atttypid, a.atttypmod) || COALESCE(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END || \
             CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS line \
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE a.attrelid = '{table}'::REGCLASS AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        );
        let constraints = format!(
            "SELECT pg_get_constraintdef(oid) AS line FROM pg_constraint WHERE conrelid = '{table}'::REGCLASS AND contype <> 'n' ORDER BY conname"
        );
        let mut parts = lines(database, &columns).await;
        parts.extend(lines(database, &constraints).await);
        made.push(format!("CREATE TABLE {table} (\n    {}\n)", parts.join(",\n    ")));
    }
    let indexes = "SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint) \
                   ORDER BY indexname";
    made.extend(lines(database, indexes).await);
    let mut dump = Dump::of(&made);
    for table in &tables {
        let columns = format!(
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) AS line FROM pg_attribute \
             WHERE attrelid = '{table}'::REGCLASS AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        );
        let columns = lines(database, &columns).await;
        let columns: Vec<(&str, &str)> = columns.iter().filter_map(|column| column.split_once(' ')).collect();
        let values: Vec<String> = columns.iter().map(|(column, kind)| postgres_literal(column, kind)).collect();
        let columns: Vec<&str> = columns.into_iter().map(|(column, _)| column).collect();
        let rows = format!(
            "SELECT '(' || {} || ')' AS line FROM {table} ORDER BY {}",
            values.join(" || ', ' || "),
            columns.join(", ")
        );
        dump.add(table, &columns, &lines(database, &rows).await);
    }
    // What counts by itself goes on behind the rows that are there.
    let counting = "SELECT 'SELECT setval(pg_get_serial_sequence(''' || c.relname || ''', ''' || a.attname || '''), (SELECT max(' || a.attname || \
                    ') FROM ' || c.relname || '))' AS line FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid \
                    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
                    WHERE pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' ORDER BY c.relname";
    for statement in lines(database, counting).await {
        dump.sql.push_str(&format!("\n{statement};\n"));
    }
    dump
}

/// What writes the value of a column as a literal.
fn postgres_literal(column: &str, kind: &str) -> String {
    let value = match kind {
        "bytea" => format!(r"'''\x' || encode({column}, 'hex') || ''''"),
        "bigint" | "integer" | "boolean" => format!("{column}::TEXT"),
        _ => format!("quote_literal({column}::TEXT)"),
    };
    format!("COALESCE({value}, 'NULL')")
}
