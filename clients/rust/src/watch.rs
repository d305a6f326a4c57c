//! Streams that resume after a broken connection, from the last cursor.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use async_stream::stream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::connect::Auth;

/// A cursor that asks for everything that is kept.
pub const EARLIEST: &str = "EARLIEST";

/// A cursor that asks for only what comes from now on. Watches other than of messages take an empty one for it.
pub const LATEST: &str = "LATEST";

/// A bookmark comes at least every 15 seconds; after four missing ones the far end is taken for dead.
const SILENCE: Duration = Duration::from_mins(1);

/// A stream that never ends on its own: when the service stops (UNAVAILABLE) or the connection breaks, it waits, calls again with the
/// last cursor and continues. When its token has expired (UNAUTHENTICATED), it continues with a fresh one, if there is one, see
/// [`Auth::from_source`]. Any other error is yielded, and ends it, also when the fresh token is rejected too.
///
/// Every event comes at least once, in order, none is skipped. An event may come again after a break, so drop repeats by its id, or
/// store the cursor together with what was done about the event. Dropping the stream ends the call.
pub type Watch<T> = Pin<Box<dyn Stream<Item = Result<Delivery<T>, Status>> + Send>>;

/// A response of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery<T> {
    /// The position after this delivery: a later watch that starts here misses nothing. Never empty.
    pub cursor: String,
    /// What happened. `None` is a bookmark: everything up to `cursor` has been delivered.
    pub event: Option<T>,
}

/// How a watch waits before it calls again. Each wait is a random part of a limit that doubles with every failure in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Limit of the first wait.
    pub first: Duration,
    /// Limit of all waits, unless the service asks for a longer one (RetryInfo).
    pub max: Duration,
    /// Failures in a row, without any response between them, after which the error is yielded. `None`: never.
    pub give_up_after: Option<u32>,
}

impl Default for Backoff {
    /// From half a second to half a minute, without end.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(30),
            give_up_after: None,
        }
    }
}

impl Backoff {
    /// How long to wait after the given number of failures in a row, at least 1.
    fn delay(&self, failures: u32, error: &Status) -> Duration {
        let limit = self
            .first
            .saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX))
            .min(self.max);
        // Random, so that the clients of a service that restarts do not all come back at once.
        let wait = limit.mul_f64(fastrand::f64());
        match error.get_details_retry_info().and_then(|info| info.retry_delay) {
            Some(asked) => asked.saturating_add(wait),
            None => wait,
        }
    }
}

/// Follows the stream that `open` starts at a cursor, and starts it again where it broke.
pub(crate) fn resume<Open, Opening, Responses, Response, Event>(
    (backoff, auth): (Backoff, Auth),
    mut cursor: String,
    mut open: Open,
    deliver: impl Fn(Response) -> Delivery<Event> + Send + 'static,
) -> Watch<Event>
where
    Open: FnMut(String) -> Opening + Send + 'static,
    Opening: Future<Output = Result<Responses, Status>> + Send,
    Responses: Stream<Item = Result<Response, Status>> + Send + Unpin,
    Response: Send,
    Event: Send + 'static,
{
    Box::pin(stream! {
        let mut failures = 0;
        let mut renewed = false;
        loop {
            let token = auth.number();
            let error = match within(open(cursor.clone())).await {
                Err(error) => error,
                Ok(mut responses) => loop {
                    match within(async { responses.next().await.unwrap_or_else(|| Err(Status::unavailable("the stream ended"))) }).await {
                        Err(error) => break error,
                        Ok(response) => {
                            failures = 0;
                            renewed = false;
                            let delivery = deliver(response);
                            cursor.clone_from(&delivery.cursor);
                            yield Ok(delivery);
                        }
                    }
                },
            };
            if error.code() == Code::Unauthenticated && !renewed {
                match auth.renew_from(token).await {
                    Ok(true) => {
                        renewed = true;
                        continue;
                    }
                    Ok(false) => {}
                    Err(problem) => {
                        yield Err(Status::unauthenticated(problem.to_string()));
                        return;
                    }
                }
            }
            failures += 1;
            if !is_passing(&error) || backoff.give_up_after.is_some_and(|limit| failures >= limit) {
                yield Err(error);
                return;
            }
            tokio::time::sleep(backoff.delay(failures, &error)).await;
        }
    })
}

/// Waits for the far end, but not for ever.
async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(SILENCE, call)
        .await
        .unwrap_or_else(|_| Err(Status::unavailable("the service is silent")))
}

/// Whether the same call may succeed later on. A status that has a source was not sent by the service but made by the transport.
fn is_passing(error: &Status) -> bool {
    error.code() == Code::Unavailable || error.source().is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tonic_types::ErrorDetails;

    use super::*;

    type Script = Vec<Result<Vec<Result<u32, Status>>, Status>>;

    const QUICK: Backoff = Backoff {
        first: Duration::from_millis(2),
        max: Duration::from_millis(4),
        give_up_after: None,
    };

    fn broken() -> Status {
        Status::from_error(Box::new(std::io::Error::other("connection reset")))
    }

    /// Plays one entry of the script for each call; gives back what was delivered, and the cursors that were asked for.
    async fn play(backoff: Backoff, script: Script) -> (Vec<Result<u32, Code>>, Vec<String>) {
        play_as(Auth::new("token").unwrap(), backoff, script).await
    }

    async fn play_as(auth: Auth, backoff: Backoff, script: Script) -> (Vec<Result<u32, Code>>, Vec<String>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut script = script.into_iter();
        let log = Arc::clone(&asked);
        let watch = resume(
            (backoff, auth),
            EARLIEST.to_owned(),
            move |cursor| {
                log.lock().unwrap().push(cursor);
                let result = script.next().expect("no call beyond the script").map(tokio_stream::iter);
                async move { result }
            },
            |event: u32| Delivery {
                cursor: format!("after-{event}"),
                event: Some(event),
            },
        );
        let delivered = watch
            .map(|item| item.map(|delivery| delivery.event.unwrap()).map_err(|error| error.code()))
            .collect()
            .await;
        let asked = asked.lock().unwrap().clone();
        (delivered, asked)
    }

    #[tokio::test]
    async fn goes_on_after_the_last_cursor() {
        let script = vec![
            Err(Status::unavailable("starting")),
            Ok(vec![Ok(1), Ok(2), Err(Status::unavailable("stopping"))]),
            Ok(vec![Err(broken())]),
            Ok(vec![Ok(3)]),
            Err(Status::unauthenticated("expired")),
        ];
        let (delivered, asked) = play(QUICK, script).await;
        assert_eq!(delivered, [Ok(1), Ok(2), Ok(3), Err(Code::Unauthenticated)]);
        assert_eq!(asked, ["EARLIEST", "EARLIEST", "after-2", "after-2", "after-3"]);
    }

    #[tokio::test]
    async fn a_fresh_token_is_asked_for_once_when_the_last_one_is_refused() {
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let source = move || {
            *count.lock().unwrap() += 1;
            async { Ok::<_, std::io::Error>("token".to_owned()) }
        };
        let auth = Auth::from_source(source).await.unwrap();
        let refused = || Status::unauthenticated("expired");
        let script = vec![Ok(vec![Ok(1), Err(refused())]), Ok(vec![Ok(2), Err(refused())]), Err(refused())];
        let (delivered, cursors) = play_as(auth, QUICK, script).await;
        assert_eq!(delivered, [Ok(1), Ok(2), Err(Code::Unauthenticated)]);
        assert_eq!(cursors, ["EARLIEST", "after-1", "after-2"]);
        assert_eq!(*asked.lock().unwrap(), 3, "at first, and after each that was refused");
    }

    #[tokio::test]
    async fn a_token_that_was_set_meanwhile_is_taken() {
        let auth = Auth::new("old").unwrap();
        let number = auth.number();
        assert!(!auth.renew_from(number).await.unwrap());
        auth.set_token("new").unwrap();
        assert!(auth.renew_from(number).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_retry_cannot_mend_ends_it() {
        for code in [Code::OutOfRange, Code::InvalidArgument, Code::PermissionDenied, Code::Internal] {
            let (delivered, asked) = play(QUICK, vec![Ok(vec![Ok(7), Err(Status::new(code, "no"))])]).await;
            assert_eq!(delivered, [Ok(7), Err(code)]);
            assert_eq!(asked.len(), 1);
        }
    }

    #[tokio::test]
    async fn gives_up_after_failures_in_a_row_only() {
        let backoff = Backoff {
            give_up_after: Some(2),
            ..QUICK
        };
        let fail = || Err(Status::unavailable("away"));
        let (delivered, asked) = play(backoff, vec![fail(), Ok(vec![Ok(1)]), fail()]).await;
        assert_eq!(delivered, [Ok(1), Err(Code::Unavailable)]);
        assert_eq!(asked, ["EARLIEST", "EARLIEST", "after-1"]);
    }

    #[test]
    fn waits_double_up_to_a_limit_unless_the_service_asks_for_more() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(8),
            give_up_after: None,
        };
        let plain = Status::unavailable("away");
        for (failures, limit) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (40, 8), (u32::MAX, 8)] {
            for _ in 0..50 {
                assert!(backoff.delay(failures, &plain) <= Duration::from_secs(limit), "{failures} failures");
            }
        }
        let asked = Status::with_error_details(
            Code::Unavailable,
            "stopping",
            ErrorDetails::with_retry_info(Some(Duration::from_mins(1))),
        );
        let wait = backoff.delay(1, &asked);
        assert!(wait >= Duration::from_mins(1) && wait <= Duration::from_secs(61), "{wait:?}");
    }
}
