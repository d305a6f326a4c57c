//! placeholder until the edge is merged
pub struct Edge { pub ops: crate::ops::Ops, pub verifier: std::sync::Arc<crate::crypto::Verifier>, pub server: crate::config::Server, pub lifecycle: crate::lifecycle::Lifecycle }
pub async fn serve(_edge: Edge, _listener: tokio::net::TcpListener) -> Result<(), std::io::Error> { Ok(()) }
