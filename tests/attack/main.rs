//! What an outsider or a colleague may try: the real program as a process of its own, under limits of memory and files.
//!
//! Each module holds attacks of one kind. An attack must end in time, the process must live and stay within its memory, and somebody else's
//! harmless call must still be answered.

#![expect(clippy::too_many_lines, reason = "tests of rules are tables of cases")]

mod calls;
mod connections;
mod death;
mod disk;
mod html;
mod linking;
#[path = "../it/harness/old_mail.rs"]
mod old_mail;
mod service;

use service::{Limits, Service};

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_under_the_limits_of_an_attack() {
    let limits = Limits {
        memory: Some(512 << 20),
        files: Some((1024, 4096)),
        ..Limits::default()
    };
    let mut service = Service::start(&limits);
    let mut client = service.client("anna").await;
    let agents = client.agents.list_agents(mailagent_client::v1::ListAgentsRequest::default()).await;
    assert_eq!(agents.expect("the call is answered").into_inner().agents, []);
    service.assert_alive();
    assert!(
        service.peak_memory() < 512 << 20,
        "it needs {} bytes at rest",
        service.peak_memory()
    );
}
