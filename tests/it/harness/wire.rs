//! Calls without a generated client: any method, any bytes.

use std::net::{SocketAddr, TcpListener};

use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderName},
};
use tonic::{Code, Status};

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

/// An address that nobody listens at now.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    free.local_addr().expect("it has an address")
}

/// A message in its gRPC frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// What a grpc-web answer ended with: the trailers come as the last frame of the body.
fn web_status(body: &[u8]) -> Option<Status> {
    let mut rest = body;
    while rest.len() >= 5 {
        let length = usize::try_from(u32::from_be_bytes(rest[1..5].try_into().expect("four bytes"))).expect("it is in memory");
        let (kind, content) = (rest[0], &rest[5..5 + length]);
        rest = &rest[5 + length..];
        if kind == 0x80 {
            let lines = std::str::from_utf8(content).expect("trailers are text").lines();
            let fields = lines.filter_map(|line| line.split_once(':'));
            let header = |(name, value): (&str, &str)| {
                let value = value.trim().parse().expect("it is a value");
                (name.parse::<HeaderName>().expect("it is a name"), value)
            };
            return Status::from_header_map(&fields.map(header).collect());
        }
    }
    None
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
        // As RFC 9113 §6.5.2 counts them. Clients drop what is longer than 8 KiB.
        let headers = response.headers().iter();
        let size: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(size < 8 * 1024, "{method}: {size} bytes of headers");
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status),
            None => Ok(response),
        }
    }

    /// Calls a method as a browser does, over HTTP/1.1, and reads the whole answer.
    ///
    /// # Errors
    /// The status, when the call does not succeed.
    pub async fn call_web(&self, method: &str, token: &str, message: &[u8]) -> Result<Vec<u8>, Status> {
        let mut request = http1()
            .post(format!("{}/{method}", self.url()))
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1")
            .body(frame(message));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.expect("the service answers");
        assert_eq!(response.status(), 200, "{method}");
        let in_front = Status::from_header_map(response.headers());
        let body = response.bytes().await.expect("the answer has an end");
        match in_front.or_else(|| web_status(&body)) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(body.to_vec()),
        }
    }
}
