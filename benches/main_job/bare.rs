//! What the parts underneath can do without the product: SQLite, SeaORM and tonic alone.

use std::{path::Path, time::Instant};

use anyhow::Context;
use bytes::Bytes;
use futures::{StreamExt, future, stream, stream::BoxStream};
use mailagent::testing::{api::v1, blobs, mailfile, mime};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement, TransactionTrait, Value,
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    server::{Grpc, ServerStreamingService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use crate::{TENANT, process::cpu_seconds};

/// Messages of a transaction.
const BATCH: usize = 100;
/// Rows of a page.
const PAGE: u64 = 500;
/// Messages of the bare stream.
pub const TONIC_MESSAGES: usize = 400_000;

/// Stores packed messages and their words in SQLite, and prints the wall and processor seconds of that. Reading, parsing and packing
/// come before and do not count.
pub async fn sqlite(messages: &Path, database: &Path) -> anyhow::Result<()> {
    let mut rows: Vec<[Value; 2]> = Vec::new();
    let mut words: Vec<[Value; 4]> = Vec::new();
    for message in mailfile::open(&[messages.to_owned()])? {
        let raw = message?.raw;
        let packed = blobs::pack(&raw);
        rows.push([packed.hash.to_vec().into(), packed.data.to_vec().into()]);
        let parsed = mime::parse(&raw).unwrap_or_default();
        let search = parsed.search;
        words.push([
            parsed.subject.into(),
            search.participants.into(),
            search.body.into(),
            search.attachment_names.into(),
        ]);
    }
    let connection = open(database, true).await?;
    connection
        .execute_unprepared(
            "CREATE TABLE blob (hash BLOB PRIMARY KEY, data BLOB NOT NULL);\
             CREATE VIRTUAL TABLE words USING fts5(subject, participants, body, names, content='', \
             contentless_delete=1, tokenize='unicode61 remove_diacritics 2')",
        )
        .await?;
    let (began, cpu) = (Instant::now(), cpu_seconds(std::process::id())?);
    for (rows, words) in rows.chunks(BATCH).zip(words.chunks(BATCH)) {
        let transaction = connection.begin().await?;
        for (start, values, one) in [
            ("INSERT OR IGNORE INTO blob (hash, data) VALUES ", rows.concat(), "(?, ?)"),
            (
                "INSERT INTO words (subject, participants, body, names) VALUES ",
                words.concat(),
                "(?, ?, ?, ?)",
            ),
        ] {
            let sql = start.to_owned() + &vec![one; rows.len()].join(", ");
            let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
            transaction.execute_raw(statement).await?;
        }
        transaction.commit().await?;
    }
    let wall = began.elapsed().as_secs_f64();
    println!("{wall} {}", cpu_seconds(std::process::id())? - cpu);
    Ok(())
}

/// Opens SQLite as the product does: what is committed is durable.
async fn open(database: &Path, create: bool) -> anyhow::Result<DatabaseConnection> {
    let mode = if create { "rwc" } else { "ro" };
    let mut options = ConnectOptions::new(format!("sqlite:{}?mode={mode}", database.display()));
    options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |options| {
        if create {
            options.pragma("journal_mode", "WAL").pragma("synchronous", "FULL")
        } else {
            options
        }
    });
    Ok(Database::connect(options).await?)
}

/// The product's table of messages.
mod message {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "message")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub number: i64,
        pub tenant_id: String,
        pub id: String,
        pub identity: Vec<u8>,
        pub position: i64,
        pub message_id: String,
        pub direction: String,
        pub subject: String,
        pub from_name: String,
        pub from_address: Option<String>,
        pub recipients: String,
        pub preview: String,
        pub links: String,
        pub agents: String,
        pub sent: i64,
        pub received: i64,
        pub archived: i64,
        pub size: i64,
        pub stored_size: i64,
        pub blob_hash: Vec<u8>,
        pub attachment_count: i32,
        pub automatic: Option<String>,
        pub unlinked: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Reads the product's messages as they are, page after page.
pub struct BareRead(DatabaseConnection);

impl BareRead {
    /// Opens the product's database.
    pub async fn open(database: &Path) -> anyhow::Result<Self> {
        Ok(Self(open(database, false).await?))
    }

    /// Reads all rows and returns how many there are.
    pub async fn all(&self) -> anyhow::Result<u64> {
        let (mut after, mut count) = (0, 0);
        loop {
            let rows = message::Entity::find()
                .filter(message::Column::TenantId.eq(TENANT))
                .filter(message::Column::Position.gt(after))
                .order_by_asc(message::Column::Position)
                .limit(PAGE)
                .all(&self.0)
                .await?;
            let Some(last) = rows.last() else { return Ok(count) };
            after = last.position;
            count += rows.len() as u64;
        }
    }
}

#[derive(Clone)]
struct Ready;

impl ServerStreamingService<v1::DownloadMessageRequest> for Ready {
    type Response = v1::DownloadMessageResponse;
    type ResponseStream = BoxStream<'static, Result<Self::Response, Status>>;
    type Future = future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<v1::DownloadMessageRequest>) -> Self::Future {
        let ready = v1::DownloadMessageResponse {
            data: Bytes::from(vec![b'm'; 4096]),
            ..v1::DownloadMessageResponse::default()
        };
        let answers = stream::repeat_with(move || Ok(ready.clone())).take(TONIC_MESSAGES);
        future::ok(Response::new(answers.boxed()))
    }
}

/// Streams ready messages of 4 KiB to whoever calls, and prints its address.
pub async fn tonic() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
    println!("http://{}", listener.local_addr()?);
    let answer = |request: axum::extract::Request| async {
        Grpc::new(ProstCodec::<v1::DownloadMessageResponse, v1::DownloadMessageRequest>::default())
            .server_streaming(Ready, request.map(tonic::body::Body::new))
            .await
    };
    let routes = Routes::from(axum::Router::new().fallback(answer));
    Server::builder()
        .add_routes(routes)
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}
