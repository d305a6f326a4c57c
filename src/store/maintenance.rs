//! Maintenance accounts.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::{
    Cell, TenantStore, Writer,
    entity::{agent, maintenance_account},
    from_name,
    rows::password_column,
    store_error, to_name,
};
use crate::domain::{Agent, Error, MaintenanceAccount, MaintenanceAccountId, MaintenanceSettings, PasswordChange, Result, Timestamp};

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds a maintenance account.
    pub async fn maintenance_account(&self, id: &MaintenanceAccountId) -> Result<Option<MaintenanceAccount>> {
        let row = maintenance_account::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_account).transpose()
    }

    /// The maintenance account that an agent connects through. `None` when it uses its own login, or when the account does not exist.
    pub async fn account_of(&self, agent: &Agent) -> Result<Option<MaintenanceAccount>> {
        if agent.settings.uses_maintenance_account() {
            self.maintenance_account(&agent.settings.exchange.maintenance_account).await
        } else {
            Ok(None)
        }
    }

    /// The password of this version of a maintenance account, sealed: never the one for a server that it has since been moved to. `None` when none is
    /// stored, or when there is no such account of this version.
    pub async fn maintenance_password(&self, id: &MaintenanceAccountId, version: i64) -> Result<Option<Vec<u8>>> {
        let row = maintenance_account::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .filter(maintenance_account::Column::Version.eq(version))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.and_then(|row| row.password_sealed))
    }

    /// Lists maintenance accounts after `after`, oldest first.
    pub async fn maintenance_accounts(&self, after: &str, limit: u64) -> Result<Vec<MaintenanceAccount>> {
        let rows = maintenance_account::Entity::find()
            .filter(maintenance_account::Column::TenantId.eq(self.tenant.as_str()))
            .filter(maintenance_account::Column::Id.gt(after))
            .order_by_asc(maintenance_account::Column::Id)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(to_account).collect()
    }

    /// Counts the agents that connect through each of these accounts, in their order.
    pub async fn maintenance_agents(&self, accounts: &[MaintenanceAccountId]) -> Result<Vec<u64>> {
        let rows: Vec<(String, i64)> = agent::Entity::find()
            .select_only()
            .column(agent::Column::MaintenanceAccount)
            .column_as(agent::Column::Id.count(), "agents")
            .filter(agent::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent::Column::MaintenanceAccount.is_in(accounts.iter().map(MaintenanceAccountId::as_str)))
            .group_by(agent::Column::MaintenanceAccount)
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let counts: HashMap<String, i64> = rows.into_iter().collect();
        let count = |id: &MaintenanceAccountId| u64::try_from(counts.get(id.as_str()).copied().unwrap_or(0)).unwrap_or(0);
        Ok(accounts.iter().map(count).collect())
    }
}

impl Writer {
    /// Adds a maintenance account.
    pub async fn insert_maintenance_account(&mut self, account: &MaintenanceAccount, password: Option<Vec<u8>>) -> Result<()> {
        let row = maintenance_account::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            id: Set(account.id.to_string()),
            password_sealed: Set(password),
            create_time: Set(account.created.0),
            ..columns(account)
        };
        maintenance_account::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Writes a maintenance account, if its version is still `account.version - 1`. Its password is sealed.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Stale`] when the version is different.
    pub async fn update_maintenance_account(&mut self, account: &MaintenanceAccount, password: PasswordChange<Vec<u8>>) -> Result<()> {
        let row = maintenance_account::ActiveModel {
            password_sealed: password_column(password),
            ..columns(account)
        };
        let result = maintenance_account::Entity::update_many()
            .set(row)
            .filter(maintenance_account::Column::TenantId.eq(self.tenant.as_str()))
            .filter(maintenance_account::Column::Id.eq(account.id.as_str()))
            .filter(maintenance_account::Column::Version.eq(account.version - 1))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        if result.rows_affected == 1 {
            Ok(())
        } else {
            Err(Error::stale(account.id.name()))
        }
    }

    /// Writes why a maintenance account's login is no longer used, if the account still has this version. Empty: it may be used.
    pub async fn set_maintenance_problem(&mut self, id: &MaintenanceAccountId, version: i64, problem: &str) -> Result<()> {
        let row = maintenance_account::ActiveModel {
            problem: Set(problem.to_owned()),
            ..Default::default()
        };
        maintenance_account::Entity::update_many()
            .set(row)
            .filter(maintenance_account::Column::TenantId.eq(self.tenant.as_str()))
            .filter(maintenance_account::Column::Id.eq(id.as_str()))
            .filter(maintenance_account::Column::Version.eq(version))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Removes a maintenance account with its credentials.
    pub async fn delete_maintenance_account(&mut self, id: &MaintenanceAccountId) -> Result<()> {
        maintenance_account::Entity::delete_by_id((self.tenant.to_string(), id.to_string()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

/// The columns of every write of an account.
fn columns(account: &MaintenanceAccount) -> maintenance_account::ActiveModel {
    maintenance_account::ActiveModel {
        display_name: Set(account.settings.display_name.clone()),
        kind: Set(to_name(&account.settings.kind)),
        endpoint: Set(account.settings.endpoint.clone()),
        username: Set(account.settings.username.clone()),
        login_address: Set(account.settings.login_address.clone()),
        problem: Set(account.problem.clone()),
        version: Set(account.version),
        update_time: Set(account.updated.0),
        ..Default::default()
    }
}

fn to_account(row: maintenance_account::Model) -> Result<MaintenanceAccount> {
    Ok(MaintenanceAccount {
        settings: MaintenanceSettings {
            kind: from_name(&row.kind, Cell::new("maintenance_account", "kind", &row.id))?,
            display_name: row.display_name,
            endpoint: row.endpoint,
            username: row.username,
            login_address: row.login_address,
        },
        id: row.id.into(),
        password_set: row.password_sealed.is_some(),
        problem: row.problem,
        version: row.version,
        created: Timestamp(row.create_time),
        updated: Timestamp(row.update_time),
    })
}
