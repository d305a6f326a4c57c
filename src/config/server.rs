//! `[server]` and `[server.tls]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use url::{Host, Url};

use super::{
    reader::{Field, Reader, Rule, section},
    source::Raw,
    value::{ByteSize, Value},
};

section! {
    /// The port for callers.
    pub struct Server {
        /// Address and port. Port 0 lets the system choose one.
        pub listen: SocketAddr,
        /// Web pages that may call from a browser.
        pub cors_allowed_origins: AllowedOrigins => like("https://crm.example.com"),
        /// Maximum duration of a unary call.
        pub call_timeout: Duration => within("100ms", "1h"),
        /// How long a shutdown waits for running work.
        pub shutdown_grace: Duration => within("0s", "1h"),
        /// Maximum size of a gRPC message.
        pub max_message_size: ByteSize => within("64KiB", "1GiB"),
        /// Limit of open streams of one caller.
        pub max_streams_per_caller: usize => within("1", "1000000"),
        /// Limit of open connections. Default: what the limit of open files leaves, at most 10,000.
        pub max_connections: Option<usize> => within("16", "1000000"), like("3000"),
        /// Limit of connections from one address.
        pub max_connections_per_address: usize => within("1", "1000000"),
        /// How long a connection may be silent until a call on it is authenticated.
        pub anonymous_timeout: Duration => within("100ms", "1h"),
        /// How long a connection may be idle after that.
        pub idle_timeout: Duration => within("1s", "30d"),
        /// How long the request of a call may take to arrive.
        pub request_timeout: Duration => within("100ms", "1h"),
        /// Memory for the requests of all anonymous callers together.
        pub max_anonymous_bytes: ByteSize => within("4MiB", "1GiB"),
        /// Limit of concurrent calls, other than streams, of one caller.
        pub max_calls_per_caller: usize => within("1", "1000000"),
        /// Memory for messages that are being unpacked and parsed.
        pub processor_memory: ByteSize => within("16MiB", "1024GiB"),
        /// The certificate of the port; without it the port speaks plain text.
        pub tls: Option<Tls>,
    }
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate and its chain, the server's own first.
    pub certificate_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
    /// PEM file with the authorities for client certificates; without it, none are requested.
    pub client_ca_file: Option<PathBuf>,
    /// Whether every caller must present a certificate.
    pub client_certificate: ClientCertificate,
}

/// Whether callers must present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Optional; without one, a token identifies the caller.
    Optional,
    /// No connection is accepted without one.
    Required,
}

impl Value for ClientCertificate {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(format!("{} is neither \"optional\" nor \"required\"", raw.shown())),
        }
    }
}

impl Field for Option<Tls> {
    fn read(reader: &mut Reader, key: &str, _: Rule) -> Option<Self> {
        reader.section(key);
        let keys = ["certificate_file", "key_file", "client_ca_file", "client_certificate"].map(|name| format!("{key}.{name}"));
        let [certificate_key, key_key, client_key, demand_key] = &keys;
        let like = |example| Rule::default().like(example);
        let certificate: Option<PathBuf> = Field::read(reader, certificate_key, like("/etc/mailagent/tls.crt"))?;
        let key: Option<PathBuf> = Field::read(reader, key_key, like("/etc/mailagent/tls.key"))?;
        let client_ca_file: Option<PathBuf> = Field::read(reader, client_key, like("/etc/mailagent/clients.crt"))?;
        let demand: Option<ClientCertificate> = Field::read(reader, demand_key, like("required"))?;
        let client_certificate = demand.unwrap_or(ClientCertificate::Optional);
        if client_certificate == ClientCertificate::Required && client_ca_file.is_none() {
            reader.needs(demand_key, client_key);
        }
        match (certificate, key) {
            (Some(certificate_file), Some(key_file)) => Some(Some(Tls {
                certificate_file,
                key_file,
                client_ca_file,
                client_certificate,
            })),
            (Some(_), None) => {
                reader.needs(certificate_key, key_key);
                None
            }
            (None, Some(_)) => {
                reader.needs(key_key, certificate_key);
                None
            }
            (None, None) => {
                if client_ca_file.is_some() {
                    reader.needs(client_key, certificate_key);
                }
                Some(None)
            }
        }
    }
}

/// Web pages that may call from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    /// Pages from anywhere.
    pub any: bool,
    /// Pages from this machine, on any port.
    pub loopback: bool,
    /// Pages from these origins, such as `https://crm.example.com`.
    pub listed: Vec<String>,
}

impl AllowedOrigins {
    /// Whether a page may call, by the `Origin` header of its request.
    pub fn allow(&self, origin: &str) -> bool {
        self.any || parse_origin(origin).is_some_and(|(origin, loopback)| loopback && self.loopback || self.listed.contains(&origin))
    }
}

impl Value for AllowedOrigins {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let mut origins = Self::default();
        for part in raw.parts() {
            match part.text()? {
                "*" => origins.any = true,
                "loopback" => origins.loopback = true,
                text => match parse_origin(text) {
                    Some((origin, _)) => origins.listed.push(origin),
                    None => {
                        return Err(format!(
                            "{} is not an origin: use https://HOST[:PORT], \"loopback\" or \"*\"",
                            part.shown()
                        ));
                    }
                },
            }
        }
        Ok(origins)
    }
}

/// The serialised form of an origin, and whether it is of this machine.
fn parse_origin(text: &str) -> Option<(String, bool)> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then(|| (url.origin().ascii_serialization(), loopback))
}
