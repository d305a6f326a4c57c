//! Small HTTP responses from servers that the operator named: token issuers, login providers.
//!
//! No redirects and no proxies, as for all connections; private networks are the operator's to name.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{
    Encryption, EndpointRules, ErrorClass, Network, ProviderError,
    replies::{self, BodyError},
};

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Calls servers that the operator named.
pub struct Web {
    network: Network,
    timeout: Duration,
    /// One for each server, with its connections. Held only for a lookup.
    clients: Mutex<HashMap<(String, Encryption), Client>>,
}

/// A server's response.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Web {
    /// `network` must allow what the operator does; `timeout` is for a whole call.
    pub fn new(network: Network, timeout: Duration) -> Self {
        Self {
            network,
            timeout,
            clients: Mutex::default(),
        }
    }

    /// Requests a document in JSON. The response is returned whatever its status.
    ///
    /// # Errors
    /// As [`Web::call`].
    pub async fn get(&self, url: &Url, bearer: Option<&str>) -> Result<Answer, ProviderError> {
        let mut request = Request::get(url.as_str()).header(header::ACCEPT, "application/json, application/jwk-set+json");
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Vec::new()).map_err(|error| {
            let text = "A token has characters that cannot be sent in a header.";
            ProviderError::new(ErrorClass::Malformed, text).because(error)
        })?;
        self.call(request).await
    }

    /// Sends a request to an `http` or `https` URL and reads the whole response, whatever its status. Not cancel safe: when it is dropped, the
    /// server may have executed the request.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`] when there is no complete response in time, [`ErrorClass::Malformed`] when it is too long.
    pub async fn call(&self, request: Request<Vec<u8>>) -> Result<Answer, ProviderError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let client = self.client(&host, Encryption::of_scheme(request.uri().scheme_str().unwrap_or_default()))?;
        let fault = |error| Network::fault(&host, error);
        let request = reqwest::Request::try_from(request).map_err(fault)?;
        let request = RequestBuilder::from_parts(client, request);
        let work = async {
            let response = self.network.send(request).await.map_err(fault)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = replies::body(response, MAX_ANSWER_BYTES).await.map_err(|unread| match unread {
                BodyError::TooLong => {
                    let text = format!("{host} returns more than {MAX_ANSWER_BYTES} bytes. Check the address.");
                    ProviderError::new(ErrorClass::Malformed, text)
                }
                BodyError::Broken(error) => fault(error),
            })?;
            Ok(Answer { status, headers, body })
        };
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let text = format!(
                "{host} did not answer within {:?}. It may be overloaded, or the network slow.",
                self.timeout
            );
            Err(ProviderError::new(ErrorClass::Unreachable, text))
        })
    }

    fn client(&self, host: &str, encryption: Encryption) -> Result<Client, ProviderError> {
        // The operator named the server, and the rules for mail servers are for tenants.
        let rules = EndpointRules {
            allow_private: true,
            ..EndpointRules::default()
        };
        self.network.judge_host(host, &rules)?;
        let key = (host.to_owned(), encryption);
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(client) = known {
            return Ok(client);
        }
        let client = self.network.http(host, encryption, &rules)?.build();
        let client = client.map_err(|error| Network::fault(host, error))?;
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, client.clone());
        Ok(client)
    }
}
