//! Who read which message: in the audit log, for as long as the tenant says.

use std::time::Duration;

use mailagent::testing::domain::{Clock, Scope};
use mailagent_client::{
    Clients,
    v1::{
        AuditAction, AuditEntry, AuditFilter, AuditKind, DownloadAttachmentRequest, DownloadMessageRequest, DownloadNoteMessageRequest,
        GetMessageRequest, GetNoteRequest, ListAuditEntriesRequest, ListMessagesRequest, MessageView, TenantSettings,
    },
};
use sea_orm::{ConnectionTrait, Statement};
use tonic::Code;

use crate::harness::{Harness, Mail, PATIENCE, TENANT, download, eventually, on_both_engines};

const ANNA: &str = "anna@example.com";
const DAY: Duration = Duration::from_hours(24);

async fn audit(client: &Clients, filter: AuditFilter, page_size: i32) -> Vec<AuditEntry> {
    let mut entries = Vec::new();
    let mut request = ListAuditEntriesRequest {
        page_size,
        page_token: String::new(),
        filter: Some(filter),
    };
    loop {
        let mut client = client.clone();
        let page = client
            .settings
            .list_audit_entries(request.clone())
            .await
            .expect("it may")
            .into_inner();
        entries.extend(page.audit_entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return entries;
        }
    }
}

fn of(kind: AuditKind) -> AuditFilter {
    AuditFilter {
        kind: kind.into(),
        ..AuditFilter::default()
    }
}

async fn reads(client: &Clients, count: usize) -> Vec<AuditEntry> {
    eventually(PATIENCE, "the reads are written down", async || {
        let entries = audit(client, of(AuditKind::Read), 0).await;
        if entries.len() == count { Ok(entries) } else { Err(entries.len()) }
    })
    .await
}

/// Delivers a message with an attachment that becomes a note and is archived. Returns the names of both.
async fn note(h: &Harness, client: &Clients) -> (String, String) {
    h.agent_with(client, ANNA, |exchange| {
        exchange.sweep_options.get_or_insert_default().keep_full_message = true;
    })
    .await;
    let attached =
        "--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n1\r\n--b--\r\n";
    let mail = Mail::new("eva@oak.example", "CS-0000001")
        .header("Content-Type", "multipart/mixed; boundary=b")
        .body(attached);
    h.sweep_one(client, &mail).await;
    let note = h.notes(client).await.remove(0);
    let mut archive = client.archive.clone();
    let messages = archive
        .list_messages(ListMessagesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .messages;
    (messages[0].name.clone(), note.name)
}

async fn read_message(client: &Clients, name: &str, view: MessageView) {
    let request = GetMessageRequest {
        name: name.to_owned(),
        view: view.into(),
    };
    client.clone().archive.get_message(request).await.expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_a_text_is_in_the_audit_log() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (message, note) = note(h, &client).await;
        let changes = audit(&client, AuditFilter::default(), 0).await;
        assert!(!changes.is_empty());

        let bert = h.client_as(TENANT, "bert", Scope::ALL).await;
        read_message(&bert, &message, MessageView::Basic).await;
        read_message(&bert, &message, MessageView::Full).await;
        let (mut archive, mut sweep) = (bert.archive.clone(), bert.sweep.clone());
        let (name, offset_bytes) = (message.clone(), 0);
        let pieces = archive
            .download_message(DownloadMessageRequest { name, offset_bytes })
            .await
            .unwrap();
        download(pieces.into_inner(), 0).await;
        let request = DownloadAttachmentRequest {
            name: message.clone(),
            index: 0,
            offset_bytes: 0,
        };
        download(archive.download_attachment(request).await.unwrap().into_inner(), 0).await;
        sweep.get_note(GetNoteRequest { name: note.clone() }).await.unwrap();
        let name = note.clone();
        let pieces = sweep
            .download_note_message(DownloadNoteMessageRequest { name, offset_bytes })
            .await
            .unwrap();
        download(pieces.into_inner(), 0).await;
        let request = GetMessageRequest {
            name: "messages/01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            view: MessageView::Full.into(),
        };
        assert_eq!(archive.get_message(request).await.unwrap_err().code(), Code::NotFound);

        let entries = reads(&client, 5).await;
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (entry.method.as_str(), entry.resource.as_str()))
            .collect();
        let expected = [
            ("DownloadNoteMessage", note.as_str()),
            ("GetNote", &note),
            ("DownloadAttachment", &message),
            ("DownloadMessage", &message),
            ("GetMessage", &message),
        ];
        assert_eq!(seen, expected);
        for entry in &entries {
            let time = entry.create_time.unwrap().seconds;
            assert_eq!(
                (entry.user.as_str(), entry.action(), time, entry.changes.len()),
                ("users/bert", AuditAction::Read, h.clock.now().seconds(), 0)
            );
        }
        assert_eq!(audit(&client, of(AuditKind::Change), 0).await, changes, "changes are not drowned");
        let both = [entries.clone(), changes].concat();
        for page_size in [0, 1, 3] {
            assert_eq!(audit(&client, AuditFilter::default(), page_size).await, both);
        }
        let of_message = AuditFilter {
            resource: message.clone(),
            user: "users/bert".to_owned(),
            ..AuditFilter::default()
        };
        assert_eq!(audit(&client, of_message, 2).await, entries[2..]);
        // Who may not see changes of one field may see reads all the same.
        let admin = h.client_as(TENANT, "root", &[Scope::TenantAdmin]).await;
        assert_eq!(audit(&admin, of(AuditKind::Read), 0).await, entries);
        let unknown = ListAuditEntriesRequest {
            filter: Some(AuditFilter {
                kind: 7,
                ..AuditFilter::default()
            }),
            ..ListAuditEntriesRequest::default()
        };
        assert_eq!(
            client.clone().settings.list_audit_entries(unknown).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_outlive_a_stop_and_end_after_their_time() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (message, _) = note(h, &client).await;
        read_message(&client, &message, MessageView::Full).await;
        h.restart().await;
        let client = h.client().await;
        assert_eq!(
            audit(&client, of(AuditKind::Read), 0).await.len(),
            1,
            "a stop writes down what is left"
        );

        let prune = async || h.ops().store.prune_reads(h.ops().now()).await.expect("the database answers");
        h.clock.advance(364 * DAY);
        assert_eq!(prune().await, 0);
        let client = h.client().await;
        let settings = TenantSettings {
            read_audit_retention_days: Some(400),
            ..TenantSettings::default()
        };
        let settings = h.change_settings(&client, settings).await;
        assert_eq!(settings.read_audit_retention_days, Some(400));
        h.clock.advance(35 * DAY);
        assert_eq!(prune().await, 0);
        h.clock.advance(2 * DAY);
        let client = h.client().await;
        let changes = audit(&client, of(AuditKind::Change), 0).await;
        assert_eq!(prune().await, 1);
        assert_eq!(audit(&client, AuditFilter::default(), 0).await, changes, "changes are kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_agent_leaves_is_dropped_in_stretches() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let id = agent.name.trim_start_matches("agents/");
        let database = h.database().await;
        let key = match h.engine {
            crate::harness::Engine::Sqlite => "CAST('key ' || i AS BLOB)",
            crate::harness::Engine::Postgres => "CONVERT_TO('key ' || i, 'UTF8')",
        };
        let rows = format!(
            "INSERT INTO mailbox_item (tenant_id, agent_id, folder, source_key, message_number) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) \
             SELECT '{TENANT}', '{id}', CASE WHEN i <= 700 THEN 'one' ELSE 'two' END, {key}, CASE WHEN i % 2 = 0 THEN i END FROM n"
        );
        database.execute_unprepared(&rows).await.unwrap();
        let request = mailagent_client::v1::DeleteAgentRequest {
            name: agent.name.clone(),
            ..Default::default()
        };
        client.clone().agents.delete_agent(request).await.unwrap();
        let count = async |condition: &str| {
            let sql = format!("SELECT COUNT(*) AS number FROM mailbox_item WHERE agent_id = '{id}' AND {condition}");
            let row = database
                .query_one_raw(Statement::from_string(database.get_database_backend(), sql))
                .await
                .unwrap();
            row.unwrap().try_get::<i64>("", "number").unwrap()
        };
        assert_eq!(count("message_number IS NULL").await, 650, "the call itself drops none");
        assert_eq!(h.ops().store.drop_leftovers().await.unwrap(), 650);
        assert_eq!(count("message_number IS NULL").await, 0);
        assert_eq!(count("message_number IS NOT NULL").await, 650, "they say where archived mail was");
        assert_eq!(h.ops().store.drop_leftovers().await.unwrap(), 0);
    })
    .await;
}
