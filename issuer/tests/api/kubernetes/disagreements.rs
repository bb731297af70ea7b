//! Answers that do not fit the token they should be about.

use serde_json::{Value, json};

use super::{Fault, MODES, Scene};
use crate::world::json as read;

fn user(members: &Value) -> Value {
    let good = json!({
        "username": "system:serviceaccount:ns1:sa1", "uid": "sa1-uid",
        "groups": ["system:serviceaccounts"],
        "extra": {
            "authentication.kubernetes.io/pod-name": ["pod-1"],
            "authentication.kubernetes.io/pod-uid": ["pod-1-uid"],
        },
    });
    json!({ "user": crate::exchange::with(good, members) })
}

fn extra(name: &str, values: &Value) -> Value {
    let mut user = user(&json!({}));
    user["user"]["extra"][format!("authentication.kubernetes.io/{name}")] = values.clone();
    user
}

#[tokio::test]
async fn what_the_token_and_the_review_disagree_on_is_a_refusal() {
    for verify in MODES {
        let scene = Scene::forgetful(verify).await;
        let token = scene.token();
        scene.model.lie(Some(user(&json!({}))));
        assert_eq!(scene.status(&token).await, 200, "what is not said is no disagreement");
        for lie in [
            json!({ "audiences": ["other"] }),
            json!({ "audiences": [] }),
            json!({ "user": {} }),
            user(&json!({ "username": "system:serviceaccount:ns1:sa2" })),
            user(&json!({ "username": "system:admin" })),
            user(&json!({ "username": "" })),
            user(&json!({ "groups": ["system:authenticated"] })),
            user(&json!({ "groups": [] })),
            user(&json!({ "uid": "another" })),
            user(&json!({ "uid": "" })),
            user(&json!({ "extra": {} })),
            extra("pod-name", &json!(["pod-2"])),
            extra("pod-uid", &json!(["another"])),
            extra("pod-uid", &json!(["pod-1-uid", "another"])),
            extra("credential-id", &json!(["JTI=another"])),
            json!({ "authenticated": false }),
        ] {
            scene.model.lie(Some(lie.clone()));
            let answer = scene.exchange(&token).await;
            let error = read(&answer)["error"].clone();
            assert_eq!((answer.status.as_u16(), error), (400, json!("invalid_request")), "{lie}");
        }
        let mut node = extra("node-name", &json!(["node-2"]));
        node["user"]["extra"]["authentication.kubernetes.io/node-uid"] = json!(["another"]);
        scene.model.lie(Some(node));
        assert_eq!(scene.status(&token).await, 400);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_not_the_clients_fault() {
    let scene = Scene::forgetful("both").await;
    let good = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "spec": { "token": "another" },
        "status": {
            "authenticated": true, "audiences": ["moneyer"], "user": user(&json!({}))["user"],
        },
    });
    for (status, text) in [
        (200, "garbage".to_owned()),
        (201, "{}".to_owned()),
        (201, good.to_string()),
        (204, String::new()),
        (404, "{}".to_owned()),
        (429, "{}".to_owned()),
        (500, "{}".to_owned()),
    ] {
        scene.server.fault(Fault::Says(status, text.clone()));
        let answer = scene.exchange(&scene.token()).await;
        assert_eq!(answer.status, 503, "{status}: {text}");
        assert_eq!(read(&answer)["error"], "temporarily_unavailable");
        // It would be left alone after some of these.
        scene.server.fault(Fault::None);
        assert_eq!(scene.status(&scene.token()).await, 200);
    }
    scene.server.fault(Fault::Redirects);
    assert_eq!(scene.status(&scene.token()).await, 503);
}

#[tokio::test]
async fn an_answer_has_a_longest_length() {
    const LONGEST: usize = 64 * 1024;
    let scene = Scene::forgetful("both").await;
    let token = scene.token();
    let of_length = |length: usize| {
        let answer = |filling: usize| {
            let status = json!({
                "authenticated": true, "audiences": ["moneyer"], "user": user(&json!({}))["user"],
            });
            let answer = json!({
                "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status,
                "filling": "x".repeat(filling),
            });
            answer.to_string()
        };
        answer(length - answer(0).len())
    };
    scene.server.fault(Fault::Says(201, of_length(LONGEST)));
    assert_eq!(scene.status(&token).await, 200);
    scene.server.fault(Fault::Says(201, of_length(LONGEST + 1)));
    assert_eq!(scene.status(&token).await, 503);
}
