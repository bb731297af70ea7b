//! The model's tokens: what they may do, how long they live, and how one is had.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, State, errors};

/// A token.
#[derive(Debug, Clone)]
pub(super) struct ModelToken {
    /// Beginnings of paths within the transit engine; `None`: all.
    paths: Option<Vec<String>>,
    /// How long a log-in gave it, and until when; `None`: without an end.
    life: Option<(Duration, Instant)>,
}

impl ModelToken {
    pub(super) fn root() -> Self {
        Self { paths: None, life: None }
    }

    pub(super) fn only(paths: &[&str]) -> Self {
        Self { paths: Some(paths.iter().map(|path| (*path).to_owned()).collect()), life: None }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.life.is_none_or(|(_, until)| Instant::now() < until)
    }

    pub(super) fn may(&self, path: &str) -> bool {
        let Some(paths) = &self.paths else { return true };
        paths.iter().any(|allowed| path.starts_with(allowed))
    }
}

impl State {
    pub(super) fn log_in(&mut self, mount: &str, body: &Value) -> Answer {
        let Some((wanted, life)) = self.logins.get(mount) else {
            return (404, errors(&format!("no handler for route 'auth/{mount}/login'")));
        };
        if wanted != body {
            return match mount {
                "approle" => (400, errors("invalid role or secret ID")),
                _ => (403, errors("permission denied")),
            };
        }
        let life = *life;
        self.issued += 1;
        let token = format!("s.model{}", self.issued);
        let until = Instant::now() + life;
        self.tokens.insert(token.clone(), ModelToken { paths: None, life: Some((life, until)) });
        (200, authenticated(&token, life))
    }

    pub(super) fn renew(&mut self, token: &str) -> Answer {
        let left = self.renewals_left;
        let Some(ModelToken { life: Some((life, until)), .. }) = self.tokens.get_mut(token) else {
            return (400, errors("lease is not renewable"));
        };
        if left == 0 {
            // At its longest life a lease is not lengthened, and says how long it still is.
            return (200, authenticated(token, until.duration_since(Instant::now())));
        }
        *until = Instant::now() + *life;
        self.renewals_left = left - 1;
        (200, authenticated(token, *life))
    }

    pub(super) fn look_up(&self, token: &str) -> Answer {
        let life = self.tokens.get(token).and_then(|token| token.life);
        let ttl = life.map_or(0, |(_, until)| until.duration_since(Instant::now()).as_secs());
        (200, json!({"data": {"ttl": ttl, "renewable": life.is_some()}}))
    }
}

fn authenticated(token: &str, life: Duration) -> Value {
    let auth = json!({
        "client_token": token, "lease_duration": life.as_secs(), "renewable": true,
    });
    json!({"auth": auth})
}
