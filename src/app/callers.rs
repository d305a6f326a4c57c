//! Who may call, built from the settings.

use std::sync::Arc;

use super::{StartError, open_issuer, read_roots};
use crate::{
    api::Callers,
    config::Config,
    crypto::{ClaimNames, IssuerKeys, KeyTimes, Verifier},
    idp::openid::OpenIdKeys,
    lifecycle::{Lifecycle, OnError},
    net::{Network, NetworkConfig},
};

/// Those who may call. A separate task follows the keys of an OpenID issuer.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn build(config: &Config, lifecycle: &Lifecycle) -> Result<Callers, StartError> {
    let auth = &config.auth;
    let mut tokens = Verifier::new(auth.audience.clone(), auth.clock_skew);
    if auth.takes_local_tokens() {
        tokens = tokens.with_local(&open_issuer(&config.data_dir)?);
    }
    if let Some(issuer) = &auth.issuer {
        let roots = config.network.root_certificates_file.as_deref();
        // A separate network: what tenants may call is independent of the issuer that the operator names.
        let network = Network::new(NetworkConfig {
            allow_loopback: true,
            connect_timeout: config.network.connect_timeout,
            root_certificates: roots.map_or(Ok(Vec::new()), read_roots)?,
            ..NetworkConfig::default()
        });
        let source = OpenIdKeys::new(
            network,
            issuer.as_str(),
            issuer.url(),
            auth.jwks_url.as_ref().map(|url| url.url().clone()),
        );
        let times = KeyTimes {
            refresh_interval: auth.key_refresh_interval,
            lifetime: auth.key_lifetime,
            pause: auth.unknown_key_pause,
        };
        let names = ClaimNames {
            tenant: auth.tenant_claim.clone().into(),
            user: auth.user_claim.clone().into(),
            scope: auth.scope_claim.clone().into(),
        };
        let keys = Arc::new(IssuerKeys::new(Box::new(source), times));
        lifecycle.spawn("issuer keys", OnError::Stop, keys.clone().run(lifecycle.soft().clone()));
        tokens = tokens.with_issuer(issuer.as_str(), keys, names);
    }
    Ok(Callers::new(tokens, &auth.services))
}
