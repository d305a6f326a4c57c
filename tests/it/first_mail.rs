//! The shortest way through the whole service.

use mailagent_client::v1::OutcomeResult;

use crate::harness::{Mail, on_both_engines};

#[tokio::test(flavor = "multi_thread")]
async fn mail_about_a_case_becomes_a_note() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, "anna@example.com").await;
        let mail = Mail::new("Eva Oak <eva@oak.example>", "Re: [CS-0000001] pump").body("It leaks again.\r\n");
        let (result, outcome) = h.sweep_one(&client, &mail).await;
        assert_eq!(result, OutcomeResult::Matched, "{outcome:?}");
        let notes = h.notes(&client).await;
        assert_eq!(notes.len(), 1);
        assert_eq!(
            (notes[0].case.as_str(), notes[0].contact.as_str()),
            ("cases/case-oak", "contacts/eva")
        );
        assert_eq!(
            (notes[0].agent.as_str(), notes[0].text.trim()),
            (agent.name.as_str(), "It leaks again.")
        );
        h.handled(&client, &agent.name, 1).await;
    })
    .await;
}
