//! What the calls of the services do, and what they reject.

#![expect(clippy::cast_possible_wrap, reason = "small counts")]

use mailagent_client::{Auth, Clients, v1};
use tonic::Code;
use tonic_types::StatusExt;

use super::{Harness, MAIL, agent, reason, violations};
use crate::domain::Scope;

#[tokio::test]
async fn a_message_becomes_a_note_and_is_streamed() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let agent = t.furnish(&mut clients).await;
    let exchange = agent.exchange.clone().unwrap();
    assert_eq!(
        (exchange.password.as_str(), exchange.password_set, exchange.archive),
        ("", true, Some(true))
    );

    let request = v1::SweepAgentRequest { name: agent.name.clone() };
    let mut progress = clients.sweep.sweep_agent(request).await.unwrap().into_inner();
    let mut last = None;
    while let Some(response) = progress.message().await.unwrap() {
        last = Some(response);
    }
    let expected = v1::SweepAgentResponse {
        handled_count: 1,
        matched_count: 1,
        archived_count: 1,
        done: true,
        problem: String::new(),
        folder_problems: Vec::new(),
    };
    assert_eq!(last, Some(expected));

    let request = v1::WatchMatchesRequest {
        cursor: "EARLIEST".to_owned(),
        filter: None,
    };
    let mut matches = clients.sweep.watch_matches(request).await.unwrap().into_inner();
    let bookmark = matches.message().await.unwrap().unwrap();
    assert_eq!(bookmark.r#match, None);
    let delivery = matches.message().await.unwrap().unwrap();
    let note = delivery.r#match.unwrap().note.unwrap();
    assert_eq!((note.case.as_str(), note.contact.as_str()), ("cases/7", "contacts/eva"));
    assert_eq!(note.text.trim(), "It hums.");

    let mut messages = clients
        .archive
        .stream_messages(v1::StreamMessagesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(messages.message().await.unwrap().unwrap().message, None);
    let message = messages.message().await.unwrap().unwrap().message.unwrap();
    assert_eq!(message.customers[0].customer, "customers/9");
    assert_eq!(message.agents, [agent.name]);

    // A cursor of one stream is not one of another.
    let request = v1::StreamMessagesRequest {
        cursor: delivery.cursor,
        filter: None,
    };
    let status = clients.archive.stream_messages(request).await.unwrap_err();
    assert_eq!(
        (status.code(), violations(&status)),
        (Code::InvalidArgument, vec!["cursor".to_owned()])
    );

    let request = v1::DownloadMessageRequest {
        name: message.name.clone(),
        offset_bytes: 6,
    };
    let mut download = clients.archive.download_message(request).await.unwrap().into_inner();
    let header = download.message().await.unwrap().unwrap().header.unwrap();
    assert_eq!((header.size_bytes, &header.sha256), (MAIL.len() as i64, &message.sha256));
    let mut bytes = Vec::new();
    while let Some(piece) = download.message().await.unwrap() {
        assert_eq!(piece.offset_bytes, 6 + bytes.len() as i64);
        bytes.extend(piece.data);
    }
    assert_eq!(bytes, &MAIL[6..]);

    let request = v1::GetMessageRequest {
        name: message.name,
        view: v1::MessageView::Full.into(),
    };
    let content = clients.archive.get_message(request).await.unwrap().into_inner().content.unwrap();
    assert_eq!(content.text.trim(), "It hums.");
}

#[tokio::test]
async fn a_sweep_that_cannot_be_done_says_why() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let agent = t.furnish(&mut clients).await;
    let mut update = async |agent: v1::Agent, path: &str| {
        let request = v1::UpdateAgentRequest {
            agent: Some(agent),
            update_mask: Some(prost_types::FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        clients.agents.update_agent(request).await.unwrap().into_inner()
    };
    let changed = v1::Agent {
        name: agent.name.clone(),
        disabled: true,
        ..v1::Agent::default()
    };
    let sweep = v1::SweepAgentRequest { name: agent.name.clone() };
    update(changed.clone(), "exchange.password").await;
    let mut progress = clients.sweep.sweep_agent(sweep.clone()).await.unwrap().into_inner();
    let last = progress.message().await.unwrap().unwrap();
    assert!(!last.done && last.problem.contains("No password is stored"), "{last:?}");
    assert_eq!(progress.message().await.unwrap(), None);
    update(changed, "disabled").await;
    let status = clients.sweep.sweep_agent(sweep).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "AGENT_NOT_ACTIVE")
    );
    assert_eq!(
        status.get_error_details().precondition_failure().unwrap().violations[0].subject,
        agent.name
    );
}

#[tokio::test]
async fn agents_are_changed_by_mask() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let created = t.furnish(&mut clients).await;
    let mut update = async |agent: v1::Agent, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateAgentRequest {
            agent: Some(v1::Agent {
                name: created.name.clone(),
                ..agent
            }),
            update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
        };
        clients.agents.update_agent(request).await.map(tonic::Response::into_inner)
    };

    // Writing back what was read changes nothing but the etag, whatever the mask.
    for paths in [&[][..], &["*"], &["exchange"]] {
        let same = update(
            v1::Agent {
                etag: String::new(),
                ..created.clone()
            },
            paths,
        )
        .await
        .unwrap();
        let expected = v1::Agent {
            etag: same.etag.clone(),
            update_time: same.update_time,
            ..created.clone()
        };
        assert_eq!(same, expected, "{paths:?}");
    }
    let paused = v1::Agent {
        disabled: true,
        ..v1::Agent::default()
    };
    let paused = update(paused, &["disabled"]).await.unwrap();
    assert_eq!(paused.health.unwrap().state, i32::from(v1::AgentHealthState::Disabled));
    assert_eq!(paused.from_name, "Support");
    let erased = update(v1::Agent::default(), &["exchange.password"]).await.unwrap();
    assert!(!erased.exchange.unwrap().password_set);

    let status = update(v1::Agent::default(), &["colour", "from_name", "kind"]).await.unwrap_err();
    assert_eq!(violations(&status), ["update_mask", "agent.kind", "agent.from_name"]);
    let stale = v1::Agent {
        etag: "AAAAAAAAAAAA".to_owned(),
        ..v1::Agent::default()
    };
    assert_eq!(reason(&update(stale, &["disabled"]).await.unwrap_err()), "ETAG_MISMATCH");
}

#[tokio::test]
async fn settings_are_changed_by_mask() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", &[Scope::TenantAdmin]).await;
    let mut update = async |settings: v1::TenantSettings, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
        };
        clients
            .settings
            .update_tenant_settings(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let changed = v1::TenantSettings {
        internal_domains: vec!["Ours.example".to_owned()],
        loop_limit_per_sender: Some(0),
        ..v1::TenantSettings::default()
    };
    let changed = update(changed, &[]).await.unwrap();
    assert_eq!(changed.internal_domains, ["ours.example"]);
    assert_eq!(
        (changed.loop_limit_per_sender_and_case, changed.loop_limit_per_sender),
        (Some(20), Some(0))
    );
    let reset = update(v1::TenantSettings::default(), &["loop_limit_per_sender"]).await.unwrap();
    assert_eq!((reset.loop_limit_per_sender, reset.internal_domains.len()), (Some(200), 1));
    let wrong = v1::TenantSettings {
        sender_check: 7,
        ..v1::TenantSettings::default()
    };
    let status = update(wrong, &["case_reference_format.prefix"]).await.unwrap_err();
    assert_eq!(violations(&status), ["update_mask", "tenant_settings.sender_check"]);
}

#[tokio::test]
async fn callers_see_what_they_may() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let created = t.furnish(&mut clients).await;
    let request = v1::GetAgentRequest {
        name: created.name.clone(),
    };

    let mut reader = t.clients("acme", &[Scope::AgentRead]).await;
    let seen = reader.agents.get_agent(request.clone()).await.unwrap().into_inner();
    assert_eq!(seen.exchange.unwrap().archive, None, "archive.configure is missing");
    let status = reader.sweep.list_notes(v1::ListNotesRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["scope"], "sweep.read");

    let mut anonymous = t.clients("other", Scope::ALL).await;
    let status = anonymous.agents.get_agent(request.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
    assert_eq!(status.get_error_details().resource_info().unwrap().resource_name, created.name);

    for token in ["", "secretsecret"] {
        let mut unknown = Clients::new(t.channel().await, Auth::new(token).unwrap());
        let status = unknown.agents.get_agent(request.clone()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
        assert!(!status.message().contains("secret"), "{}", status.message());
    }
    let mut again = agent();
    again.name = "agents/mine".to_owned();
    again.kind = 0;
    again.owner_user = "anna".to_owned();
    let request = v1::CreateAgentRequest {
        agent: Some(again),
        request_id: "r 2".to_owned(),
    };
    let status = clients.agents.create_agent(request).await.unwrap_err();
    assert_eq!(violations(&status), ["agent.name", "agent.kind", "request_id", "agent.owner_user"]);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let users = (0..5).map(|number| v1::User {
        name: format!("users/u{number}"),
        display_name: "Somebody".to_owned(),
        ..v1::User::default()
    });
    let request = v1::BatchUpsertUsersRequest { users: users.collect() };
    clients.directory.batch_upsert_users(request).await.unwrap();
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListUsersRequest { page_size: 2, page_token };
        let page = clients.directory.list_users(request).await.unwrap().into_inner();
        names.extend(page.users.into_iter().map(|user| user.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let foreign = v1::ListContactsRequest {
            page_token: page_token.clone(),
            ..v1::ListContactsRequest::default()
        };
        let status = clients.directory.list_contacts(foreign).await.unwrap_err();
        assert_eq!(
            (reason(&status).as_str(), violations(&status)),
            ("PAGE_TOKEN_INVALID", vec!["page_token".to_owned()])
        );
    }
    assert_eq!(names, ["users/u0", "users/u1", "users/u2", "users/u3", "users/u4"]);

    let users = ["u1", "users/", "customers/1"].map(|name| v1::User {
        name: name.to_owned(),
        display_name: "Somebody".to_owned(),
        ..v1::User::default()
    });
    let request = v1::BatchUpsertUsersRequest { users: users.to_vec() };
    let status = clients.directory.batch_upsert_users(request).await.unwrap_err();
    assert_eq!(violations(&status), ["users[0].name", "users[1].name", "users[2].name"]);
}
