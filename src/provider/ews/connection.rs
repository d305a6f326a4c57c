//! Why a server cannot be reached or talked to, from what the HTTP client reports.

use std::{error::Error, io, iter, time::Duration};

use rustls::{CertificateError, InvalidMessage};

use super::errors::{Fault, Judge};
use crate::provider::ErrorClass;

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
    CertificateOther,
    NotTls,
    TlsVersion,
    TlsOther,
    Broken,
    Damaged,
    NoAnswer,
    Other,
}

impl Cause {
    /// What is wrong and what to do.
    fn words(self, limits: Limits) -> String {
        match self {
            Self::UnknownName => {
                "The name {host} is not known. Check the address, and that this machine's name service knows it.".to_owned()
            }
            Self::Refused => {
                "{host} refuses the connection: nothing listens on that port. Check the port, and that the server runs.".to_owned()
            }
            Self::NoRoute => "There is no way to {host} in the network. Check the address, the network and the firewalls.".to_owned(),
            Self::ConnectTimeout => format!(
                "{{host}} did not take the connection within {} s. Check the address, and that no firewall swallows it.",
                limits.connect.as_secs_f32()
            ),
            Self::RequestTimeout => format!(
                "{{host}} did not finish its answer within {} s. It may be overloaded, or the network slow.",
                limits.request.as_secs_f32()
            ),
            Self::CertificateIssuer => {
                "The TLS certificate of {host} comes from an issuer that is not trusted here, or it is self-signed. Add the certificate of \
                 its issuer to the trusted ones."
                    .to_owned()
            }
            Self::CertificateTime => {
                "The TLS certificate of {host} has expired or is not valid yet. Renew it at the server; check the clocks.".to_owned()
            }
            Self::CertificateName => {
                "The TLS certificate of {host} is for another name. Use the name in the certificate, or get one for this name.".to_owned()
            }
            Self::CertificateRevoked => "The TLS certificate of {host} has been revoked. Replace it at the server.".to_owned(),
            Self::CertificateOther => "The TLS certificate of {host} is not usable. Replace it at the server.".to_owned(),
            Self::NotTls => {
                "{host} does not speak TLS on this port. Check the port: plain HTTP may be listening there; TLS mostly is on 443."
                    .to_owned()
            }
            Self::TlsVersion => {
                "{host} and this service have no TLS version or cipher in common. Allow TLS 1.2 or newer at the server.".to_owned()
            }
            Self::TlsOther => "The TLS connection to {host} failed. Look at the server's TLS settings.".to_owned(),
            Self::Broken => {
                "{host} closed the connection in the middle. It is tried again; if this stays, check what stands between here and the \
                 server."
                    .to_owned()
            }
            Self::Damaged => "{host} sent a damaged compressed answer. Check what stands between here and the server.".to_owned(),
            Self::NoAnswer => {
                "{host} took the connection, but closed it without an answer or does not speak HTTP. Check the port, and whether it \
                 wants TLS."
                    .to_owned()
            }
            Self::Other => "The connection to {host} failed. Check the address and the network.".to_owned(),
        }
    }
}

/// The limits that a connection may have run into, for the words about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub connect: Duration,
    pub request: Duration,
}

/// The fault that the HTTP client's error stands for.
pub(super) fn fault(judge: &Judge, limits: Limits, error: reqwest::Error) -> Fault {
    let cause = cause(&error);
    // The address may hold more than the host; it is in the words above already.
    let error = error.without_url();
    let mut fault = judge.fault(ErrorClass::Unreachable, &cause.words(limits), "");
    fault.error.source = Some(Box::new(error));
    fault
}

fn cause(error: &reqwest::Error) -> Cause {
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
    for inner in chain(error) {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Cause::Refused,
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
                    return Cause::NoRoute;
                }
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return Cause::Broken,
                io::ErrorKind::InvalidData => return Cause::Damaged,
                _ => {}
            }
        }
    }
    if error.is_connect() {
        Cause::Other
    } else if error.is_request() {
        Cause::NoAnswer
    } else {
        Cause::Broken
    }
}

fn tls_cause(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            // A self-signed certificate that is an authority's own cannot stand for a server; this comes as `Other`.
            CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => Cause::CertificateIssuer,
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

/// An error and all that lie beneath it. What an [`io::Error`] wraps is not its source, so it is looked up apart.
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
