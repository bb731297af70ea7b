//! How busy the machine is with other work, from the first line of `/proc/stat` (proc(5)).
//!
//! Whatever else runs takes cores and caches from both sides of every comparison, but not evenly: a
//! reader has to know.

use std::fs;
use std::time::Duration;

/// Long enough against the kernel's ticks of 10 ms.
const SPAN: Duration = Duration::from_secs(1);

/// The part of all cores' time, 0 to 1, that is spent on something while this process waits; `None`
/// where the kernel does not say.
pub(crate) async fn busy_part() -> Option<f64> {
    let before = read()?;
    tokio::time::sleep(SPAN).await;
    let after = read()?;
    let (busy, all) =
        (after.busy.saturating_sub(before.busy), after.all.saturating_sub(before.all));
    super::per(super::as_f64(busy), super::as_f64(all))
}

/// Ticks of all cores since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

fn read() -> Option<Ticks> {
    parse(&fs::read_to_string("/proc/stat").ok()?)
}

/// user nice system idle iowait irq softirq steal; what guests use is in user already.
fn parse(stat: &str) -> Option<Ticks> {
    let numbers = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let numbers = numbers.map(|text| text.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let all = numbers.iter().sum();
    let idle = numbers.get(3)? + numbers.get(4)?;
    Some(Ticks { busy: all - idle, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_disks_are_not_busy() {
        let stat = "cpu  10 2 3 100 20 1 4 5 7 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(parse(stat), Some(Ticks { busy: 25, all: 145 }));
        for broken in ["", "cpu0 1 2 3 4 5", "cpu  1 2 3", "cpu  1 2 x 4 5 6 7 8"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_machine_says_how_busy_it_is() {
        assert!(read().is_some_and(|ticks| ticks.all > ticks.busy));
    }
}
