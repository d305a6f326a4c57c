//! Why no connection to a server is possible, in words that help a person to fix it.

use std::{error::Error, io, iter};

use rustls::{CertificateError, InvalidMessage};

use super::{resolve::ResolveError, trust};
use crate::net::{CertificateFacts, ErrorClass, ProviderError};

/// Most names of a certificate within a sentence.
const SHOWN: usize = 10;

/// What went wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    UnknownName,
    Refused,
    NoRoute,
    ConnectTimeout,
    RequestTimeout,
    CertificateIssuer,
    CertificateTime,
    CertificateName,
    CertificateRevoked,
    CertificateKey,
    CertificateOther,
    NotTls,
    TlsVersion,
    TlsClosed,
    TlsOther,
    Broken,
    Damaged,
    Closed,
    NoAnswer,
    Other,
}

impl Cause {
    /// What is wrong and what to do; `{host}` stands for the server.
    fn words(self) -> &'static str {
        match self {
            Self::UnknownName => "The name {host} cannot be resolved. Check the address, and that this machine's DNS knows it.",
            Self::Refused => "{host} refuses the connection: nothing listens on that port. Check the port, and that the server runs.",
            Self::NoRoute => "There is no route to {host}. Check the address, the network and the firewalls.",
            Self::ConnectTimeout => {
                "{host} did not accept the connection in time. Check the address and the port, and that no firewall drops it."
            }
            Self::RequestTimeout => "{host} did not finish its response in time. It may be overloaded, or the network slow.",
            Self::CertificateIssuer => "The TLS certificate of {host} comes from an issuer that is not trusted here, or it is self-signed.",
            Self::CertificateTime => {
                "The TLS certificate of {host} has expired or is not valid yet. Renew it at the server; check the clocks."
            }
            Self::CertificateName => {
                "The TLS certificate of {host} is for another name. Use a name in the certificate, or get one for this name."
            }
            Self::CertificateRevoked => "The TLS certificate of {host} has been revoked. Replace it at the server.",
            Self::CertificateKey => {
                "{host} presents a TLS certificate without having its key. Somebody may be impersonating that server; nothing was sent to \
                 it."
            }
            Self::CertificateOther => "The TLS certificate of {host} is not usable. Replace it at the server.",
            Self::NotTls => {
                "{host} does not speak TLS on this port. Check the port and the security: the server there begins in plain text."
            }
            Self::TlsVersion => "{host} and this service have no TLS version or cipher in common. Allow TLS 1.2 or newer at the server.",
            Self::TlsClosed => {
                "{host} closed the connection during the TLS handshake. Check that TLS is spoken on this port, and what is between this \
                 service and the server."
            }
            Self::TlsOther => "The TLS connection to {host} failed. Check the server's TLS settings.",
            Self::Broken => {
                "{host} closed the connection unexpectedly. The request is retried; if this persists, check what is between this service \
                 and the server."
            }
            Self::Damaged => "{host} sent a damaged compressed response. Check what is between this service and the server.",
            Self::Closed => {
                "{host} closed the connection without a response. The request is retried; if this persists, check the port, whether it \
                 requires TLS, and what is between this service and the server."
            }
            Self::NoAnswer => "{host} accepted the connection, but does not speak HTTP. Check the port, and whether it requires TLS.",
            Self::Other => "The connection to {host} failed. Check the address and the network.",
        }
    }
}

/// What a fault of the HTTP client means. The address is omitted, as it may contain more than the host.
pub(super) fn http(host: &str, error: reqwest::Error) -> ProviderError {
    let error = error.without_url();
    if let Some(refused) = chain(&error).find_map(|inner| inner.downcast_ref::<ResolveError>())
        && let Some(refused) = refused_address(host, refused)
    {
        return refused;
    }
    let cause = http_cause(&error);
    fault(host, cause, &error).because(error)
}

/// The fault of a name that cannot be resolved.
pub(super) fn unresolved(host: &str, error: ResolveError) -> ProviderError {
    refused_address(host, &error).unwrap_or_else(|| fault(host, Cause::UnknownName, &error).because(error))
}

/// The fault of a failed TCP connection.
pub(super) fn unconnected(host: &str, error: io::Error) -> ProviderError {
    let cause = match io_cause(error.kind()) {
        Some(Cause::RequestTimeout) => Cause::ConnectTimeout,
        cause => cause.unwrap_or(Cause::Other),
    };
    fault(host, cause, &error).because(error)
}

/// The fault of an established connection that broke.
pub(super) fn broken(host: &str, error: impl Error + Send + Sync + 'static) -> ProviderError {
    let io = chain(&error).filter_map(|inner| inner.downcast_ref::<io::Error>());
    let cause = io.filter_map(|io| io_cause(io.kind())).next();
    let cause = cause.or_else(|| closed(&error)).unwrap_or(Cause::NoAnswer);
    fault(host, cause, &error).because(error)
}

/// The fault of a failed TLS handshake.
pub(super) fn no_handshake(host: &str, error: io::Error) -> ProviderError {
    let tls = chain(&error).find_map(|inner| inner.downcast_ref::<rustls::Error>());
    let cause = match (tls, error.kind()) {
        (Some(tls), _) => tls_cause(tls),
        (None, io::ErrorKind::TimedOut) => Cause::NotTls,
        (None, kind) => match io_cause(kind) {
            Some(Cause::Broken) => Cause::TlsClosed,
            cause => cause.unwrap_or(Cause::TlsOther),
        },
    };
    fault(host, cause, &error).because(error)
}

fn refused_address(host: &str, error: &ResolveError) -> Option<ProviderError> {
    let ResolveError::Refused(address, refusal) = error else {
        return None;
    };
    let what = if host.parse() == Ok(*address) {
        format!("{host} cannot be used: it")
    } else {
        format!("{host} cannot be used: its address {address}")
    };
    Some(ProviderError::new(ErrorClass::Refused, format!("{what} {}", refusal.words())))
}

fn fault(host: &str, cause: Cause, error: &(dyn Error + 'static)) -> ProviderError {
    let mut problem = cause.words().replace("{host}", host);
    let refused = chain(error)
        .find_map(|inner| inner.downcast_ref::<rustls::Error>())
        .and_then(trust::Refused::of);
    let facts = refused.and_then(|refused| refused.facts.clone());
    if let Some(facts) = &facts {
        let authority = refused.is_some_and(|refused| refused.authority);
        problem.push_str(&certificate_words(cause, authority, facts));
    }
    ProviderError {
        certificate: facts.map(Box::new),
        ..ProviderError::new(ErrorClass::Unreachable, problem)
    }
}

/// The content of the certificate, as far as it helps with this fault.
fn certificate_words(cause: Cause, authority: bool, facts: &CertificateFacts) -> String {
    let trust = format!(
        "or, if it is the right one, an administrator may trust its fingerprint {} in the tenant settings (trusted_certificates).",
        facts.sha256_fingerprint
    );
    match cause {
        Cause::CertificateIssuer if authority && facts.issuer == facts.subject => format!(
            " It is a certificate authority's own certificate ({}), which is not valid for a server, even if that authority is trusted: \
             give the server its own certificate, {trust}",
            facts.subject
        ),
        Cause::CertificateIssuer => format!(
            " Its issuer is {}. The operator may trust that issuer (network.root_certificates_file), {trust}",
            facts.issuer
        ),
        Cause::CertificateTime => format!(" It is valid from {} to {}.", facts.not_before, facts.not_after),
        Cause::CertificateName if facts.names.is_empty() => format!(" It names no server at all; its subject is {}.", facts.subject),
        Cause::CertificateName if facts.names.len() > SHOWN => format!(
            " It is for {} and {} more.",
            facts.names[..SHOWN].join(", "),
            facts.names.len() - SHOWN
        ),
        Cause::CertificateName => format!(" It is for {}.", facts.names.join(", ")),
        _ => String::new(),
    }
}

fn http_cause(error: &reqwest::Error) -> Cause {
    if let Some(cause) = chain(error).find_map(|inner| inner.downcast_ref::<rustls::Error>()).map(tls_cause) {
        return cause;
    }
    if error.is_dns() {
        return Cause::UnknownName;
    }
    if error.is_timeout() {
        return if error.is_connect() {
            Cause::ConnectTimeout
        } else {
            Cause::RequestTimeout
        };
    }
    let io = chain(error).filter_map(|inner| inner.downcast_ref::<io::Error>());
    match io.filter_map(|io| io_cause(io.kind())).next() {
        // While connecting nothing is read but the handshake.
        Some(Cause::Broken) if error.is_connect() => return Cause::TlsClosed,
        Some(cause) => return cause,
        None => {}
    }
    if error.is_connect() {
        Cause::Other
    } else if error.is_request() {
        closed(error).unwrap_or(Cause::NoAnswer)
    } else {
        Cause::Broken
    }
}

/// A connection that ended instead of a response: any server does that at times.
fn closed(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut http = chain(error).filter_map(|inner| inner.downcast_ref::<hyper::Error>());
    let ended = http.any(|error| error.is_incomplete_message() || error.is_closed() || error.is_canceled());
    ended.then_some(Cause::Closed)
}

fn io_cause(kind: io::ErrorKind) -> Option<Cause> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(Cause::Refused),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        // This is how a firewall of this machine reports it.
        | io::ErrorKind::PermissionDenied => Some(Cause::NoRoute),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Some(Cause::Broken)
        }
        io::ErrorKind::TimedOut => Some(Cause::RequestTimeout),
        io::ErrorKind::InvalidData => Some(Cause::Damaged),
        _ => None,
    }
}

fn tls_cause(error: &rustls::Error) -> Cause {
    if let Some(refused) = trust::Refused::of(error) {
        return match &refused.cause {
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => Cause::CertificateIssuer,
            cause => tls_cause(cause),
        };
    }
    match error {
        // Of the handshake: those of a certificate come with what it says.
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => Cause::CertificateKey,
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            // A self-signed certificate that is an authority's own cannot stand for a server; this comes as `Other`.
            CertificateError::UnknownIssuer | CertificateError::Other(_) => Cause::CertificateIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::CertificateTime,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Cause::CertificateName,
            CertificateError::Revoked => Cause::CertificateRevoked,
            _ => Cause::CertificateOther,
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => Cause::NotTls,
        rustls::Error::PeerIncompatible(_) => Cause::TlsVersion,
        rustls::Error::AlertReceived(
            rustls::AlertDescription::ProtocolVersion
            | rustls::AlertDescription::HandshakeFailure
            | rustls::AlertDescription::InsufficientSecurity,
        ) => Cause::TlsVersion,
        _ => Cause::TlsOther,
    }
}

/// An error and all its sources. What an [`io::Error`] wraps is not its source, so it is looked up separately.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn tls_faults_are_told_apart() {
        let certificate = |error| tls_cause(&rustls::Error::InvalidCertificate(error));
        assert_eq!(certificate(CertificateError::UnknownIssuer), Cause::CertificateIssuer);
        assert_eq!(certificate(CertificateError::Expired), Cause::CertificateTime);
        assert_eq!(certificate(CertificateError::NotValidYet), Cause::CertificateTime);
        assert_eq!(certificate(CertificateError::NotValidForName), Cause::CertificateName);
        assert_eq!(certificate(CertificateError::Revoked), Cause::CertificateRevoked);
        assert_eq!(certificate(CertificateError::BadEncoding), Cause::CertificateOther);
        assert_eq!(certificate(CertificateError::BadSignature), Cause::CertificateKey);
        assert_eq!(
            tls_cause(&rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            Cause::NotTls
        );
        assert_eq!(
            tls_cause(&rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)),
            Cause::TlsVersion
        );
        assert_eq!(
            tls_cause(&rustls::Error::AlertReceived(AlertDescription::InternalError)),
            Cause::TlsOther
        );
    }

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let found = chain(&wrapped).find_map(|error| error.downcast_ref::<rustls::Error>());
        assert_eq!(found.map(tls_cause), Some(Cause::CertificateIssuer));
    }
}
