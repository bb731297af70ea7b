//! How often who may log in.

use moneyer_testkit::ForeignIssuer;

use super::{FOREIGN, svid, world_in};
use crate::world::problem;

#[tokio::test]
async fn a_workload_and_its_trust_domain_have_a_share_each() {
    let foreign = ForeignIssuer::new(FOREIGN, "one");
    let directory = tempfile::tempdir().unwrap();
    let keys = ForeignIssuer::key_set(&[&foreign]);
    std::fs::write(directory.path().join("other.jwks"), keys).unwrap();
    let text = "[[login.trust_domain]]\nname = 'other.example'\njwks_file = '@DIR@/other.jwks'\n";
    let limits = [
        ("LIMITS__WORKLOAD_LOGINS_PER_SECOND", "1"),
        ("LIMITS__TRUST_DOMAIN_LOGINS_PER_SECOND", "2"),
    ];
    let world = world_in(directory, text, &limits).await;
    world.let_in(&[]).await;
    // Twice a second's worth may come at once; signatures take time, in which a share grows again.
    let mut refused = Vec::new();
    for _ in 0..20 {
        let answer = world.log_in(&svid(&foreign, "/greedy")).await;
        if answer.status != 200 {
            refused.push(answer);
        }
    }
    assert!(refused.len() >= 10, "{}", refused.len());
    let text = problem(refused.last().unwrap(), 429);
    assert_eq!(text, "too many log-ins; try again later");
    let mut let_in = 0;
    for at in 0..40 {
        let answer = world.log_in(&svid(&foreign, &format!("/{at}"))).await;
        let_in += usize::from(answer.status == 200);
    }
    assert!((1..30).contains(&let_in), "{let_in}");
}
