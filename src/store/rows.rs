//! What rows are made of, and inserting many of them.

use sea_orm::{ActiveModelTrait, ActiveValue, ConnectionTrait, EntityTrait, NotSet, Set, sea_query::OnConflict};

use super::store_error;
use crate::domain::{PasswordChange, Result};

/// Rows of the largest statement: far below the databases' limits of bound values for every table there is.
const LARGEST: usize = 128;

/// The column of a sealed password.
pub(super) fn password_column(password: PasswordChange<Vec<u8>>) -> ActiveValue<Option<Vec<u8>>> {
    match password {
        PasswordChange::Keep => NotSet,
        PasswordChange::Erase => Set(None),
        PasswordChange::Set(sealed) => Set(Some(sealed)),
    }
}

/// Inserts any number of rows.
pub(super) async fn insert_all<A: ActiveModelTrait>(
    conn: &impl ConnectionTrait,
    rows: impl IntoIterator<Item = A>,
    on_conflict: Option<OnConflict>,
) -> Result<()> {
    for group in groups(rows.into_iter().collect()) {
        let mut insert = <A::Entity as EntityTrait>::insert_many(group);
        if let Some(on_conflict) = &on_conflict {
            insert = insert.on_conflict(on_conflict.clone());
        }
        insert.exec_without_returning(conn).await.map_err(store_error)?;
    }
    Ok(())
}

/// Cuts rows into groups of 128, then 64, 32 and so on. Whatever their number, there are at most eight different statements for a table,
/// which the databases keep prepared; a statement for each number of rows would be prepared, and kept, for every batch.
pub(super) fn groups<T>(rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let size = 1 << rows.len().checked_ilog2()?;
        Some(rows.by_ref().take(LARGEST.min(size)).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_order_and_have_few_sizes() {
        let check = |count: usize, expected: &[usize]| {
            let groups: Vec<Vec<usize>> = groups((0..count).collect()).collect();
            assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert_eq!(groups.concat(), (0..count).collect::<Vec<_>>());
        };
        check(0, &[]);
        check(1, &[1]);
        check(200, &[128, 64, 8]);
        check(300, &[128, 128, 32, 8, 4]);
    }
}
