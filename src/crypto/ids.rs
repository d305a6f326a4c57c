//! Ids of rows and resources.

use std::sync::{Arc, Mutex, PoisonError};

use ulid::Ulid;

use super::master;
use crate::domain::Clock;

/// Creates ULIDs: 26 characters that sort by creation time.
///
/// Those of one generator always increase, also within a millisecond and when the clock goes back. Those of different generators differ
/// by 80 random bits per millisecond. They can be guessed from one another, so they must not be used as secrets.
pub struct Ids {
    clock: Arc<dyn Clock>,
    // Held for some nanoseconds, never across an await.
    state: Mutex<State>,
}

struct State {
    last: Ulid,
    random: Random,
}

enum Random {
    System,
    #[cfg(test)]
    Seeded(fastrand::Rng),
}

impl Ids {
    /// A generator with the randomness of the system.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of(clock, Random::System)
    }

    /// A generator that yields the same ids for the same seed and times, for tests.
    #[cfg(test)]
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self::of(clock, Random::Seeded(fastrand::Rng::with_seed(seed)))
    }

    /// The next id, greater than all before.
    pub fn next(&self) -> String {
        let millis = self.clock.now().millis();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = if millis > state.last.timestamp_ms() {
            Ulid::from_parts(millis, state.random.next())
        } else {
            // If the random part overflows, this carries into the time: the order is kept.
            Ulid(state.last.0.wrapping_add(1))
        };
        state.last.to_string()
    }

    fn of(clock: Arc<dyn Clock>, random: Random) -> Self {
        Self {
            clock,
            state: Mutex::new(State { last: Ulid::nil(), random }),
        }
    }
}

impl Random {
    fn next(&mut self) -> u128 {
        match self {
            Self::System => u128::from_le_bytes(master::random()),
            #[cfg(test)]
            Self::Seeded(random) => random.u128(..),
        }
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::domain::Timestamp;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed) * 1_000)
        }
    }

    fn hand(millis: i64) -> Arc<Hand> {
        Arc::new(Hand(AtomicI64::new(millis)))
    }

    #[test]
    fn rise_whatever_the_clock_does() {
        let clock = hand(1_800_000_000_000);
        let ids = Ids::new(clock.clone());
        let mut made = Vec::new();
        for step in [0, 0, 1, -5_000, 0, 6_000, 0] {
            clock.0.fetch_add(step, Ordering::Relaxed);
            made.extend((0..1_000).map(|_| ids.next()));
        }
        assert!(made.iter().all(|id| id.len() == 26));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        let time = Ulid::from_string(&made[0]).unwrap().timestamp_ms();
        assert_eq!(time, 1_800_000_000_000);
    }

    #[test]
    fn are_the_same_for_the_same_seed_only() {
        let made = |seed| Ids::seeded(hand(5), seed).next();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert_ne!(Ids::new(hand(5)).next(), Ids::new(hand(5)).next());
    }

    #[test]
    fn threads_get_different_ones() {
        let ids = Ids::new(hand(5));
        let mut made: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..2_000).map(|_| ids.next()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 8_000);
    }
}
