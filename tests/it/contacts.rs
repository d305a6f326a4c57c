//! Who becomes a contact, and who is one already.

use mailagent_client::v1::{AutomaticKind, OutcomeResult, SweepOptions, TenantSettings};

use crate::harness::{Harness, Mail, on_both_engines};

const ANNA: &str = "anna@example.com";

const OPTIONS: Option<SweepOptions> = Some(SweepOptions {
    create_non_matching_contacts: true,
    keep_full_message: false,
});

/// A list of strangers makes no contacts; a group of our own passes on what people write.
#[tokio::test(flavor = "multi_thread")]
async fn people_who_write_to_our_groups_become_contacts() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.change_settings(
        &client,
        TenantSettings {
            internal_domains: vec!["bücher.example".to_owned()],
            ..TenantSettings::default()
        },
    )
    .await;
    h.agent_with(&client, ANNA, |settings| settings.sweep_options = OPTIONS).await;
    for (index, (name, value, becomes)) in [
        ("List-Id", "Valves <valves.lists.elm.example>", false),
        ("List-Id", "Desk <desk.lists.example.com>", true),
        ("List-Id", "<desk.xn--bcher-kva.example>", true),
        ("List-Post", "<mailto:desk@example.com>", true),
        ("List-Post", "<mailto:desk@theirexample.com>", false),
        ("Precedence", "bulk", false),
    ]
    .into_iter()
    .enumerate()
    {
        let mail = Mail::new(&format!("person{index}@ash.example"), "CS-0000001").header(name, value);
        let (result, outcome) = h.sweep_one(&client, &mail).await;
        assert_eq!((result, outcome.automatic_kind()), (OutcomeResult::Matched, AutomaticKind::List));
        assert_eq!(!outcome.contact.is_empty(), becomes, "{name}: {value}: {outcome:#?}");
    }
}

/// One person is one contact, however their domain is written.
#[tokio::test(flavor = "multi_thread")]
async fn domains_in_unicode_and_in_the_form_of_dns_are_the_same() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent_with(&client, ANNA, |settings| settings.sweep_options = OPTIONS).await;
        let mut contacts = Vec::new();
        for from in [
            "ida@kühlwerk.example",
            "Ida@XN--KHLWERK-N2A.example",
            "ida@ku\u{308}hlwerk.example",
            "ida@kuhlwerk.example",
        ] {
            let (result, outcome) = h.sweep_one(&client, &Mail::new(from, "CS-0000001")).await;
            assert_eq!(result, OutcomeResult::Matched, "{outcome:#?}");
            contacts.push(outcome.contact);
        }
        assert!(!contacts[0].is_empty());
        assert_eq!(contacts[..3], [contacts[0].as_str(); 3]);
        assert_ne!(contacts[3], contacts[0]);
    })
    .await;
}
