//! The runners as the page shows them: those that need somebody first.

use moneyer_authority::Authority;
use moneyer_authority::enrollment::MemberKind;
use moneyer_identity::UnixTime;
use serde::Serialize;

/// Most runners that are listed: as many rows as a person looks through. All of them are counted.
const MAXIMUM_LISTED_RUNNERS: usize = 100;

/// Every runner, counted, and the first of them.
#[derive(Debug, Serialize)]
pub(super) struct RunnersStatus {
    /// How many have joined.
    pub(super) joined: usize,
    /// How many follow their sandboxes at this moment.
    pub(super) connected: usize,
    /// Those whose certificate has ended or ends soon, then those that are not connected, then the rest
    /// by name; a hundred at most.
    pub(super) listed: Vec<RunnerStatus>,
}

/// A runner, as `moneyer runner list` has it, and whether it is there.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RunnerStatus {
    pub(super) name: String,
    /// How many sandboxes are placed on it.
    pub(super) sandboxes: usize,
    pub(super) joined_at: UnixTime,
    pub(super) certificate_ends_at: UnixTime,
    pub(super) certificate: Certificate,
    /// Whether it follows its sandboxes at this moment.
    pub(super) connected: bool,
}

/// How it stands with a runner's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Certificate {
    /// It is over: only another join token helps.
    Ended,
    /// A fifth of its life is left, and it was not renewed: the runner says `degraded` itself.
    EndsSoon,
    /// It is renewed in time.
    Good,
}

/// Every runner.
pub(super) fn runners(authority: &Authority, now: UnixTime) -> RunnersStatus {
    let registry = authority.registry();
    let life = authority.enrollment().authority().lifetimes().member();
    let members = registry.list_members();
    let of_kind = members.iter().filter(|(member, _)| member.kind == MemberKind::Runner);
    let all = of_kind.map(|(member, sandboxes)| RunnerStatus {
        name: member.name.clone(),
        sandboxes: *sandboxes,
        joined_at: member.joined_at,
        certificate_ends_at: member.certificate_ends_at,
        certificate: match member.certificate_ends_at.since(now) {
            left if left.is_zero() => Certificate::Ended,
            left if left <= life / 5 => Certificate::EndsSoon,
            _ => Certificate::Good,
        },
        connected: registry.is_followed(&member.name),
    });
    RunnersStatus::of(all.collect())
}

impl RunnersStatus {
    fn of(mut all: Vec<RunnerStatus>) -> Self {
        let (joined, connected) = (all.len(), all.iter().filter(|one| one.connected).count());
        all.sort_by(|a, b| {
            (a.certificate, a.connected, &a.name).cmp(&(b.certificate, b.connected, &b.name))
        });
        all.truncate(MAXIMUM_LISTED_RUNNERS);
        Self { joined, connected, listed: all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_listed_those_that_need_somebody_first() {
        let runner = |name: String, certificate, connected| RunnerStatus {
            name,
            sandboxes: 0,
            joined_at: UnixTime(0),
            certificate_ends_at: UnixTime(0),
            certificate,
            connected,
        };
        let good = |number| runner(format!("good-{number:03}"), Certificate::Good, true);
        let mut all: Vec<_> = (0..MAXIMUM_LISTED_RUNNERS).map(good).collect();
        assert_eq!(RunnersStatus::of(all.clone()).listed.len(), MAXIMUM_LISTED_RUNNERS);
        all.push(runner("away".to_owned(), Certificate::Good, false));
        all.push(runner("ended".to_owned(), Certificate::Ended, false));
        all.push(runner("soon".to_owned(), Certificate::EndsSoon, true));
        let status = RunnersStatus::of(all);
        assert_eq!((status.joined, status.connected), (103, 101));
        let names: Vec<_> = status.listed.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[..4], ["ended", "soon", "away", "good-000"]);
        assert_eq!(names.len(), MAXIMUM_LISTED_RUNNERS);
    }
}
