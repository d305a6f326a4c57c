//! Turns: their rotation, their limits, and what becomes of them when nobody waits any longer.

use futures::FutureExt;

use super::*;
use crate::domain::{Kind, Reason};

fn processor(at_once: usize, bytes: u64) -> Processor {
    let limits = ProcessorLimits {
        at_once: NonZeroUsize::new(at_once).unwrap(),
        bytes,
        waiting: 3,
    };
    Processor::new(limits, Metrics::default())
}

fn caller(user: &str) -> Worker {
    Worker::Caller {
        tenant: "acme".into(),
        user: user.into(),
    }
}

type Asked = std::pin::Pin<Box<dyn Future<Output = Result<WorkPermit>> + Send>>;

/// Asks for a turn, which is in the queue then.
fn ask(processor: &Processor, user: &str, bytes: u64) -> Asked {
    let (processor, worker) = (processor.clone(), caller(user));
    let mut asked: Asked = Box::pin(async move { processor.turn(worker, bytes).await });
    match asked.as_mut().now_or_never() {
        Some(turn) => Box::pin(std::future::ready(turn)),
        None => asked,
    }
}

/// The turn, if it has come.
fn got(asked: &mut Asked) -> Option<WorkPermit> {
    asked.now_or_never().map(Result::unwrap)
}

#[test]
fn turns_go_round_and_not_by_time_of_asking() {
    let processor = processor(1, 100);
    let first = got(&mut ask(&processor, "anna", 1)).expect("nobody else is there");
    let mut annas: Vec<Asked> = (0..3).map(|_| ask(&processor, "anna", 1)).collect();
    let mut ben = ask(&processor, "ben", 1);
    assert!(got(&mut annas[0]).is_none() && got(&mut ben).is_none());
    drop(first);
    let second = got(&mut annas[0]).expect("she asked first");
    drop(second);
    let third = got(&mut ben).expect("it is his turn, although she has asked before him");
    assert!(got(&mut annas[1]).is_none());
    drop(third);
    assert!(got(&mut annas[1]).is_some());
}

#[test]
fn one_caller_leaves_a_turn_to_others() {
    let processor = processor(3, 100);
    let mut annas: Vec<Asked> = (0..3).map(|_| ask(&processor, "anna", 1)).collect();
    let turns: Vec<_> = annas.iter_mut().map(got).collect();
    assert_eq!(turns.iter().filter(|turn| turn.is_some()).count(), 2);
    assert!(got(&mut ask(&processor, "ben", 1)).is_some());
}

#[test]
fn memory_is_bounded_and_small_work_passes_by() {
    let processor = processor(5, 100);
    let large = got(&mut ask(&processor, "anna", 1_000)).expect("alone it is done whatever it needs");
    let mut second = ask(&processor, "anna", 50);
    assert!(got(&mut second).is_none());
    drop(large);
    let second = got(&mut second).expect("there is room");
    let mut large = ask(&processor, "anna", 60);
    assert!(got(&mut large).is_none());
    for _ in 0..PATIENCE {
        assert!(got(&mut ask(&processor, "ben", 10)).is_some());
    }
    let mut late = ask(&processor, "ben", 10);
    assert!(got(&mut late).is_none(), "the large one has waited long enough");
    drop(second);
    let _large = got(&mut large).expect("it is next");
    assert!(got(&mut late).is_some());
}

#[test]
fn queues_are_bounded_and_forget_who_left() {
    let processor = processor(1, 100);
    let first = got(&mut ask(&processor, "anna", 1)).unwrap();
    let mut waiting: Vec<Asked> = (0..3).map(|_| ask(&processor, "anna", 1)).collect();
    let error = ask(&processor, "anna", 1).now_or_never().unwrap().err().expect("too many wait");
    assert!(matches!(error.kind, Kind::Busy { .. }));
    assert_eq!(error.reason, Reason::TooManyCalls);
    let mut ben = ask(&processor, "ben", 1);
    waiting.pop();
    waiting.push(ask(&processor, "anna", 1));
    // A call that is given up while it waits leaves its place.
    waiting.clear();
    drop(first);
    let turn = got(&mut ben).expect("those before him are gone");
    drop(turn);
    let state = processor.state();
    assert!(
        state.workers.is_empty() && state.rotation.is_empty(),
        "who wants nothing is forgotten"
    );
    assert_eq!((state.running, state.bytes), (0, 0));
}

#[test]
fn a_turn_that_nobody_takes_is_passed_on() {
    let processor = processor(1, 100);
    let first = got(&mut ask(&processor, "anna", 1)).unwrap();
    let given = ask(&processor, "anna", 1);
    let mut next = ask(&processor, "anna", 1);
    drop(first);
    assert!(got(&mut next).is_none());
    drop(given);
    assert!(got(&mut next).is_some());
}

#[tokio::test]
async fn work_counts_until_it_ends_although_nobody_waits() {
    let processor = processor(1, 100);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let turn = processor.turn(caller("anna"), 7).await.unwrap();
    let call = tokio::spawn(turn.run(move || {
        begun.send(()).unwrap();
        wait.recv().unwrap();
    }));
    has_begun.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let mut ben = ask(&processor, "ben", 1);
    assert!(got(&mut ben).is_none());
    assert_eq!(processor.state().bytes, 7);
    go.send(()).unwrap();
    assert!(ben.await.is_ok());
}

#[tokio::test]
async fn a_panic_is_an_error_and_ends_the_turn() {
    let processor = processor(1, 100);
    let result = processor
        .run(caller("anna"), 1, || -> u8 { std::panic::resume_unwind(Box::new(())) })
        .await;
    assert_eq!(result.unwrap_err().kind, Kind::Internal);
    assert_eq!(processor.run(caller("anna"), 1, || 1).await.unwrap(), 1);
}
