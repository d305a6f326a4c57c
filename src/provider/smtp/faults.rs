//! Turns a server's behaviour into faults whose texts name it.

use std::sync::Arc;

use super::{
    codes::{self, Step},
    wire::{Reply, ReplyError, clean},
};
use crate::{
    domain::SmtpSecurity,
    net::{ErrorClass, ProviderError},
};

/// Names a server in faults.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    /// The server's name or address.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
}

impl Judge {
    /// A fault in the given words; `{host}` and `{port}` stand for the server's.
    pub(super) fn fault(&self, class: ErrorClass, problem: &str) -> ProviderError {
        let problem = problem.replace("{host}", &self.host).replace("{port}", &self.port.to_string());
        ProviderError::new(class, problem)
    }

    /// An unexpected reply. `who` is the address or the login that it is about.
    pub(super) fn reply(&self, step: Step, who: &str, reply: &Reply) -> ProviderError {
        let Some((verdict, problem)) = codes::meaning(step, reply) else {
            return ProviderError {
                server_reply: reply.words(),
                ..self.fault(
                    ErrorClass::Malformed,
                    "{host} gave a response that does not belong to the command. Check that nothing between this service and the server \
                     modifies what it sends.",
                )
            };
        };
        let who = if who.is_empty() { "in use" } else { who };
        ProviderError {
            server_reply: reply.words(),
            ..self.fault(verdict.class(), &problem.replace("{who}", &clean(who)))
        }
    }

    /// A missing reply.
    pub(super) fn trouble(&self, step: Step, trouble: ReplyError) -> ProviderError {
        let greeting = step == Step::Greeting;
        match trouble {
            ReplyError::Silent if greeting => self.fault(
                ErrorClass::Unreachable,
                &format!(
                    "{{host}} accepted the connection on port {{port}}, but did not greet in time. Check that this is the port of its mail \
                     service{}.",
                    self.tls_hint()
                ),
            ),
            ReplyError::Silent => self.fault(
                ErrorClass::Unreachable,
                "{host} did not answer in time. It may be overloaded, or the network slow. It is retried.",
            ),
            ReplyError::Closed(source) => {
                let problem = if greeting {
                    format!(
                        "{{host}} closed the connection on port {{port}} without a response. It may not allow this machine; check the \
                         port{}.",
                        self.tls_hint()
                    )
                } else {
                    "{host} closed the connection unexpectedly. It is retried; if this persists, check the server's log.".to_owned()
                };
                ProviderError {
                    source: source.map(Into::into),
                    ..self.fault(ErrorClass::Unreachable, &problem)
                }
            }
            ReplyError::Garbled(beginning) => {
                let problem = if greeting {
                    "What answers on port {port} of {host} is not an SMTP server. Check the server's name and port."
                } else {
                    "{host} gave a response that is not SMTP. Check that nothing between this service and the server modifies what it \
                     sends."
                };
                let class = if greeting { ErrorClass::Unreachable } else { ErrorClass::Malformed };
                ProviderError {
                    server_reply: beginning,
                    ..self.fault(class, problem)
                }
            }
        }
    }

    /// A server that requires TLS from the first byte but received plain text.
    pub(super) fn wants_tls(&self) -> ProviderError {
        self.fault(
            ErrorClass::Unreachable,
            "Port {port} of {host} requires security TLS: it waits for encryption from the first byte. Choose TLS instead of STARTTLS or \
             none.",
        )
    }

    /// A server that greets in plain text although it was addressed in TLS.
    pub(super) fn speaks_plain(&self, greeting: &str) -> ProviderError {
        ProviderError {
            server_reply: clean(greeting),
            ..self.fault(
                ErrorClass::Unreachable,
                "Port {port} of {host} begins in plain text, not in TLS. Choose security STARTTLS for this port, or the port that requires \
                 TLS (usually 465).",
            )
        }
    }

    /// After the whole message was submitted, and before the server answered.
    pub(super) fn unknown_end(&self, trouble: ReplyError) -> ProviderError {
        let how = match trouble {
            ReplyError::Silent => "did not answer in time",
            ReplyError::Closed(_) => "closed the connection",
            ReplyError::Garbled(_) => "gave an invalid response",
        };
        let (source, server_reply) = match trouble {
            ReplyError::Closed(Some(error)) => (Some(error.into()), String::new()),
            ReplyError::Garbled(words) => (None, words),
            _ => (None, String::new()),
        };
        ProviderError {
            server_reply,
            source,
            ..self.fault(
                ErrorClass::Unreachable,
                &format!(
                    "{{host}} {how} after it had received the whole message: it is unknown whether it was sent. Check the sent messages or \
                     the server's log before you send it again."
                ),
            )
        }
    }

    fn tls_hint(&self) -> &'static str {
        match (self.security, self.port) {
            (SmtpSecurity::StartTls | SmtpSecurity::None, 465) => "; port 465 requires security TLS",
            _ => "",
        }
    }
}
