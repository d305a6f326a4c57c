//! The table that is printed at the end.

use super::process::Cost;

/// Collects what was measured and what was to be reached.
#[derive(Default)]
pub struct Report {
    figures: Vec<[String; 5]>,
    targets: Vec<[String; 4]>,
}

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    /// Notes how fast something was: `count` pieces at this cost. A cost of 0 was not measured.
    pub fn figure(&mut self, what: &str, count: u64, cost: Cost) {
        let shown = |value: f64, digits: usize| if value > 0.0 { format!("{value:.digits$}") } else { "-".to_owned() };
        let row = [
            what.to_owned(),
            shown(count as f64 / cost.wall.max(1e-9), 0),
            shown(cost.wall, 2),
            shown(cost.cpu, 2),
            shown(mebibytes(cost.peak), 0),
        ];
        eprintln!("{}: {} per second, {} s, {} CPU s, {} MiB", row[0], row[1], row[2], row[3], row[4]);
        self.figures.push(row);
    }

    /// Notes what was to be reached, and what was.
    pub fn target(&mut self, what: &str, wanted: Wanted, seen: f64) {
        let (sign, limit, reached) = match wanted {
            Wanted::AtLeast(limit) => ("at least", limit, seen >= limit),
            Wanted::AtMost(limit) => ("at most", limit, seen <= limit),
        };
        let verdict = if reached { "reached" } else { "MISSED" };
        self.targets
            .push([what.to_owned(), format!("{sign} {limit}"), format!("{seen:.2}"), verdict.to_owned()]);
    }

    /// Prints everything.
    pub fn print(&self) {
        println!("\n{:<58} {:>10} {:>8} {:>8} {:>9}", "", "per second", "wall s", "CPU s", "peak MiB");
        for [what, rate, wall, cpu, peak] in &self.figures {
            println!("{what:<58} {rate:>10} {wall:>8} {cpu:>8} {peak:>9}");
        }
        println!("\n{:<58} {:>14} {:>8}", "", "wanted", "seen");
        for [what, wanted, seen, verdict] in &self.targets {
            println!("{what:<58} {wanted:>14} {seen:>8}  {verdict}");
        }
    }
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
