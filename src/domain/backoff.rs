//! Back-off after failures.

use std::time::Duration;

/// Delays that grow with each consecutive failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest one.
    pub longest: Duration,
}

impl Backoff {
    /// The delay after this many failures: doubled each time up to the longest, with up to a quarter more, so that those that failed together
    /// do not retry together.
    pub fn after(self, failures: u32) -> Duration {
        Self::spread(self.bare(failures))
    }

    /// A delay requested by somebody else, limited to the longest, with the same addition.
    pub fn asked(self, rest: Duration) -> Duration {
        Self::spread(rest.min(self.longest))
    }

    fn bare(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    fn spread(rest: Duration) -> Duration {
        rest.mul_f64(1.0 + fastrand::f64() / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_mins(1),
        };
        for (failures, seconds) in [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (40, 60), (u32::MAX, 60)] {
            assert_eq!(backoff.bare(failures), Duration::from_secs(seconds), "{failures}");
            for _ in 0..100 {
                let rest = backoff.after(failures).as_secs_f64();
                assert!((seconds as f64..=seconds as f64 * 1.25).contains(&rest), "{failures}: {rest}");
            }
        }
        let asked = |seconds| backoff.asked(Duration::from_secs(seconds)).as_secs_f64();
        assert!((30.0..=37.5).contains(&asked(30)) && (60.0..=75.0).contains(&asked(3600)));
    }
}
