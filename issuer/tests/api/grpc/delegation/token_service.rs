//! A token service: writes down what it is asked and answers as it is told, by default with numbered tokens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(super) struct TokenService {
    pub(super) url: String,
    forms: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    /// Without one an answer waits.
    pub(super) turns: Arc<Semaphore>,
}

impl TokenService {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let turns = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let service = Self { url, forms: Arc::default(), answers: Arc::default(), turns };
        let own = service.clone();
        let router = Router::new().fallback(move |request: Request| {
            let own = own.clone();
            async move { own.answer(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        service
    }

    async fn answer(&self, request: Request) -> (StatusCode, String) {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let number = {
            let mut forms = self.forms.lock().unwrap();
            forms.push(String::from_utf8(body.to_vec()).unwrap());
            forms.len()
        };
        self.turns.acquire().await.unwrap().forget();
        let told = self.answers.lock().unwrap().pop_front();
        let usual =
            || (200, format!(r#"{{"access_token":"readdressed-{number}","expires_in":300}}"#));
        let (status, body) = told.unwrap_or_else(usual);
        (StatusCode::from_u16(status).unwrap(), body)
    }

    /// Answers once with this.
    pub(super) fn then(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back((status, body.to_owned()));
    }

    pub(super) fn asked(&self) -> usize {
        self.forms.lock().unwrap().len()
    }

    /// The names and values of the last form.
    pub(super) fn last_form(&self) -> Vec<(String, String)> {
        self.form(self.asked() - 1)
    }

    /// Those of a form by its place.
    pub(super) fn form(&self, at: usize) -> Vec<(String, String)> {
        let forms = self.forms.lock().unwrap();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), decoded(value))
        };
        forms[at].split('&').map(pair).collect()
    }
}

fn decoded(value: &str) -> String {
    let mut rest = value.as_bytes();
    let mut bytes = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
