//! A web server on loopback: its files can be put and got, and it can be told to refuse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use crate::world::{World, json};
use moneyer_daemon::unix_http::Method as Verb;

/// A document that was put.
#[derive(Debug, Clone)]
pub(super) struct Put {
    /// Path and query.
    pub(super) at: String,
    pub(super) headers: HeaderMap,
}

#[derive(Debug, Default)]
struct Held {
    files: BTreeMap<String, Bytes>,
    puts: Vec<Put>,
    refuses: Option<StatusCode>,
    media_type: Option<&'static str>,
}

/// A web server.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) url: String,
    held: Arc<Mutex<Held>>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Self { url, held: Arc::default() };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    /// Answers everything with this status from now on; `None`: as a web server does.
    pub(super) fn refuse(&self, status: Option<StatusCode>) {
        self.held.lock().unwrap().refuses = status;
    }

    /// Shows files as this type from now on.
    pub(super) fn show_as(&self, media_type: &'static str) {
        self.held.lock().unwrap().media_type = Some(media_type);
    }

    /// Shows what the coordinator serves now, and nothing else.
    pub(super) async fn copy(&self, world: &World) {
        let mut files = BTreeMap::new();
        for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
            let served = world.public(Verb::GET, path, &[]).await;
            files.insert(path.to_owned(), Bytes::from(served.body));
        }
        self.held.lock().unwrap().files = files;
    }

    /// Replaces in a file.
    pub(super) fn edit(&self, path: &str, from: &str, to: &str) {
        let mut held = self.held.lock().unwrap();
        let file = held.files.get_mut(path).unwrap();
        let text = String::from_utf8(file.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        *file = Bytes::from(text.replace(from, to));
    }

    pub(super) fn replace(&self, path: &str, bytes: Bytes) {
        self.held.lock().unwrap().files.insert(path.to_owned(), bytes);
    }

    pub(super) fn file(&self, path: &str) -> Option<Bytes> {
        self.held.lock().unwrap().files.get(path).cloned()
    }

    pub(super) fn puts(&self) -> Vec<Put> {
        self.held.lock().unwrap().puts.clone()
    }
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut held = site.held.lock().unwrap();
    if let Some(status) = held.refuses {
        return (status, "<Error><Code>SlowDown</Code></Error>").into_response();
    }
    let path = parts.uri.path().to_owned();
    if parts.method == Method::PUT {
        held.puts.push(Put { at: parts.uri.to_string(), headers: parts.headers });
        held.files.insert(path, body);
        return StatusCode::CREATED.into_response();
    }
    let media_type = held.media_type.unwrap_or("application/json");
    match held.files.get(&path).cloned() {
        Some(file) => ([(header::CONTENT_TYPE, media_type)], file).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Waits until the status of the copies is so, and gives it.
pub(super) async fn until(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = json(&world.manage(Verb::GET, "/publish", "").await);
        if is_so(&last) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}: {last:#}");
}
