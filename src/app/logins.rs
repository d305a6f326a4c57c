//! Where people log in, built from the settings: values from the presets are filled in here.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use url::Url;

use super::{StartError, read_roots};
use crate::{
    config::{self, Config, ConfigErrors, Fault, PresetName},
    domain::{GRAPH_ENDPOINT, LoginUse},
    idp::oauth::{ClientCertificate, ClientProof, LoginProviders, Preset, ProviderSettings},
    net::{Network, NetworkConfig},
    ops::login::{CALLBACK, Logins},
};

const MICROSOFT: &str = "https://login.microsoftonline.com";
const GOOGLE: &str = "https://accounts.google.com";
/// Where Microsoft's tokens may be sent.
const MICROSOFT_HOSTS: [&str; 5] = [
    "graph.microsoft.com",
    "outlook.office365.com",
    "outlook.office.com",
    "smtp.office365.com",
    "smtp-mail.outlook.com",
];
const GOOGLE_HOSTS: [&str; 2] = ["smtp.gmail.com", "smtp-relay.gmail.com"];
/// Requested scopes: <https://learn.microsoft.com/graph/permissions-reference>, and the scopes of Exchange Online.
const GRAPH_SCOPES: &str = "openid profile offline_access Mail.ReadWrite Mail.ReadWrite.Shared Mail.Send \
     Mail.Send.Shared Calendars.ReadWrite User.Read";
const EWS_SCOPES: &str = "openid profile offline_access https://outlook.office365.com/EWS.AccessAsUser.All";
const SMTP_SCOPES: &str = "openid profile offline_access https://outlook.office.com/SMTP.Send";
const GOOGLE_SCOPES: &str = "openid email https://mail.google.com/";
/// Microsoft's refresh tokens expire when unused for this long; others are assumed to do the same unless the operator configures otherwise.
const LIFETIME: Duration = Duration::from_hours(90 * 24);

/// The login providers. `address` is where the service listens.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn build(config: &Config, address: SocketAddr) -> Result<Logins, StartError> {
    let oauth = &config.oauth;
    let roots = config.network.root_certificates_file.as_deref();
    // As for the issuer of callers' tokens: the operator names these servers.
    let network = Network::new(NetworkConfig {
        allow_loopback: true,
        connect_timeout: config.network.connect_timeout,
        root_certificates: roots.map_or(Ok(Vec::new()), read_roots)?,
        ..NetworkConfig::default()
    });
    let providers: Result<Vec<_>, ConfigErrors> = oauth
        .providers
        .iter()
        .enumerate()
        .map(|(index, provider)| settings(index, provider))
        .collect();
    let base = match &oauth.public_url {
        Some(url) => url.url().as_str().trim_end_matches('/').to_owned(),
        None => {
            let scheme = if config.server.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{address}")
        }
    };
    Ok(Logins {
        providers: LoginProviders::new(&network, oauth.request_timeout, providers?),
        callback_url: format!("{base}{CALLBACK}"),
        redirect_urls: oauth.redirect_urls.0.clone(),
        // A description of the provider, its answer, and the time to store what it says.
        renewal_limit: oauth.request_timeout * 3,
    })
}

/// Checks the files of the login providers. Changes nothing.
pub(super) fn check_files(config: &Config) -> Vec<Fault> {
    let providers = config.oauth.providers.iter().enumerate();
    providers.filter_map(|(index, provider)| proof(index, provider).err()).collect()
}

fn settings(index: usize, provider: &config::LoginProvider) -> Result<ProviderSettings, ConfigErrors> {
    let proof = proof(index, provider).map_err(|fault| ConfigErrors::of(vec![fault]).expect("there is one"))?;
    let proof_expires = match &proof {
        ClientProof::Certificate(certificate) => Some(certificate.expires),
        ClientProof::Secret(_) | ClientProof::Nothing => provider.client_secret_expires.map(|day| day.0),
    };
    let known = |text: &str| Url::parse(text).expect("it is a URL");
    let graph = provider
        .graph_url
        .as_ref()
        .map_or_else(|| known(GRAPH_ENDPOINT), |url| url.url().clone());
    let preset = match provider.preset {
        PresetName::Microsoft => Preset::Microsoft {
            authority: provider
                .authority
                .as_ref()
                .map_or_else(|| known(MICROSOFT), |url| url.url().clone()),
            directory: provider.directory.clone().unwrap_or_else(|| "organizations".to_owned()),
        },
        PresetName::Google => Preset::OpenId {
            issuer: GOOGLE.to_owned(),
            url: known(GOOGLE),
            google: true,
        },
        PresetName::OpenId => {
            let issuer = provider.issuer.as_ref().expect("the settings were checked");
            Preset::OpenId {
                issuer: issuer.as_str().to_owned(),
                url: issuer.url().clone(),
                google: false,
            }
        }
    };
    let hosts = match (&provider.hosts, provider.preset) {
        (Some(hosts), _) => hosts.0.clone(),
        (None, PresetName::Google) => GOOGLE_HOSTS.map(str::to_owned).to_vec(),
        (None, _) => {
            let cloud = graph.host_str().map(str::to_owned);
            MICROSOFT_HOSTS.map(str::to_owned).into_iter().chain(cloud).collect()
        }
    };
    Ok(ProviderSettings {
        name: provider.name.as_str().to_owned(),
        preset,
        client_id: provider.client_id.clone(),
        proof,
        proof_expires,
        scopes: scopes(provider),
        hosts,
        lifetime: provider.login_lifetime.unwrap_or(LIFETIME),
        sliding: provider.login_slides.unwrap_or(true),
        graph,
    })
}

fn scopes(provider: &config::LoginProvider) -> HashMap<LoginUse, Vec<String>> {
    let usual = match provider.preset {
        PresetName::Microsoft => [GRAPH_SCOPES, EWS_SCOPES, SMTP_SCOPES],
        PresetName::Google => ["", "", GOOGLE_SCOPES],
        PresetName::OpenId => ["", "", ""],
    };
    let own = [&provider.graph_scopes, &provider.ews_scopes, &provider.smtp_scopes];
    let uses = [LoginUse::Graph, LoginUse::Ews, LoginUse::Smtp];
    let scopes = |(own, usual): (&Option<config::Words>, &str)| match own {
        Some(words) => words.0.clone(),
        None => usual.split_whitespace().map(str::to_owned).collect(),
    };
    let all = uses.into_iter().zip(own.into_iter().zip(usual).map(scopes));
    all.filter(|(_, scopes)| !scopes.is_empty()).collect()
}

fn proof(index: usize, provider: &config::LoginProvider) -> Result<ClientProof, Fault> {
    let key = |field: &str| format!("oauth.providers.{index}.{field}");
    if let Some(secret) = &provider.client_secret {
        return Ok(ClientProof::Secret(secret.expose().into()));
    }
    if let Some(path) = &provider.client_secret_file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| Fault::of_file(&key("client_secret_file"), path, format!("cannot be read: {error}"), ""))?;
        let secret = zeroize::Zeroizing::new(text);
        if secret.trim().is_empty() {
            return Err(Fault::of_file(
                &key("client_secret_file"),
                path,
                "is empty".to_owned(),
                "put the secret in it",
            ));
        }
        return Ok(ClientProof::Secret(secret.trim().into()));
    }
    let (Some(certificate), Some(private)) = (&provider.certificate_file, &provider.certificate_key_file) else {
        return Ok(ClientProof::Nothing);
    };
    let read = ClientCertificate::read(certificate, private).map_err(|error| {
        let (field, path) = if error.key {
            ("certificate_key_file", private)
        } else {
            ("certificate_file", certificate)
        };
        Fault::of_file(&key(field), path, error.problem, "")
    })?;
    Ok(ClientProof::Certificate(Box::new(read)))
}
