//! An administrator's consent: this service itself opens the mailboxes of an e-mail domain (client credentials, RFC 6749 §4.4).
//!
//! What comes back with the browser proves nothing but that the page was open: the state says who began, and whether the directory of the
//! domain consented is asked of the provider, by getting a token. A directory belongs to the tenant that first proved its consent:
//! otherwise another tenant could name its domain and use the consent that is there.

use std::{collections::HashMap, time::Duration};

use super::{
    Ops, append,
    attempt::{self, FoundAttempt, NewAttempt, Secrets},
    change::Change,
    reassess,
    subject::choose,
    tokens::{self, Granted},
    told,
    view::{AuthenticationView, view_of},
};
use crate::{
    domain::{
        AgentFilter, AgentKind, Caller, Detail, Error, Kind, Login, LoginSource, LoginUse, Page, Reason, Result, Scope, Timestamp,
        TokenEventKind, consent_domain,
    },
    idp::oauth::{LoginProvider, Tokens},
    net::{ErrorClass, ProviderError},
    ops::{is_address, page_limit},
    store::{Reader, retrying},
};

/// How often, and after which pause, a consent that was just given is looked for: providers take some seconds to hear of it themselves.
const LOOKS: (u32, Duration) = (4, Duration::from_millis(1500));
/// Agents that are counted at once.
const PAGE: u64 = 500;

/// A consent.
#[derive(Clone, Debug)]
pub struct ConsentView {
    /// The domain.
    pub domain: String,
    /// The directory that it belongs to.
    pub directory: String,
    /// How it stands.
    pub authentication: AuthenticationView,
    /// Agents that connect by it.
    pub agents: u64,
}

/// Begins a consent. Returns the page to open in a browser, and until when.
///
/// # Errors
/// See `AgentService.BeginAdminConsent`.
pub async fn begin_consent(ops: &Ops, caller: &Caller, domain: &str, provider: &str) -> Result<(String, Timestamp)> {
    caller.need(Scope::TenantAdmin)?;
    let domain = domain.to_lowercase();
    if !is_address(&format!("a@{domain}")) || !domain.contains('.') || domain.contains('[') {
        return Err(Error::invalid_field(
            "domain",
            "is required: an e-mail domain, such as example.com.",
        ));
    }
    let all = ops.logins.providers.iter();
    let serving: Vec<_> = all.filter(|provider| provider.knows_consent()).collect();
    let provider = choose(&serving, provider)?;
    let key = attempt::Key::new(ops, &caller.tenant);
    let page = provider.consent_page(&domain, &ops.logins.callback_url, &key.to_state(ops));
    let page = page.ok_or_else(|| Error::internal("a provider that knows consents has no page for them"))?;
    let beginning = NewAttempt {
        id: key.id,
        source: LoginSource::AdminConsent(domain),
        provider: provider.name(),
        redirect_url: &ops.logins.callback_url,
        secrets: Secrets::none(),
    };
    let attempt = attempt::remember(ops, caller, beginning).await?;
    Ok((page.into(), attempt.expires))
}

/// Proves a consent and writes it down.
pub(super) async fn complete(ops: &Ops, attempted: &FoundAttempt, domain: &str) -> Result<AuthenticationView> {
    let name = &attempted.attempt.provider;
    let provider = ops.logins.providers.get(name);
    let provider = provider.ok_or_else(|| choose(&[], name).err().unwrap_or_else(attempt::invalid))?;
    let fault = |fault| told(name, fault);
    let directory = provider.directory_of(domain).await.map_err(fault)?;
    let got = look_for(ops, provider, &directory).await.map_err(fault)?;
    let source = LoginSource::AdminConsent(domain.to_owned());
    let granted = Granted {
        source,
        usage: LoginUse::Graph,
        provider,
        user: &attempted.attempt.user,
        account: directory,
        tokens: &got,
    };
    let login = granted.into_login(ops);
    let sealed = tokens::seal(ops, &attempted.tenant, &login.id, &got).await?;
    let by = attempted.beginner();
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&attempted.tenant).await?;
        if !writer.claim_directory(name, &login.account, ops.now()).await? {
            let text = format!(
                "The directory of {domain} has already consented for another tenant of this service. Have the operator check this."
            );
            return Err(Error::new(Kind::Precondition, Reason::DirectoryTaken, text).with(Detail::Domain, domain));
        }
        let before = writer.login(&login.source).await?;
        writer.put_login(&login, sealed.clone()).await?;
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, &login.source, &choices).await?;
        let change = Change::made(before.as_ref(), &login, attempted.confirmed);
        change.record(ops, &mut writer, &by).await?;
        append(ops, &mut writer, TokenEventKind::ConsentGiven, &login).await?;
        writer.commit().await
    })
    .await?;
    ops.agents_changed.notify_one();
    ops.logins_changed.notify_one();
    Ok(view_of(ops, login.source.clone(), login.usage, Some(login)))
}

async fn look_for(ops: &Ops, provider: &LoginProvider, directory: &str) -> Result<Tokens, ProviderError> {
    let (looks, pause) = LOOKS;
    for _ in 1..looks {
        match provider.application(directory, ops.now()).await {
            Err(fault) if fault.class == ErrorClass::LoginRequired => tokio::time::sleep(pause).await,
            found => return found,
        }
    }
    provider.application(directory, ops.now()).await
}

/// Lists consents behind this domain, by domain.
///
/// # Errors
/// See `AgentService.ListAdminConsents`.
pub async fn list_consents(ops: &Ops, caller: &Caller, after: &str, page_size: i32) -> Result<Page<ConsentView>> {
    caller.need_any(&[Scope::TenantAdmin, Scope::AgentWrite])?;
    let limit = page_limit(page_size)?;
    let reader = ops.store.tenant(&caller.tenant);
    let logins = reader.admin_consents(after, limit).await?;
    let agents = agents_by_domain(&reader).await?;
    let view = |login: Login| {
        let domain = domain_in(&login.source);
        ConsentView {
            agents: agents.get(&domain).copied().unwrap_or(0),
            directory: login.account.clone(),
            authentication: view_of(ops, login.source.clone(), login.usage, Some(login)),
            domain,
        }
    };
    Ok(Page::new(logins, limit, |login| domain_in(&login.source)).map(view))
}

/// Gives a consent up.
///
/// # Errors
/// See `AgentService.RevokeAdminConsent`.
pub async fn revoke_consent(ops: &Ops, caller: &Caller, domain: &str) -> Result<()> {
    caller.need(Scope::TenantAdmin)?;
    let source = LoginSource::AdminConsent(domain.to_lowercase());
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let (login, _) = writer
            .take_login(&source)
            .await?
            .ok_or_else(|| Error::not_found(source.to_string()))?;
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, &source, &choices).await?;
        Change::ended(&login).record(ops, &mut writer, caller).await?;
        append(ops, &mut writer, TokenEventKind::ConsentRevoked, &login).await?;
        writer.commit().await
    })
    .await?;
    ops.agents_changed.notify_one();
    ops.logins_changed.notify_one();
    Ok(())
}

/// Agents that connect by consents, by the domains of their mailboxes.
async fn agents_by_domain(reader: &Reader) -> Result<HashMap<String, u64>> {
    let filter = AgentFilter {
        kind: Some(AgentKind::ExchangeGraph),
        ..AgentFilter::default()
    };
    let mut counts = HashMap::new();
    let mut after = String::new();
    loop {
        let agents = reader.agents(&after, &filter, PAGE).await?;
        let Some(last) = agents.last() else { return Ok(counts) };
        last.id.as_str().clone_into(&mut after);
        for agent in agents.iter().filter(|agent| agent.settings.uses_maintenance_account()) {
            *counts.entry(consent_domain(agent.mailbox_address())).or_default() += 1;
        }
    }
}

fn domain_in(source: &LoginSource) -> String {
    match source {
        LoginSource::AdminConsent(domain) => domain.clone(),
        LoginSource::Agent(_) | LoginSource::MaintenanceAccount(_) => String::new(),
    }
}
