//! `audit_entry.changes`: how fields changed, in the order of their paths.

use serde::{Deserialize, Serialize};

use super::{Cell, read_first, write};
use crate::domain::{FieldChange, Result};

#[derive(Serialize, Deserialize)]
struct ChangeV1 {
    field: String,
    old: String,
    new: String,
}

pub fn write_changes(changes: Vec<FieldChange>) -> String {
    let form = |FieldChange { field, old, new }| ChangeV1 { field, old, new };
    write(&changes.into_iter().map(form).collect::<Vec<_>>())
}

pub fn read_changes(text: &str, row: &str) -> Result<Vec<FieldChange>> {
    let changes: Vec<ChangeV1> = read_first(text, Cell::new("audit_entry", "changes", row))?;
    let change = |ChangeV1 { field, old, new }| FieldChange { field, old, new };
    Ok(changes.into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check_form, *};

    #[test]
    fn changes_are_read_as_they_were_written() {
        let change = |field: &str, old: &str, new: &str| FieldChange {
            field: field.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let check = |changes, text: &str| check_form(changes, text, write_changes, |text| read_changes(text, "r1"));
        check(vec![], "[]");
        check(
            vec![
                change("exchange.password", "", "changed"),
                change("from_name", "Anna \"A\"", "Anna"),
            ],
            r#"[{"field":"exchange.password","old":"","new":"changed"},{"field":"from_name","old":"Anna \"A\"","new":"Anna"}]"#,
        );
    }
}
