//! Mail that takes memory or time far beyond its size: HTML, character sets, encodings, parts.

mod cases;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use mailagent_client::v1::{GetMessageRequest, ListMessagesRequest, Message, MessageView, SearchMessagesRequest};
use prost::Message as _;

use super::service::{Limits, Service, TENANT, program};

/// How many messages are generated.
const GENERATED: u64 = 1_000;
/// The longest that a message may take to be read, in a debug build on a busy machine. Built for use none takes a second.
const SLOW: Duration = Duration::from_mins(1);
/// The largest answer that clients take by default.
const ANSWER: usize = 4 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn no_message_takes_memory_or_time_beyond_its_size() {
    let limits = Limits {
        memory: Some(512 << 20),
        ..Limits::default()
    };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mail = folder.path().join("mail");
    std::fs::create_dir(&mail).expect("a folder can be made");
    let known = cases::known().into_iter().map(|(name, raw)| (name.replace(' ', "-"), raw));
    let generated = (0..GENERATED).map(|seed| (format!("seed-{seed}"), cases::generated(seed)));
    let mut count = 0;
    for (name, raw) in known.chain(generated) {
        // Its name finds it again when it is the one that is slow.
        let raw = [format!("Message-ID: <{name}@attack>\n").as_bytes(), &raw].concat();
        std::fs::write(mail.join(format!("{name}.eml")), raw).expect("a file can be written");
        count += 1;
    }
    let mut import = program(folder.path(), &limits);
    run(import.args(["archive", "import", "--tenant", TENANT, "--quiet"]).arg(&mail));

    let mut service = Service::start_in(folder, &limits);
    let client = service.client("anna").await;
    let messages = all_messages(&client).await;
    assert_eq!(messages.len(), count);
    for message in &messages {
        let began = Instant::now();
        let request = GetMessageRequest {
            name: message.name.clone(),
            view: MessageView::Full.into(),
        };
        let read = client.clone().archive.get_message(request).await;
        let read = read
            .unwrap_or_else(|status| panic!("{}: {status}\n{}", message.message_id, service.log()))
            .into_inner();
        assert!(began.elapsed() < SLOW, "{} took {:?}", message.message_id, began.elapsed());
        assert!(
            read.encoded_len() < ANSWER,
            "{} has {} bytes",
            message.message_id,
            read.encoded_len()
        );
    }
    let request = SearchMessagesRequest {
        query: cases::WORD.to_owned(),
        page_size: 1,
        ..SearchMessagesRequest::default()
    };
    let found = client
        .clone()
        .archive
        .search_messages(request)
        .await
        .expect("the search is answered");
    assert_eq!(found.into_inner().messages.len(), 1);
    service.assert_alive();
    assert!(service.peak_memory() < 512 << 20, "it took {} bytes", service.peak_memory());
}

async fn all_messages(client: &mailagent_client::Clients) -> Vec<Message> {
    let (mut messages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMessagesRequest {
            page_size: 500,
            page_token,
            ..ListMessagesRequest::default()
        };
        let page = client
            .clone()
            .archive
            .list_messages(request)
            .await
            .expect("the list is answered")
            .into_inner();
        messages.extend(page.messages);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return messages;
        }
    }
}

/// Runs a command to its end, which must be a good one.
fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
}
