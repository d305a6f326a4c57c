//! `mailagent token`.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use clap::Args;

use super::{CommandResult, Settings};
use crate::{
    app,
    config::Config,
    crypto::{Claims, Ids, LOCAL_ISSUER},
    domain::{Clock, Scope, SystemClock, TenantId, UserId},
};

/// Prints a token of the local issuer.
#[derive(Args, Debug)]
pub struct TokenArgs {
    #[command(flatten)]
    settings: Settings,
    /// The tenant
    #[arg(long, value_name = "TENANT", value_parser = super::parse_id::<TenantId>)]
    tenant: TenantId,
    /// The CRM's id of the user
    #[arg(long, value_name = "USER", value_parser = super::parse_id::<UserId>)]
    user: UserId,
    /// What the user may do; several, or `all`
    #[arg(long, value_name = "SCOPE", required = true, num_args = 1.., value_delimiter = ',', value_parser = parse_scope)]
    scope: Vec<ScopeChoice>,
}

#[derive(Clone, Debug)]
enum ScopeChoice {
    All,
    One(Scope),
}

fn parse_scope(text: &str) -> Result<ScopeChoice, String> {
    if text == "all" {
        return Ok(ScopeChoice::All);
    }
    Scope::parse(text).map(ScopeChoice::One).ok_or_else(|| match Scope::nearest(text) {
        Some(scope) => format!("there is no such scope; did you mean {scope}?"),
        None => "there is no such scope".to_owned(),
    })
}

pub(super) async fn run(args: &TokenArgs) -> CommandResult {
    let config = args.settings.load(&[])?;
    app::prepare_keys(&config).await?;
    let mut scopes = Vec::new();
    for choice in &args.scope {
        match choice {
            ScopeChoice::All => scopes.extend(Scope::ALL),
            ScopeChoice::One(scope) => scopes.push(*scope),
        }
    }
    println!("{}", issue(&config, &args.tenant, &args.user, scopes)?);
    Ok(ExitCode::SUCCESS)
}

/// Makes a token of the data folder's issuer, valid from now on for the configured time.
pub(super) fn issue(config: &Config, tenant: &TenantId, user: &UserId, scope: Vec<Scope>) -> anyhow::Result<String> {
    if !config.auth.takes_local_tokens() {
        let instead = match &config.auth.issuer {
            Some(issuer) => format!("Get one from the issuer {}, or set", issuer.as_str()),
            None => "Set".to_owned(),
        };
        return Err(anyhow!(
            "the local issuer is disabled, so the service would reject its tokens. {instead} auth.local_issuer = true for both the service \
             and this command"
        ));
    }
    let issuer = app::open_issuer(&config.data_dir)?;
    let now = SystemClock.now();
    let claims = Claims {
        iss: LOCAL_ISSUER.to_owned(),
        sub: user.to_string(),
        tenant: tenant.to_owned(),
        scope,
        aud: vec![config.auth.audience.clone()],
        exp: now.after(config.auth.token_lifetime),
        nbf: None,
        iat: now,
        jti: Ids::new(Arc::new(SystemClock)).next(),
    };
    issuer
        .issue(&claims)
        .map_err(|error| anyhow!(error))
        .context("cannot make the token")
}
