//! A sandbox with a provider that holds a user's token.

use std::path::Path;

use moneyer_audit::Records;
use moneyer_daemon::unix_http::Method;
use moneyer_proto::v1;
use serde_json::{Value, json};
use tonic::Status;

use super::token_service::TokenService;
use crate::member::Member;
use crate::world::World;

/// What the user's token is here; no byte of it may be anywhere but at the token service.
pub(super) const USER_TOKEN: &str = "canary-of-a-user";

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) runner: Member,
    pub(super) service: TokenService,
}

impl Scene {
    /// With the sandboxes `web-1` and `web-2` on a runner and `far-1` on another, all of an app that has the provider
    /// `p`; there are others that it does not have or that hold nothing.
    pub(super) async fn start() -> Self {
        Self::configured(&[]).await
    }

    /// The same with these settings.
    pub(super) async fn configured(settings: &[(&str, &str)]) -> Self {
        let scene = Self::holding(json!({ "value": USER_TOKEN }), settings).await;
        for (name, profile) in [("unattached", "exchange"), ("empty", "exchange")] {
            let body = json!({ "name": name, "profile": profile, "runtime_credentials": true });
            scene.manage(Method::POST, "/providers", &body).await;
        }
        scene.detach_and_attach().await;
        scene
    }

    /// Whose provider holds this.
    async fn holding(user: Value, settings: &[(&str, &str)]) -> Self {
        let (world, service) = (Box::pin(World::with(settings)).await, TokenService::start().await);
        let runner = world.join("runner-1").await;
        world.join("runner-2").await;
        for (id, on) in [("web-1", "runner-1"), ("web-2", "runner-1"), ("far-1", "runner-2")] {
            world.place(id, on).await;
        }
        let scene = Self { world, runner, service };
        scene.put_profile("https-other.test", &scene.service.url).await;
        let provider =
            json!({ "name": "p", "profile": "exchange", "credentials": { "user": user } });
        scene.manage(Method::POST, "/providers", &provider).await;
        scene.manage(Method::PUT, "/providers/p/apps/web", &Value::Null).await;
        scene
    }

    /// `empty` is attached to a sandbox alone, so that nothing is undecided.
    async fn detach_and_attach(&self) {
        self.world.put_app("other").await;
        self.manage(Method::PUT, "/providers/empty/apps/other", &Value::Null).await;
    }

    pub(super) async fn put_profile(&self, host: &str, endpoint: &str) {
        self.put_profile_for(host, endpoint, &self.service.url).await;
    }

    /// With this audience of assertions.
    pub(super) async fn put_profile_for(&self, host: &str, endpoint: &str, svid_audience: &str) {
        let grant = |kind: &str, audience: &str| {
            json!({
                "grant_type": kind, "token_endpoint": endpoint, "audience": audience,
                "jwt_svid_audience": svid_audience,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
            })
        };
        let mut exchange = grant("token_exchange", "api");
        exchange["subject_token"] =
            json!({ "source": "provider_credential", "credential": "user" });
        let document = json!({
            "id": "exchange",
            "credentials": [
                { "name": "user" },
                { "name": "token", "token_grant": exchange },
                { "name": "plain", "auth_style": "header", "header_name": "x-plain",
                  "token_grant": grant("client_credentials", "plain") },
            ],
            "endpoints": [{ "host": host, "port": 443, "protocol": "rest", "access": "full" }],
        });
        self.manage(Method::PUT, "/profiles/exchange", &document).await;
    }

    pub(super) async fn manage(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.world.manage(method.clone(), path, &body.to_string()).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The assertion of a sandbox for the token service.
    pub(super) async fn svid(&self, sandbox: &str) -> String {
        self.svid_for(sandbox, &self.service.url).await
    }

    pub(super) async fn svid_for(&self, sandbox: &str, audience: &str) -> String {
        let request = v1::MintJwtSvidRequest {
            sandbox_id: sandbox.to_owned(),
            audience: vec![audience.to_owned()],
            lifetime_seconds: 0,
        };
        let minted = self.runner.minting().mint_jwt_svid(request).await.unwrap().into_inner();
        minted.token.unwrap().token
    }

    pub(super) async fn ask(
        &self,
        request: v1::ExchangeSubjectTokenRequest,
    ) -> Result<v1::ExchangeSubjectTokenResponse, Status> {
        let asked = self.runner.minting().exchange_subject_token(request).await;
        asked.map(tonic::Response::into_inner)
    }

    /// What `web-1` usually asks for.
    pub(super) async fn usual(&self) -> v1::ExchangeSubjectTokenRequest {
        v1::ExchangeSubjectTokenRequest {
            sandbox_id: "web-1".to_owned(),
            provider: "p".to_owned(),
            credential: "token".to_owned(),
            jwt_svid: self.svid("web-1").await,
        }
    }

    /// The records of these events, once everything is written.
    pub(super) async fn recorded(self, events: &[&str]) -> Vec<Value> {
        let directory = self.world.directory.path().join("audit");
        let Self { world, .. } = self;
        let World { app, directory: _kept, .. } = world;
        app.stop().await;
        let records = read(&directory);
        let is_one = |record: &Value| events.iter().any(|event| record["event"] == *event);
        records.into_iter().filter(is_one).collect()
    }
}

fn read(directory: &Path) -> Vec<Value> {
    let records = Records::of(directory).unwrap();
    records.map(|record| serde_json::from_slice(&record.unwrap().bytes).unwrap()).collect()
}
