//! When imported messages were sent.

use mailagent::testing::{
    domain::Timestamp,
    ops::import::{self, ImportedMessage},
};
use mailagent_client::v1::{ListMessagesRequest, Message};

use crate::harness::{Harness, TENANT};

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_of_the_time_of_its_import() {
    let h = Harness::new().await;
    let client = h.client().await;
    let file = Timestamp::from_seconds(1_600_000_000);
    let to_come = Timestamp::from_seconds(4_000_000_000);
    let messages = [
        ("date", "Date: Fri, 03 Jan 2020 10:00:00 +0000\r\n", Some(file)),
        ("received", "Received: by x; Sat, 04 Jan 2020 10:00:00 +0000\r\n", Some(file)),
        ("date broken", "Date: yesterday\r\n", Some(file)),
        ("none", "", Some(file)),
        ("none, to come", "", Some(to_come)),
        ("none, no file", "", None),
    ];
    let messages = messages.map(|(subject, fields, time)| ImportedMessage {
        origin: subject.to_owned(),
        raw: format!("From: eva@oak.example\r\nSubject: {subject}\r\n{fields}\r\nx\r\n").into_bytes(),
        time,
    });
    let prepared = import::prepare(h.ops(), &TENANT.into(), messages.to_vec()).await.unwrap();
    import::store(h.ops(), &TENANT.into(), prepared).await.unwrap();
    let request = ListMessagesRequest {
        page_size: 10,
        ..ListMessagesRequest::default()
    };
    let archived = client.clone().archive.list_messages(request).await.unwrap().into_inner().messages;
    let time = |message: &Message| {
        assert_eq!(message.sent_time, message.received_time);
        message.sent_time.unwrap().seconds
    };
    let mut times: Vec<(&str, i64)> = archived.iter().map(|message| (message.subject.as_str(), time(message))).collect();
    times.sort_unstable();
    let expected = [
        ("date", 1_578_045_600),
        ("date broken", 1_600_000_000),
        ("none", 1_600_000_000),
        ("none, no file", 0),
        ("none, to come", 0),
        ("received", 1_578_132_000),
    ];
    assert_eq!(times, expected);
}
