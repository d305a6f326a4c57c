//! Calls without a generated client: any method, any bytes.

use reqwest::{Client, Response, header::HeaderMap};
use tonic::Status;

use super::Harness;

/// A client that speaks HTTP/2 without TLS, as gRPC does.
fn http2() -> Client {
    let client = Client::builder().http2_prior_knowledge().no_proxy().build();
    client.expect("the client has no odd settings")
}

/// A client as of a browser behind an old proxy: HTTP/1.1.
pub fn http1() -> Client {
    let client = Client::builder().http1_only().no_proxy().build();
    client.expect("the client has no odd settings")
}

/// A message in its gRPC frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

impl Harness {
    /// Calls a method, such as `mailagent.v1.AgentService/GetAgent`. The stream of its answer is not read.
    ///
    /// # Errors
    /// The status, when the call does not succeed at once.
    pub async fn call(&self, method: &str, token: &str, message: &[u8], more: HeaderMap) -> Result<Response, Status> {
        let mut request = http2()
            .post(format!("{}/{method}", self.url()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .headers(more)
            .body(frame(message));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.expect("the service answers");
        assert_eq!(response.status(), 200, "{method}");
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status),
            None => Ok(response),
        }
    }
}
