//! The endpoint: the socket, the header, the codes, what the API tells of itself.

use std::os::unix::fs::PermissionsExt as _;

use moneyer_proto::workload::{
    JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, X509BundlesRequest, X509svidRequest,
};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};

use super::{Workload, connect, next, with_header};
use crate::coordinator::spiffe_id;
use crate::host::with_one_sandbox;
use crate::http;

#[tokio::test(flavor = "multi_thread")]
async fn w1_each_sandbox_has_a_unix_socket_that_says_who_asks() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    cluster.place("s-2", &[]);
    proxy.attach("s-2", &[]).await.unwrap();
    for sandbox in ["s-1", "s-2"] {
        let socket = proxy.directory(sandbox).join("workload-api.sock");
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o666);
        let answer = Workload::of(&proxy, sandbox).await.jwt_svid(&["a"], "").await.unwrap();
        assert_eq!(answer.svids[0].spiffe_id, spiffe_id(sandbox), "the socket says who asks");
    }
    proxy.stop().await;
}

/// Every call of the API with these values of the security header.
async fn codes(workload: &Workload, header: &[&'static str]) -> [Code; 5] {
    fn with<T>(header: &[&'static str], message: T) -> Request<T> {
        let mut request = Request::new(message);
        for value in header {
            let value = MetadataValue::from_static(value);
            request.metadata_mut().append("workload.spiffe.io", value);
        }
        request
    }
    fn code<T>(answer: Result<T, Status>) -> Code {
        answer.err().map_or(Code::Ok, |status| status.code())
    }
    let mut client = workload.0.clone();
    let jwt = JwtsvidRequest { audience: vec!["a".to_owned()], spiffe_id: String::new() };
    [
        code(client.fetch_x509svid(with(header, X509svidRequest {})).await),
        code(client.fetch_x509_bundles(with(header, X509BundlesRequest {})).await),
        code(client.fetch_jwtsvid(with(header, jwt)).await),
        code(client.fetch_jwt_bundles(with(header, JwtBundlesRequest {})).await),
        code(client.validate_jwtsvid(with(header, ValidateJwtsvidRequest::default())).await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_a_call_without_the_security_header_is_refused() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let odd: [&[&str]; 5] = [&[], &["True"], &["false"], &["true", "true"], &["true", "false"]];
    for header in odd {
        let refused = codes(&workload, header).await;
        assert_eq!(refused, [Code::InvalidArgument; 5], "{header:?}");
    }
    let allowed = codes(&workload, &["true"]).await;
    assert_eq!(allowed, [Code::Ok, Code::Ok, Code::Ok, Code::Ok, Code::InvalidArgument]);
    let metrics = http::plain(&proxy.operations(), "/metrics").await.1;
    for counted in [
        r#"workload_api_calls_total{call="fetch_x509_svid",code="ok"} "#,
        r#"workload_api_calls_total{call="validate_jwt_svid",code="invalid_argument"} "#,
        "moneyer_runner_x509_svids_signed_total ",
        "moneyer_runner_workload_api_streams ",
    ] {
        assert!(metrics.contains(counted), "{counted} in {metrics}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w3_neither_tls_nor_a_credential_is_asked_for_on_the_socket() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut client = workload.0.clone();
    // Nothing but the security header goes along, over a connection in plain.
    let mut request = Request::new(X509svidRequest {});
    request.metadata_mut().insert("workload.spiffe.io", MetadataValue::from_static("true"));
    let mut stream = client.fetch_x509svid(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.unwrap().svids[0].spiffe_id, spiffe_id("s-1"));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w4_the_environment_says_where_the_socket_is() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let told = proxy.variable("s-1", "SPIFFE_ENDPOINT_SOCKET").unwrap();
    let path = told.strip_prefix("unix://").unwrap();
    assert!(path.starts_with('/') && !path.contains(['?', '#']), "{told}");
    assert_eq!(path, proxy.directory("s-1").join("workload-api.sock").display().to_string());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_no_identity_is_permission_denied_and_a_missing_field_an_invalid_argument() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    // As of a coordinator of an older version, which names no SPIFFE IDs.
    cluster.place("bare-1", &[]);
    proxy.attach("bare-1", &[]).await.unwrap();
    let bare = Workload::of(&proxy, "bare-1").await;
    let refused = [
        bare.x509_svids().await.err(),
        bare.x509_bundles().await.err(),
        bare.jwt_bundles().await.err(),
        bare.jwt_svid(&["a"], "").await.err(),
        bare.validate("a", "x.y.z").await.err(),
    ];
    for status in refused {
        assert_eq!(status.unwrap().code(), Code::PermissionDenied);
    }
    let workload = Workload::of(&proxy, "s-1").await;
    for answer in [workload.validate("", "x.y.z").await, workload.validate("a", "").await] {
        assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
    }
    proxy.stop().await;
}

/// A call by its path alone.
async fn by_path(workload: &Workload, path: &'static str) -> Code {
    let mut client = tonic::client::Grpc::new(workload.1.clone());
    client.ready().await.unwrap();
    let codec = ProstCodec::<X509svidRequest, X509BundlesRequest>::default();
    let path = ::http::uri::PathAndQuery::from_static(path);
    let answer = client.unary(with_header(X509svidRequest {}), path, codec).await;
    answer.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn w7_wit_calls_and_unknown_ones_are_unimplemented() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    for path in [
        "/SpiffeWorkloadAPI/FetchWITSVID",
        "/SpiffeWorkloadAPI/FetchWITBundles",
        "/SpiffeWorkloadAPI/Nothing",
        "/spiffe.workload.SpiffeWorkloadAPI/FetchX509SVID",
        "/Nothing/AtAll",
    ] {
        assert_eq!(by_path(&workload, path).await, Code::Unimplemented, "{path}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w7_a_profile_that_is_switched_off_is_unimplemented_and_not_told_of() {
    let (_cluster, _coordinator, host, mut proxy) = with_one_sandbox().await;
    let (x509, jwt) = (
        ["FetchX509SVID", "FetchX509Bundles"],
        ["FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"],
    );
    for (off, offered, missing, expected) in [
        ("x509", &jwt[..], &x509[..], [true, true, false, false, false]),
        ("jwt", &x509, &jwt, [false, false, true, true, true]),
    ] {
        proxy.stop().await;
        proxy = host.start_with(&format!("[workload_api]\n{off} = false\n"));
        let workload = Workload::of(&proxy, "s-1").await;
        let codes = codes(&workload, &["true"]).await;
        assert_eq!(codes.map(|code| code == Code::Unimplemented), expected, "{off} is off");
        // The header is asked for before anything is told.
        assert_eq!(self::codes(&workload, &[]).await, [Code::InvalidArgument; 5]);
        let metrics = http::plain(&proxy.operations(), "/metrics").await.1;
        assert!(metrics.contains(r#"code="unimplemented"} "#), "{metrics}");
        let socket = proxy.directory("s-1").join("workload-api.sock");
        let mut client = ServerReflectionClient::new(connect(&socket).await);
        for (methods, is_told) in [(offered, true), (missing, false)] {
            for method in methods {
                let symbol = format!("SpiffeWorkloadAPI.{method}");
                let request = ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(MessageRequest::FileContainingSymbol(symbol)),
                };
                let asked = client
                    .server_reflection_info(with_header(tokio_stream::once(request)))
                    .await
                    .unwrap();
                let told = next(&mut asked.into_inner()).await;
                let told = told.is_ok_and(|answer| {
                    let answer = answer.message_response;
                    matches!(answer, Some(MessageResponse::FileDescriptorResponse(_)))
                });
                assert_eq!(told, is_told, "{method}, {off} is off");
            }
        }
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_the_service_has_no_package_and_tells_of_itself_by_reflection() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let socket = proxy.directory("s-1").join("workload-api.sock");
    let mut client = ServerReflectionClient::new(connect(&socket).await);
    let ask = |message_request| {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(message_request) };
        with_header(tokio_stream::once(request))
    };
    let list = ask(MessageRequest::ListServices(String::new()));
    let mut answers = client.server_reflection_info(list).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(listed)) =
        next(&mut answers).await.unwrap().message_response
    else {
        panic!("no list")
    };
    let service = ServiceResponse { name: "SpiffeWorkloadAPI".to_owned() };
    assert!(listed.service.contains(&service), "{listed:?}");
    let file =
        ask(MessageRequest::FileContainingSymbol("SpiffeWorkloadAPI.FetchX509SVID".to_owned()));
    let mut answers = client.server_reflection_info(file).await.unwrap().into_inner();
    let answer = next(&mut answers).await.unwrap().message_response;
    assert!(matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))), "{answer:?}");

    let bare = tokio_stream::once(ServerReflectionRequest::default());
    let refused = client.server_reflection_info(bare).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_sandbox_are_256_at_most_and_a_message_has_32_kib() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    cluster.place("s-2", &[]);
    proxy.attach("s-2", &[]).await.unwrap();
    let mut streams = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Workload::of(&proxy, "s-1").await);
    }
    let socket = proxy.directory("s-1").join("workload-api.sock");
    let mut reflection = ServerReflectionClient::new(connect(&socket).await);
    let asks_later = || with_header(tokio_stream::pending::<ServerReflectionRequest>());
    // Those of reflection are streams as well.
    let _reflected = reflection.server_reflection_info(asks_later()).await.unwrap();
    for number in 1..256 {
        let mut stream = clients[number / 64].jwt_bundles().await.unwrap();
        next(&mut stream).await.unwrap();
        streams.push(stream);
    }
    let refused = Workload::of(&proxy, "s-1").await.jwt_bundles().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let refused = reflection.server_reflection_info(asks_later()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(Workload::of(&proxy, "s-2").await.jwt_bundles().await.is_ok(), "another's places");
    drop(streams.pop());
    crate::host::eventually("a place is free again", async || {
        clients[0].jwt_bundles().await.is_ok()
    })
    .await;
    let workload = Workload::of(&proxy, "s-2").await;
    // Tags and lengths take seven bytes with the audience.
    let svid = |bytes: usize| "x".repeat(bytes - 7);
    let at_the_limit = workload.validate("a", &svid(32 * 1024)).await.unwrap_err();
    assert_eq!(at_the_limit.code(), Code::InvalidArgument);
    let past_it = workload.validate("a", &svid(32 * 1024 + 1)).await.unwrap_err();
    assert_eq!(past_it.code(), Code::OutOfRange);
    proxy.stop().await;
}
