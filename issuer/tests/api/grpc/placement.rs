//! Placement: what a sandbox controller says.

use moneyer_proto::v1;
use tonic::Code;

use crate::member::{Key, Member, mint_request};
use crate::world::World;

fn sandbox(id: &str, runner: &str) -> v1::PutSandboxRequest {
    let sandbox = v1::Sandbox {
        id: id.to_owned(),
        app: "web".to_owned(),
        runner_id: runner.to_owned(),
        role: String::new(),
    };
    v1::PutSandboxRequest { sandbox: Some(sandbox) }
}

fn app(name: &str, audiences: &[&str]) -> v1::PutAppRequest {
    let audiences = audiences.iter().map(|&text| text.to_owned()).collect();
    let uid = "0123456789abcdef0123456789abcdef".to_owned();
    v1::PutAppRequest {
        app: Some(v1::App { name: name.to_owned(), audiences, uid, ..v1::App::default() }),
    }
}

async fn world() -> (World, Member, Member) {
    let world = World::start().await;
    let (runner, controller) =
        (world.join("runner-1").await, world.join_controller("scheduler").await);
    (world, runner, controller)
}

#[tokio::test]
async fn an_app_is_put_with_who_its_sandboxes_are_at_the_clouds() {
    let (_world, _runner, controller) = world().await;
    let mut placement = controller.placement();
    let accounts = v1::CloudAccounts {
        aws_role: "arn:aws:iam::123456789012:role/deploy".to_owned(),
        azure_client_id: "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d".to_owned(),
        azure_tenant_id: String::new(),
        google_service_account: "deploy@my-project.iam.gserviceaccount.com".to_owned(),
    };
    let with = |accounts| {
        let v1::PutAppRequest { app } = app("web", &[]);
        v1::PutAppRequest { app: app.map(|app| v1::App { accounts: Some(accounts), ..app }) }
    };
    let put = placement.put_app(with(accounts.clone())).await.unwrap().into_inner();
    let put_accounts = put.app.unwrap().accounts;
    assert_eq!(put_accounts, Some(accounts.clone()));
    let odd = v1::CloudAccounts { aws_role: "deploy".to_owned(), ..accounts };
    let refused = placement.put_app(with(odd)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("aws_role is no ARN"), "{}", refused.message());
    // Who does not know of accounts takes none back.
    let without = placement.put_app(app("web", &[])).await.unwrap().into_inner();
    assert_eq!(without.app.unwrap().accounts, put_accounts);
    let none = placement.put_app(with(v1::CloudAccounts::default())).await.unwrap().into_inner();
    assert_eq!(none.app.unwrap().accounts, None);
}

#[tokio::test]
async fn a_sandbox_is_put_moved_listed_and_removed() {
    let (world, runner, controller) = world().await;
    let second = world.join("runner-2").await;
    let mut placement = controller.placement();
    let put = placement.put_app(app("web", &["https://rp.example"])).await.unwrap().into_inner();
    let put = put.app.unwrap();
    assert_eq!((put.name.as_str(), put.audiences.len()), ("web", 1));
    assert_ne!(put.uid, "0123456789abcdef0123456789abcdef", "the coordinator gives it");
    let again = placement.put_app(app("web", &[])).await.unwrap().into_inner().app.unwrap();
    assert_eq!(again.uid, put.uid);

    let placed = placement.put_sandbox(sandbox("web-1", "runner-1")).await.unwrap().into_inner();
    runner.mint("web-1", &[]).await.unwrap();
    let moved = placement.put_sandbox(sandbox("web-1", "runner-2")).await.unwrap().into_inner();
    assert!(moved.generation > placed.generation);
    assert_eq!(runner.mint("web-1", &[]).await.unwrap_err().code(), Code::NotFound);
    second.mint("web-1", &[]).await.unwrap();
    placement.mint_token(mint_request("web-1", &[], 0)).await.unwrap();

    let in_use = v1::RemoveAppRequest { name: "web".to_owned() };
    let refused = placement.remove_app(in_use.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let remove = v1::RemoveSandboxRequest { id: "web-1".to_owned() };
    let removed = placement.remove_sandbox(remove.clone()).await.unwrap().into_inner();
    assert!(removed.generation > moved.generation);
    placement.remove_sandbox(remove).await.unwrap();
    assert_eq!(second.mint("web-1", &[]).await.unwrap_err().code(), Code::NotFound);
    placement.remove_app(in_use).await.unwrap();
}

#[tokio::test]
async fn pages_follow_one_another() {
    let (_world, _, controller) = world().await;
    let mut placement = controller.placement();
    placement.put_app(app("web", &[])).await.unwrap();
    for n in 0..5 {
        placement.put_sandbox(sandbox(&format!("web-{n}"), "runner-1")).await.unwrap();
    }
    let mut request = v1::ListSandboxesRequest { page_size: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = placement.list_sandboxes(request.clone()).await.unwrap().into_inner();
        pages.push(page.sandboxes.into_iter().map(|sandbox| sandbox.id).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages.concat(), ["web-0", "web-1", "web-2", "web-3", "web-4"]);
    assert_eq!(pages[0].len(), 2);
    let elsewhere = v1::ListSandboxesRequest { runner_id: "runner-9".into(), ..Default::default() };
    let none = placement.list_sandboxes(elsewhere).await.unwrap().into_inner();
    assert_eq!(none, v1::ListSandboxesResponse::default());
    for wrong in [
        v1::ListSandboxesRequest { page_size: 10_001, ..Default::default() },
        v1::ListSandboxesRequest { page_token: "../x".to_owned(), ..Default::default() },
        v1::ListSandboxesRequest { app: "a:b".to_owned(), ..Default::default() },
    ] {
        let refused = placement.list_sandboxes(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn what_does_not_parse_or_is_not_there_is_named() {
    let (_world, _, controller) = world().await;
    let mut placement = controller.placement();
    let missing = placement.put_app(v1::PutAppRequest { app: None }).await.unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::InvalidArgument, "app is missing"));
    let missing = placement.put_sandbox(v1::PutSandboxRequest { sandbox: None }).await.unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::InvalidArgument, "sandbox is missing"));
    for (name, audiences) in [("a:b", [].as_slice()), ("", &[]), ("web", &["two words"])] {
        let refused = placement.put_app(app(name, audiences)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}");
    }
    let no_app = placement.put_sandbox(sandbox("web-1", "runner-1")).await.unwrap_err();
    assert_eq!(no_app.code(), Code::NotFound);
    assert!(no_app.message().contains("web"), "{}", no_app.message());
    placement.put_app(app("web", &[])).await.unwrap();
    let no_runner = placement.put_sandbox(sandbox("web-1", "runner-9")).await.unwrap_err();
    assert_eq!(no_runner.code(), Code::NotFound);
    assert!(no_runner.message().contains("runner-9"), "{}", no_runner.message());
    let refused = placement.put_sandbox(sandbox("web/1", "runner-1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let removed = placement.remove_sandbox(v1::RemoveSandboxRequest { id: "*".to_owned() }).await;
    assert_eq!(removed.unwrap_err().code(), Code::InvalidArgument);
}

/// Each service is for one kind of member; Enrollment is for both.
#[tokio::test]
async fn a_runner_places_nothing_and_a_controller_is_no_runner() {
    let (world, runner, controller) = world().await;
    world.place("web-1", "runner-1").await;
    let (mut placement, mut minting) = (runner.placement(), controller.minting());
    let refused = [
        placement.put_app(app("web", &[])).await.unwrap_err(),
        placement.remove_app(v1::RemoveAppRequest::default()).await.unwrap_err(),
        placement.put_sandbox(sandbox("web-1", "runner-1")).await.unwrap_err(),
        placement.remove_sandbox(v1::RemoveSandboxRequest::default()).await.unwrap_err(),
        placement.list_sandboxes(v1::ListSandboxesRequest::default()).await.unwrap_err(),
        placement.mint_token(mint_request("web-1", &[], 0)).await.unwrap_err(),
        minting.get_issuer(v1::GetIssuerRequest {}).await.unwrap_err(),
        minting.mint_token(mint_request("web-1", &[], 0)).await.unwrap_err(),
        minting.mint_tokens(v1::MintTokensRequest::default()).await.unwrap_err(),
        minting.mint_system_token(v1::MintSystemTokenRequest::default()).await.unwrap_err(),
        minting.watch_sandboxes(v1::WatchSandboxesRequest::default()).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::PermissionDenied, "{}", status.message());
    }
    let renew = v1::RenewRequest { csr: Key::generate().request };
    let renewed = controller.enrollment().renew(renew).await.unwrap().into_inner();
    let identity = renewed.certificate.unwrap().identity;
    assert_eq!(identity, "spiffe://id.example.com/moneyer/controller/scheduler");
}
