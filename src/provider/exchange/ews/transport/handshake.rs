//! Requests on connections that are logged in by NTLM or Negotiate: on one that is logged in already, or after its login. What the server closes
//! in between is begun again, a few times.

use std::ops::ControlFlow;

use http::{Request, StatusCode, header};
use reqwest::{Body, RequestBuilder, Response};

use super::{
    Transport,
    login::{Answer, MakeRequest, PasswordLogin},
    pinned::{Connection, PinnedConnection, SendError},
};
use crate::{
    net::ErrorClass,
    provider::exchange::{
        ews::{
            errors::Fault,
            ntlm::{self, Handshake, Scheme},
        },
        server::FAULT_BYTES,
    },
};

/// Logins that are begun for one request, when connections are closed in the middle.
const HANDSHAKES: usize = 3;

/// A request, and the login that it is sent with.
struct BoundRequest<'a> {
    transport: &'a Transport,
    scheme: Scheme,
    login: &'a PasswordLogin,
    make: MakeRequest<'a>,
}

/// How an attempt to send a request ended.
enum Attempt {
    /// With a response.
    Answered {
        response: Response,
        /// Whether the server has judged the password.
        judged: bool,
    },
    /// The connection was closed before the request was sent.
    Closed,
}

impl Transport {
    /// Sends a request on a connection that is logged in, or logs it in first.
    pub(super) async fn send_logged_in(&self, scheme: Scheme, login: &PasswordLogin, make: MakeRequest<'_>) -> Result<Answer, Fault> {
        let request = BoundRequest {
            transport: self,
            scheme,
            login,
            make,
        };
        let mut pinned = self.pinned.take();
        for _ in 0..HANDSHAKES {
            match request.attempt(&mut pinned).await? {
                Attempt::Closed => pinned.close(),
                Attempt::Answered { response, judged } => {
                    return Ok(Answer {
                        response,
                        connection: Some(pinned),
                        judged,
                    });
                }
            }
        }
        let words = "{host} closes its connections during login. Check what is between this service and the server: NTLM needs persistent \
                     connections.";
        Err(self.judge.fault(ErrorClass::Unreachable, words, ""))
    }
}

impl BoundRequest<'_> {
    /// Sends the request once: as it is where the connection is logged in and the server still knows that, otherwise with a login.
    async fn attempt(&self, pinned: &mut PinnedConnection) -> Result<Attempt, Fault> {
        let server = &self.transport.server;
        let connection = pinned.open(server).await?;
        if connection.logged_in
            && let ControlFlow::Break(ended) = self.send_as_known(connection).await?
        {
            return Ok(ended);
        }
        // It may have been closed with the response.
        let connection = pinned.open(server).await?;
        let handshake = Handshake::begin(self.scheme);
        match self.ask_for_challenge(connection, &handshake).await? {
            ControlFlow::Break(ended) => Ok(ended),
            ControlFlow::Continue(challenge) => self.prove(connection, &handshake, challenge).await,
        }
    }

    /// Sends the request on a connection that is logged in. Continues when the server has forgotten the login.
    async fn send_as_known(&self, connection: &mut Connection) -> Result<ControlFlow<Attempt>, Fault> {
        match connection.send(self.request((self.make)(self.transport.server.client()))?).await {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                connection.logged_in = false;
                self.transport.body(response, FAULT_BYTES).await?;
                Ok(ControlFlow::Continue(()))
            }
            Ok(response) => Ok(ControlFlow::Break(Attempt::Answered { response, judged: true })),
            Err(SendError::NotSent) => Ok(ControlFlow::Break(Attempt::Closed)),
            Err(SendError::Broken(error)) => Err(self.broken(error)),
        }
    }

    /// The first step of a login: a request without content. Continues with the response that has the server's challenge.
    async fn ask_for_challenge(&self, connection: &mut Connection, handshake: &Handshake) -> Result<ControlFlow<Attempt, Response>, Fault> {
        let server = &self.transport.server;
        let first = server.client().post(server.endpoint.clone()).header(header::CONTENT_LENGTH, 0);
        let first = self.request(first.header(header::AUTHORIZATION, handshake.first()))?;
        match connection.send(first).await {
            Ok(challenge) if challenge.status() == StatusCode::UNAUTHORIZED => Ok(ControlFlow::Continue(challenge)),
            // Not the answer to the request, which was never sent.
            Ok(other) if other.status().is_success() => {
                let words = "{host} answered the first step of a login as if it were a request, although it requires a login. Check \
                             that anonymous access is off for the EWS address, and what is between this service and the server.";
                let reply = format!("HTTP {}", other.status());
                Err(self.transport.judge.fault(ErrorClass::Malformed, words, &reply))
            }
            Ok(response) => Ok(ControlFlow::Break(Attempt::Answered { response, judged: false })),
            Err(_) => Ok(ControlFlow::Break(Attempt::Closed)),
        }
    }

    /// The second step: the request itself, with the proof that answers the challenge.
    async fn prove(&self, connection: &mut Connection, handshake: &Handshake, challenge: Response) -> Result<Attempt, Fault> {
        let server = &self.transport.server;
        let login = ntlm::Login {
            username: &self.login.username,
            password: &self.login.password,
            host: server.host(),
            certificate: connection.binding.as_deref(),
        };
        let Some(proof) = handshake.second(challenge.headers(), &login) else {
            return Ok(Attempt::Answered {
                response: challenge,
                judged: false,
            });
        };
        // Read to its end, as the next request has to wait for that.
        self.transport.body(challenge, FAULT_BYTES).await?;
        let second = self.request((self.make)(server.client()).header(header::AUTHORIZATION, proof))?;
        match connection.send(second).await {
            Ok(response) => {
                connection.logged_in = response.status() != StatusCode::UNAUTHORIZED;
                Ok(Attempt::Answered { response, judged: true })
            }
            // Closed in between: the challenge is gone with it.
            Err(SendError::NotSent) => Ok(Attempt::Closed),
            Err(SendError::Broken(error)) => Err(self.broken(error)),
        }
    }

    /// A request as it goes over a connection of our own.
    fn request(&self, builder: RequestBuilder) -> Result<Request<Body>, Fault> {
        let server = &self.transport.server;
        Ok(super::pinned::prepare(
            server,
            builder.build().map_err(|error| server.fault(error))?,
        )?)
    }

    /// A connection that broke after the request was sent, which may have been executed.
    fn broken(&self, error: hyper::Error) -> Fault {
        Fault {
            unclear: true,
            ..self.transport.server.broken(error).into()
        }
    }
}
