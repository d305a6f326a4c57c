//! The addresses of agents beside those of users and contacts, so that a message costs the same however many agents there are.

use sea_orm_migration::prelude::*;

const COPY: &str = "INSERT INTO address (tenant_id, address_key, owner_kind, owner_id, customer_id) \
    SELECT tenant_id, LOWER(from_address), 'agent', id, '' FROM agent WHERE from_address <> '' \
    UNION SELECT tenant_id, LOWER(mailbox), 'agent', id, '' FROM agent WHERE mailbox <> ''";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COPY).await
    }
}
