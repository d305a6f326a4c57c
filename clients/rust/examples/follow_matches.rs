//! Prints each message that became a note on a case, from the oldest kept on, through restarts of the service.
//!
//! ```text
//! MAILAGENT_TOKEN=$(mailagent token --tenant demo --user anna --scope sweep.read) \
//!     cargo run -p mailagent-client --example follow_matches -- http://127.0.0.1:50051
//! ```

use std::{env, error::Error};

use mailagent_client::{EARLIEST, connect, v1::WatchMatchesRequest};
use tokio_stream::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let token = env::var("MAILAGENT_TOKEN").map_err(|_| "set MAILAGENT_TOKEN to what `mailagent token` prints")?;
    let clients = connect(&url, &token).await?;

    let mut matches = clients.watch_matches(WatchMatchesRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    });
    while let Some(delivery) = matches.next().await {
        let delivery = delivery?;
        // A program with a database stores `delivery.cursor` with what it did about the event, and starts from there next time.
        if let Some(note) = delivery.event.and_then(|event| event.note) {
            println!("{}  {}  {}", note.case_reference, note.name, note.subject);
        }
    }
    Ok(())
}
