//! What the cache keeps, evicts and forgets; the source's tests cover renewal over time.

use super::*;
use crate::fakes::{minted, sandbox};

fn request(id: &str, audiences: &[&str]) -> Fingerprint {
    Fingerprint::oidc(crate::fakes::request(id, audiences))
}

const LIMITS: CacheLimits =
    CacheLimits { per_sandbox: 3, total: 5, under_way: 4, jitter: Duration::from_secs(30) };

fn cache() -> Cache {
    let mut cache = Cache::new(LIMITS, |_| Duration::ZERO);
    for id in ["a", "b"] {
        let files = vec![(request(id, &[]), None)];
        cache.admit(&sandbox(id), files, Instant::now(), Duration::ZERO);
    }
    cache
}

/// Looks, and lands what has to be fetched.
fn fetch(cache: &mut Cache, id: &str, audience: &str) -> &'static str {
    let now = Instant::now();
    match cache.look(&request(id, &[audience]), now) {
        Look::Serve { .. } => "cached",
        Look::Wait { begun: Some(ticket), .. } => {
            let landing = cache.land(ticket, now, Ok(minted(audience, 3600)), now);
            assert!(matches!(landing, Landing::Leave), "{landing:?}");
            "fetched"
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_makes_room_within_its_own_sandbox() {
    let mut cache = cache();
    for audience in ["1", "2", "3"] {
        assert_eq!(fetch(&mut cache, "a", audience), "fetched");
    }
    assert_eq!(fetch(&mut cache, "a", "1"), "cached");
    assert_eq!(fetch(&mut cache, "b", "1"), "fetched");
    assert_eq!(fetch(&mut cache, "a", "4"), "fetched");
    assert_eq!(fetch(&mut cache, "a", "1"), "cached");
    assert_eq!(fetch(&mut cache, "b", "1"), "cached");
    assert_eq!(fetch(&mut cache, "a", "2"), "fetched", "2 was the oldest");
    assert_eq!(cache.asked, 4);
}

#[tokio::test(start_paused = true)]
async fn a_full_cache_never_costs_another_sandbox_its_tokens() {
    let mut cache = cache();
    for id in ["c", "d"] {
        cache.admit(&sandbox(id), vec![], Instant::now(), Duration::ZERO);
    }
    for (id, audience) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2")] {
        fetch(&mut cache, id, audience);
    }
    assert_eq!(fetch(&mut cache, "c", "1"), "fetched");
    assert_eq!(fetch(&mut cache, "c", "1"), "fetched", "served, but not kept");
    assert_eq!(fetch(&mut cache, "a", "1"), "cached");
    assert_eq!(cache.asked, 5);
    cache.retire(&sandbox("a"));
    assert_eq!(cache.asked, 2);
    assert_eq!(fetch(&mut cache, "c", "1"), "fetched");
    assert_eq!(fetch(&mut cache, "c", "1"), "cached");
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_bounded_for_each_sandbox() {
    let mut cache = cache();
    let now = Instant::now();
    let mut under_way = Vec::new();
    for audience in ["1", "2", "3", "4"] {
        under_way.push(cache.look(&request("a", &[audience]), now));
    }
    assert!(matches!(cache.look(&request("a", &["5"]), now), Look::Busy));
    let joined = cache.look(&request("a", &["1"]), now);
    assert!(matches!(joined, Look::Wait { begun: None, .. }), "{joined:?}");
    let other = cache.look(&request("b", &["1"]), now);
    assert!(matches!(other, Look::Wait { begun: Some(_), .. }), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn what_lands_after_its_sandbox_left_reaches_nobody() {
    let mut cache = cache();
    let now = Instant::now();
    let wanted = request("a", &["1"]);
    let Look::Wait { flight, begun: Some(ticket), .. } = cache.look(&wanted, now) else {
        panic!("nothing begun")
    };
    cache.retire(&sandbox("a"));
    assert!(matches!(cache.look(&wanted, now), Look::NotAttached));
    cache.admit(&sandbox("a"), vec![(wanted.clone(), None)], now, Duration::ZERO);
    let landing = cache.land(ticket, now, Ok(minted("late", 3600)), now);
    assert!(matches!(landing, Landing::Leave), "{landing:?}");
    assert_eq!(flight.await.unwrap().unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(cache.states(&sandbox("a"), now), [(wanted, TokenState::Waiting)]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_longer_chosen_is_renewed_no_more() {
    let mut cache = cache();
    let now = Instant::now();
    let (default, aws) = (request("a", &[]), request("a", &["aws"]));
    let held = |text| Some(Held::new(minted(text, 3600), now));
    let both = vec![(default.clone(), held("d")), (aws.clone(), held("a"))];
    cache.admit(&sandbox("a"), both, now, Duration::ZERO);
    cache.admit(&sandbox("a"), vec![(default.clone(), None)], now, Duration::ZERO);
    let later = now + Duration::from_secs(1800);
    let due: Vec<_> =
        cache.take_due(later, 64, |_| false).into_iter().map(|ticket| ticket.request).collect();
    assert!(due.contains(&default) && !due.contains(&aws), "{due:?}");
}

#[tokio::test(start_paused = true)]
async fn superseded_tokens_are_fetched_anew_and_serve_only_as_a_last_resort() {
    let mut cache = cache();
    let now = Instant::now();
    assert_eq!(fetch(&mut cache, "a", "1"), "fetched");
    cache.supersede(now, Duration::ZERO);
    let look = cache.look(&request("a", &["1"]), now);
    let Look::Wait { begun: Some(ticket), fallback: Some(_), .. } = look else {
        panic!("{look:?}");
    };
    cache.land(ticket, now, Ok(minted("1", 3600)), now);
    assert_eq!(fetch(&mut cache, "a", "1"), "cached", "the new one is as good as any");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_under_way_when_tokens_were_superseded_is_fetched_again() {
    let mut cache = cache();
    let now = Instant::now();
    let Look::Wait { begun: Some(ticket), .. } = cache.look(&request("a", &["1"]), now) else {
        panic!("it was not fetched");
    };
    cache.supersede(now, Duration::ZERO);
    cache.land(ticket, now, Ok(minted("1", 3600)), now);
    assert_eq!(fetch(&mut cache, "a", "1"), "fetched");
    assert_eq!(fetch(&mut cache, "a", "1"), "cached");
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_files_are_due_when_tokens_are_superseded() {
    let mut cache = cache();
    let now = Instant::now();
    for ticket in cache.take_due(now, 64, |_| false) {
        cache.land(ticket, now, Ok(minted("", 3600)), now);
    }
    assert!(cache.take_due(now, 64, |_| false).is_empty());
    cache.supersede(now, Duration::ZERO);
    assert_eq!(cache.take_due(now, 64, |_| false).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_form_an_id_and_an_order_of_audiences_each_have_tokens_of_their_own() {
    let mut cache = Cache::new(CacheLimits { per_sandbox: 8, ..LIMITS }, |_| Duration::ZERO);
    cache.admit(&sandbox("a"), vec![], Instant::now(), Duration::ZERO);
    let id = |text: &str| moneyer_identity::spiffe::SpiffeId::parse(text).unwrap();
    let svid = |of: &str, audiences: &[&str]| {
        Fingerprint::jwt_svid(id(of), crate::fakes::request("a", audiences))
    };
    let fingerprints = [
        request("a", &["1", "2"]),
        svid("spiffe://td/a", &["1", "2"]),
        svid("spiffe://td/a", &["2", "1"]),
        svid("spiffe://td/a", &["1"]),
        svid("spiffe://td/b", &["1", "2"]),
    ];
    let now = Instant::now();
    for (number, fingerprint) in fingerprints.iter().enumerate() {
        let Look::Wait { begun: Some(ticket), .. } = cache.look(fingerprint, now) else {
            panic!("{fingerprint:?} was there")
        };
        let _landing = cache.land(ticket, now, Ok(minted(&number.to_string(), 3600)), now);
    }
    for (number, fingerprint) in fingerprints.iter().enumerate() {
        let Look::Serve { held, .. } = cache.look(fingerprint, now) else { panic!("not there") };
        assert_eq!(held.token.token.expose(), number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_void_is_dropped_when_it_falls_due_and_nothing_else() {
    let mut cache = cache();
    let now = Instant::now();
    for audience in ["1", "2"] {
        assert_eq!(fetch(&mut cache, "a", audience), "fetched");
        assert_eq!(fetch(&mut cache, "a", audience), "cached", "so it is in use");
    }
    let void = request("a", &["1"]);
    let later = now + Duration::from_secs(1800);
    let due: Vec<_> = cache.take_due(later, 64, |due| *due == void);
    let due: Vec<_> = due.into_iter().map(|ticket| ticket.request).collect();
    assert!(due.contains(&request("a", &["2"])) && !due.contains(&void), "{due:?}");
    assert_eq!(cache.asked, 1);
    assert_eq!(fetch(&mut cache, "a", "1"), "fetched");
}
