//! Tenant-wide settings.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, sea_query::OnConflict};

use super::{TenantStore, Writer, entity::tenant_settings, store_error, stored};
use crate::domain::{Error, Result, TenantSettings, Timestamp, UserId};

impl<C: ConnectionTrait> TenantStore<C> {
    /// The tenant's settings; the defaults for one that never wrote any.
    pub async fn settings(&self) -> Result<TenantSettings> {
        let row = tenant_settings::Entity::find_by_id(self.tenant.to_string())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        let Some(row) = row else { return Ok(TenantSettings::default()) };
        Ok(TenantSettings {
            choices: stored::read_choices(&row.choices, &row.tenant_id)?,
            acknowledged: row.acknowledged_by.map(UserId::from).zip(row.acknowledged_time.map(Timestamp)),
            version: row.version,
        })
    }
}

impl Writer {
    /// Writes the tenant's settings, if their version is still `settings.version - 1`.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Stale`] when the version is different.
    pub async fn put_settings(&mut self, settings: &TenantSettings) -> Result<()> {
        let (by, time) = settings
            .acknowledged
            .clone()
            .map_or((None, None), |(by, time)| (Some(by), Some(time.0)));
        let row = tenant_settings::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            choices: Set(stored::write_choices(settings.choices.clone())),
            acknowledged_by: Set(by.map(String::from)),
            acknowledged_time: Set(time),
            version: Set(settings.version),
        };
        let written = if settings.version == 1 {
            let inserted = tenant_settings::Entity::insert_many([row])
                .on_conflict(OnConflict::column(tenant_settings::Column::TenantId).do_nothing().to_owned())
                .exec_without_returning(&self.conn)
                .await
                .map_err(store_error)?;
            inserted == 1
        } else {
            let result = tenant_settings::Entity::update_many()
                .set(row)
                .filter(tenant_settings::Column::TenantId.eq(self.tenant.as_str()))
                .filter(tenant_settings::Column::Version.eq(settings.version - 1))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
            result.rows_affected == 1
        };
        if written { Ok(()) } else { Err(Error::stale("tenantSettings")) }
    }
}
