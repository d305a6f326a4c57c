//! Mail agents and their health.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{
    Cell, TenantStore, Writer,
    addresses::{AGENT, AddressOwner},
    corrupt,
    entity::{agent, agent_health, agent_leftover, default_agent, folder_position, request},
    from_name,
    rows::password_column,
    store_error, to_name,
};
use crate::domain::{
    Agent, AgentFilter, AgentHealth, AgentId, AgentKind, AgentSettings, Error, ExchangeSettings, HealthFilter, HealthState, PasswordChange,
    Result, SmtpSettings, SweepOptions, Timestamp, TriageOptions, UserId,
};

/// A create that carried a request id.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The method, so that ids of different methods do not collide.
    pub method: &'static str,
    /// The caller's id.
    pub request_id: String,
    /// SHA-256 of the request's content.
    pub content_hash: Vec<u8>,
    /// What it created.
    pub resource_id: String,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds an agent.
    pub async fn agent(&self, id: &AgentId) -> Result<Option<Agent>> {
        let row = agent::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_agent).transpose()
    }

    /// The password of this version of an agent, sealed: never the one for a server that it has since been moved to. `None` when none is stored, or
    /// when there is no such agent of this version.
    pub async fn agent_password(&self, id: &AgentId, version: i64) -> Result<Option<Vec<u8>>> {
        let row = agent::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .filter(agent::Column::Version.eq(version))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.and_then(|row| row.password_sealed))
    }

    /// Lists agents after `after` in the order of their ids, which is the order of creation.
    pub async fn agents(&self, after: &str, filter: &AgentFilter, limit: u64) -> Result<Vec<Agent>> {
        let mut query = agent::Entity::find()
            .filter(agent::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent::Column::Id.gt(after))
            .order_by_asc(agent::Column::Id)
            .limit(limit);
        if let Some(owner) = &filter.owner_user {
            query = query.filter(agent::Column::OwnerUser.eq(owner.as_str()));
        }
        if filter.campaign_compatible {
            query = query.filter(agent::Column::CampaignCompatible.eq(true));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(agent::Column::Kind.eq(to_name(&kind)));
        }
        if let Some(account) = &filter.maintenance_account {
            query = query.filter(agent::Column::MaintenanceAccount.eq(account.as_str()));
        }
        query = match filter.health {
            None => query,
            Some(HealthFilter::Disabled) => query.filter(agent::Column::Disabled.eq(true)),
            Some(HealthFilter::Is(state)) => {
                let in_state = agent_health::Entity::find()
                    .select_only()
                    .column(agent_health::Column::AgentId)
                    .filter(agent_health::Column::TenantId.eq(self.tenant.as_str()))
                    .filter(agent_health::Column::State.eq(state.as_str()));
                query
                    .filter(agent::Column::Disabled.eq(false))
                    .filter(agent::Column::Id.in_subquery(sea_orm::QueryTrait::into_query(in_state)))
            }
        };
        let rows = query.all(&self.conn).await.map_err(store_error)?;
        rows.into_iter().map(to_agent).collect()
    }

    /// Counts triage agents.
    pub async fn triage_agents(&self) -> Result<u64> {
        agent::Entity::find()
            .filter(agent::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent::Column::Triage.eq(true))
            .count(&self.conn)
            .await
            .map_err(store_error)
    }

    /// The default agent of a user.
    pub async fn default_agent(&self, user: &UserId) -> Result<Option<AgentId>> {
        let row = default_agent::Entity::find_by_id((self.tenant.to_string(), user.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| row.agent_id.into()))
    }

    /// The health of agents, in the order of `ids`.
    pub async fn agent_health(&self, ids: &[AgentId]) -> Result<Vec<AgentHealth>> {
        let rows = agent_health::Entity::find()
            .filter(agent_health::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent_health::Column::AgentId.is_in(ids.iter().map(AgentId::as_str)))
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        ids.iter()
            .map(|id| match rows.iter().find(|row| *id == *row.agent_id) {
                Some(row) => to_health(row),
                None => Ok(AgentHealth::default()),
            })
            .collect()
    }

    /// Finds what a create with this request id created, and the hash of its content.
    pub async fn request(&self, method: &str, request_id: &str) -> Result<Option<(String, Vec<u8>)>> {
        let row = request::Entity::find_by_id((self.tenant.to_string(), method.to_owned(), request_id.to_owned()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| (row.resource_id, row.content_hash)))
    }
}

impl Writer {
    /// Adds an agent.
    pub async fn insert_agent(&mut self, agent: &Agent, password: Option<Vec<u8>>, health: &AgentHealth) -> Result<()> {
        let mut row = settings_columns(&agent.settings);
        row.tenant_id = Set(self.tenant.to_string());
        row.id = Set(agent.id.to_string());
        row.owner_user = Set(agent.owner_user.to_string());
        row.password_sealed = Set(password);
        row.version = Set(agent.version);
        row.create_time = Set(agent.created.0);
        row.update_time = Set(agent.updated.0);
        agent::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        let health = agent_health::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            agent_id: Set(agent.id.to_string()),
            state: Set(health.state.as_str().to_owned()),
            problem: Set(health.problem.clone()),
            server_reply: Set(String::new()),
            failures: Set(0),
            handled: Set(0),
            matched: Set(0),
            set_aside: Set(0),
            last_success: Set(None),
            problem_since: Set(health.problem_since.map(|time| time.0)),
            retry_at: Set(None),
        };
        agent_health::Entity::insert(health)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        self.write_agent_addresses(agent).await
    }

    async fn write_agent_addresses(&mut self, agent: &Agent) -> Result<()> {
        let settings = &agent.settings;
        let addresses = [&settings.from_address, &settings.exchange.mailbox].map(Clone::clone);
        let addresses: Vec<String> = addresses.into_iter().filter(|address| !address.is_empty()).collect();
        self.replace_addresses(AGENT, &[AddressOwner::of(agent.id.as_str(), &addresses)])
            .await
    }

    /// Writes an agent's settings, if its version is still `agent.version - 1`. Its password is sealed.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Stale`] when the version is different.
    pub async fn update_agent(&mut self, agent: &Agent, password: PasswordChange<Vec<u8>>) -> Result<()> {
        let mut row = settings_columns(&agent.settings);
        row.owner_user = Set(agent.owner_user.to_string());
        row.version = Set(agent.version);
        row.update_time = Set(agent.updated.0);
        row.password_sealed = password_column(password);
        let result = agent::Entity::update_many()
            .set(row)
            .filter(agent::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent::Column::Id.eq(agent.id.as_str()))
            .filter(agent::Column::Version.eq(agent.version - 1))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        if result.rows_affected == 1 {
            self.write_agent_addresses(agent).await
        } else {
            Err(Error::stale(agent.id.name()))
        }
    }

    /// Removes an agent with its credentials, health and positions. Its archived messages and notes are kept. What is stored about the messages in its
    /// mailbox is deleted later, see [`super::Store::drop_leftovers`]: it may be a lot.
    pub async fn delete_agent(&mut self, id: &AgentId) -> Result<bool> {
        let result = agent::Entity::delete_by_id((self.tenant.to_string(), id.to_string()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        agent_health::Entity::delete_by_id((self.tenant.to_string(), id.to_string()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        folder_position::Entity::delete_many()
            .filter(folder_position::Column::TenantId.eq(self.tenant.as_str()))
            .filter(folder_position::Column::AgentId.eq(id.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        let leftover = agent_leftover::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            agent_id: Set(id.to_string()),
        };
        let key = [agent_leftover::Column::TenantId, agent_leftover::Column::AgentId];
        agent_leftover::Entity::insert_many([leftover])
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        self.replace_addresses(AGENT, &[AddressOwner::of(id.as_str(), &[])]).await?;
        self.forget_suspects_of(id).await?;
        Ok(result.rows_affected == 1)
    }

    /// Writes an agent's health, except the counts.
    pub async fn set_agent_health(&mut self, id: &AgentId, health: &AgentHealth) -> Result<()> {
        let row = agent_health::ActiveModel {
            state: Set(health.state.as_str().to_owned()),
            problem: Set(health.problem.clone()),
            server_reply: Set(health.server_reply.clone()),
            last_success: Set(health.last_success.map(|time| time.0)),
            problem_since: Set(health.problem_since.map(|time| time.0)),
            retry_at: Set(health.retry_at.map(|time| time.0)),
            failures: Set(health.failures),
            ..Default::default()
        };
        agent_health::Entity::update_many()
            .set(row)
            .filter(agent_health::Column::TenantId.eq(self.tenant.as_str()))
            .filter(agent_health::Column::AgentId.eq(id.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Makes an agent the default of a user; `None` leaves the user without one.
    pub async fn set_default_agent(&mut self, user: &UserId, agent: Option<&AgentId>) -> Result<()> {
        let Some(agent) = agent else {
            default_agent::Entity::delete_by_id((self.tenant.to_string(), user.to_string()))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
            return Ok(());
        };
        let row = default_agent::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            user_id: Set(user.to_string()),
            agent_id: Set(agent.to_string()),
        };
        let key = [default_agent::Column::TenantId, default_agent::Column::UserId];
        let replace = OnConflict::columns(key).update_column(default_agent::Column::AgentId).to_owned();
        default_agent::Entity::insert_many([row])
            .on_conflict(replace)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Leaves the user whose default this agent is without one, and returns who that was.
    pub async fn clear_default_agent(&mut self, agent: &AgentId) -> Result<Option<UserId>> {
        let mine = default_agent::Column::TenantId
            .eq(self.tenant.as_str())
            .and(default_agent::Column::AgentId.eq(agent.as_str()));
        let row = default_agent::Entity::find()
            .filter(mine.clone())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        default_agent::Entity::delete_many()
            .filter(mine)
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| row.user_id.into()))
    }

    /// Adds to an agent's counts.
    pub async fn count_handled(&mut self, id: &AgentId, handled: i64, matched: i64, set_aside: i64) -> Result<()> {
        use agent_health::Column;
        agent_health::Entity::update_many()
            .col_expr(Column::Handled, Expr::col(Column::Handled).add(handled))
            .col_expr(Column::Matched, Expr::col(Column::Matched).add(matched))
            .col_expr(Column::SetAside, Expr::col(Column::SetAside).add(set_aside))
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(id.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Records a create. Returns false when the request id is taken.
    pub async fn insert_request(&mut self, new: NewRequest, now: Timestamp) -> Result<bool> {
        let row = request::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            method: Set(new.method.to_owned()),
            request_id: Set(new.request_id),
            content_hash: Set(new.content_hash),
            resource_id: Set(new.resource_id),
            create_time: Set(now.0),
        };
        let key = [request::Column::TenantId, request::Column::Method, request::Column::RequestId];
        let inserted = request::Entity::insert_many([row])
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(inserted == 1)
    }
}

fn settings_columns(settings: &AgentSettings) -> agent::ActiveModel {
    let (smtp, exchange) = (&settings.smtp, &settings.exchange);
    agent::ActiveModel {
        kind: Set(to_name(&settings.kind)),
        from_name: Set(settings.from_name.clone()),
        from_address: Set(settings.from_address.clone()),
        campaign_compatible: Set(settings.campaign_compatible),
        disabled: Set(settings.disabled),
        // An agent has one login, whatever its kind.
        username: Set(settings.username().to_owned()),
        smtp_host: Set(smtp.host.clone()),
        smtp_port: Set(smtp.port.into()),
        smtp_security: Set(to_name(&smtp.security)),
        smtp_authentication: Set(smtp.authentication.as_ref().map(to_name)),
        connection_type: Set(to_name(&exchange.connection_type)),
        authentication_method: Set(exchange.authentication_method.as_ref().map(to_name)),
        maintenance_account: Set(exchange.maintenance_account.to_string()),
        endpoint: Set(exchange.endpoint.clone()),
        mailbox: Set(exchange.mailbox.clone()),
        triage: Set(exchange.triage),
        case_sweep: Set(exchange.case_sweep),
        archive: Set(exchange.archive),
        calendar: Set(exchange.calendar),
        create_contacts: Set(exchange.sweep_options.create_non_matching_contacts),
        keep_full_message: Set(exchange.sweep_options.keep_full_message),
        case_reference_purge: Set(exchange.triage_options.case_reference_purge),
        ..Default::default()
    }
}

pub(super) fn to_agent(row: agent::Model) -> Result<Agent> {
    let kind = from_name(&row.kind, Cell::new("agent", "kind", &row.id))?;
    let (smtp_username, exchange_username) = match kind {
        AgentKind::Smtp => (row.username, String::new()),
        AgentKind::ExchangeEws | AgentKind::ExchangeGraph => (String::new(), row.username),
    };
    let smtp = SmtpSettings {
        host: row.smtp_host,
        port: u16::try_from(row.smtp_port).map_err(|_| corrupt("agent", "smtp_port", &row.id))?,
        security: from_name(&row.smtp_security, Cell::new("agent", "smtp_security", &row.id))?,
        authentication: row
            .smtp_authentication
            .map(|name| from_name(&name, Cell::new("agent", "smtp_authentication", &row.id)))
            .transpose()?,
        username: smtp_username,
    };
    let exchange = ExchangeSettings {
        connection_type: from_name(&row.connection_type, Cell::new("agent", "connection_type", &row.id))?,
        authentication_method: row
            .authentication_method
            .map(|name| from_name(&name, Cell::new("agent", "authentication_method", &row.id)))
            .transpose()?,
        maintenance_account: row.maintenance_account.into(),
        endpoint: row.endpoint,
        mailbox: row.mailbox,
        username: exchange_username,
        triage: row.triage,
        case_sweep: row.case_sweep,
        archive: row.archive,
        calendar: row.calendar,
        sweep_options: SweepOptions {
            create_non_matching_contacts: row.create_contacts,
            keep_full_message: row.keep_full_message,
        },
        triage_options: TriageOptions {
            case_reference_purge: row.case_reference_purge,
        },
    };
    Ok(Agent {
        id: row.id.into(),
        owner_user: row.owner_user.into(),
        password_set: row.password_sealed.is_some(),
        version: row.version,
        created: Timestamp(row.create_time),
        updated: Timestamp(row.update_time),
        settings: AgentSettings {
            kind,
            from_name: row.from_name,
            from_address: row.from_address,
            campaign_compatible: row.campaign_compatible,
            disabled: row.disabled,
            smtp,
            exchange,
        },
    })
}

fn to_health(row: &agent_health::Model) -> Result<AgentHealth> {
    Ok(AgentHealth {
        state: HealthState::parse(&row.state).ok_or_else(|| corrupt("agent_health", "state", &row.agent_id))?,
        problem: row.problem.clone(),
        server_reply: row.server_reply.clone(),
        last_success: row.last_success.map(Timestamp),
        problem_since: row.problem_since.map(Timestamp),
        retry_at: row.retry_at.map(Timestamp),
        failures: row.failures,
        handled: row.handled,
        matched: row.matched,
        set_aside: row.set_aside,
    })
}
