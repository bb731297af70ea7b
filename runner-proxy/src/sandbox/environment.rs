//! The variables a sandbox needs to find its identity.
//!
//! `MONEYER_*` and `SPIFFE_ENDPOINT_SOCKET` always; beside them the variables that a cloud's own SDK reads, for each audience
//! profile that has a token file. Values never hold a blank or a line end, so that the file `env`
//! is read the same by a shell, by systemd and by a container runtime, without quoting.

use std::fmt;
use std::path::Path;

use moneyer_identity::{IssuerUrl, SandboxId};

use super::directory::TokenFileName;
use super::sdk::{self, SdkFileName};
use super::secret::SandboxSecret;
use crate::coordinator::Profile;
use crate::workload_api::WorkloadApi;

/// What the environment is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) sandbox: &'a SandboxId,
    pub(crate) secret: &'a SandboxSecret,
    /// The sandbox's directory as the sandbox sees it.
    pub(crate) directory: &'a Path,
    /// Unknown until the coordinator was reached for the first time.
    pub(crate) issuer: Option<&'a IssuerUrl>,
    pub(crate) token_url: &'a str,
    /// The profiles with a token file.
    pub(crate) profiles: &'a [&'a Profile],
    /// The host and port of the forward proxy, where the sandbox has grants for it.
    pub(crate) forward: Option<&'a str>,
}

/// The file with the authority of the forward proxy.
pub(crate) const AUTHORITY_FILE: &str = "forward-ca.pem";

/// The file with it and with everything that this machine trusts.
pub(crate) const BUNDLE_FILE: &str = "ca-bundle.pem";

/// What is reached without the proxy: the sandbox itself, and what this daemon serves on loopback.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

impl Surroundings<'_> {
    /// A path in the sandbox's directory, as the sandbox sees it.
    pub(super) fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

/// Variables in the order they are shown. Holds a secret: `Debug` shows names only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// The variables of one sandbox.
    pub(crate) fn of(from: &Surroundings<'_>) -> Self {
        let token = from.path(&TokenFileName::Default.to_string());
        let mut variables = vec![("MONEYER_TOKEN_FILE", token)];
        variables.extend(from.issuer.map(|issuer| ("MONEYER_ISSUER", issuer.as_str().to_owned())));
        variables.push(("MONEYER_TOKEN_URL", from.token_url.to_owned()));
        variables.push(("MONEYER_TOKEN_SECRET", from.secret.expose().to_owned()));
        variables.push(("MONEYER_IDENTITY_SOCKET", from.path("identity.sock")));
        // SPIFFE Workload Endpoint section 4.
        let endpoint = format!("unix://{}", from.path(WorkloadApi::SOCKET));
        variables.push(("SPIFFE_ENDPOINT_SOCKET", endpoint));
        // The shape of GitHub Actions, for tools that look for it: `&audience=` is appended.
        let request_url = format!("{}?api-version=2.0", from.token_url);
        variables.push(("ACTIONS_ID_TOKEN_REQUEST_URL", request_url));
        variables.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", from.secret.expose().to_owned()));
        variables.extend(from.forward.into_iter().flat_map(|address| forward(address, from)));
        for profile in first_of_each(from.profiles) {
            variables.extend(sdk::variables(profile, from));
        }
        Self(variables)
    }

    /// Name and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// One `NAME=value` a line.
    pub(crate) fn lines(&self) -> String {
        self.iter().flat_map(|(name, value)| [name, "=", value, "\n"]).collect()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What curl, OpenSSL, Python, Node, Deno and Git need to use the forward proxy and to trust it. Some programs read
/// the names in lower case and no others.
fn forward(address: &str, from: &Surroundings<'_>) -> Vec<(&'static str, String)> {
    let proxy = format!("http://{}:{}@{address}", from.sandbox, from.secret.expose());
    let mut none = NO_PROXY.to_owned();
    let token_host = from.token_url.parse::<http::Uri>().ok();
    let token_host =
        token_host.as_ref().and_then(http::Uri::host).map(|h| h.trim_matches(['[', ']']));
    if let Some(host) = token_host.filter(|host| !NO_PROXY.split(',').any(|own| own == *host)) {
        none.push(',');
        none.push_str(host);
    }
    let (authority, bundle) = (from.path(AUTHORITY_FILE), from.path(BUNDLE_FILE));
    let mut variables = Vec::new();
    variables.extend(
        ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"]
            .map(|name| (name, proxy.clone())),
    );
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, none.clone())));
    variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    variables.extend(["NODE_EXTRA_CA_CERTS", "DENO_CERT"].map(|name| (name, authority.clone())));
    let bundled = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"];
    variables.extend(bundled.map(|name| (name, bundle.clone())));
    variables
}

/// The files that SDKs read beside their tokens.
pub(crate) fn sdk_files(from: &Surroundings<'_>) -> Vec<(SdkFileName, String)> {
    first_of_each(from.profiles).flat_map(|profile| sdk::files(profile, from)).collect()
}

/// The first profile for each SDK: it reads one token file.
fn first_of_each<'a>(profiles: &'a [&'a Profile]) -> impl Iterator<Item = &'a Profile> {
    let kind = |profile: &Profile| {
        profile.sdk.as_ref().filter(|_| sdk::is_of_use(profile)).map(std::mem::discriminant)
    };
    profiles.iter().enumerate().filter_map(move |(at, profile)| {
        let is_first = !profiles.iter().take(at).any(|before| kind(before) == kind(profile));
        is_first.then_some(*profile)
    })
}

#[cfg(test)]
mod tests {
    use moneyer_identity::{Audience, ProfileName, RoleArn};

    use super::*;
    use crate::sandbox::Sdk;

    const POOL: &str =
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/m";

    fn profile(name: &str, audience: &str, sdk: Option<Sdk>) -> Profile {
        let (name, audience) =
            (ProfileName::parse(name).unwrap(), Audience::parse(audience).unwrap());
        Profile { name, audience, sdk }
    }

    fn aws(name: &str) -> Profile {
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/deploy").ok();
        profile(name, "sts.amazonaws.com", Some(Sdk::Aws { role }))
    }

    fn with<T>(
        profiles: &[Profile],
        issuer: Option<&str>,
        make: impl FnOnce(&Surroundings<'_>) -> T,
    ) -> T {
        make(&Surroundings {
            sandbox: &SandboxId::parse("s-1").unwrap(),
            secret: &SandboxSecret::try_from("5a".repeat(32)).unwrap(),
            directory: Path::new("/run/moneyer/sandboxes/s-1"),
            issuer: issuer.map(|text| IssuerUrl::parse(text).unwrap()).as_ref(),
            token_url: "http://127.0.0.1:8484/v1/sandboxes/s-1/token",
            profiles: &profiles.iter().collect::<Vec<_>>(),
            forward: None,
        })
    }

    fn environment(profiles: &[Profile], issuer: Option<&str>) -> Environment {
        with(profiles, issuer, Environment::of)
    }

    #[test]
    fn names_and_values_are_the_documented_ones() {
        let expected = "\
MONEYER_TOKEN_FILE=/run/moneyer/sandboxes/s-1/token
MONEYER_ISSUER=https://id.example.com
MONEYER_TOKEN_URL=http://127.0.0.1:8484/v1/sandboxes/s-1/token
MONEYER_TOKEN_SECRET=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
MONEYER_IDENTITY_SOCKET=/run/moneyer/sandboxes/s-1/identity.sock
SPIFFE_ENDPOINT_SOCKET=unix:///run/moneyer/sandboxes/s-1/workload-api.sock
ACTIONS_ID_TOKEN_REQUEST_URL=http://127.0.0.1:8484/v1/sandboxes/s-1/token?api-version=2.0
ACTIONS_ID_TOKEN_REQUEST_TOKEN=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
AWS_ROLE_ARN=arn:aws:iam::123456789012:role/deploy
AWS_WEB_IDENTITY_TOKEN_FILE=/run/moneyer/sandboxes/s-1/tokens/amazon
AWS_ROLE_SESSION_NAME=s-1
AWS_STS_REGIONAL_ENDPOINTS=regional
GOOGLE_APPLICATION_CREDENTIALS=/run/moneyer/sandboxes/s-1/google/credentials.json
AZURE_CLIENT_ID=0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d
AZURE_TENANT_ID=0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e
AZURE_FEDERATED_TOKEN_FILE=/run/moneyer/sandboxes/s-1/tokens/azure
";
        let azure = Sdk::Azure {
            client_id: "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d".parse().ok(),
            tenant_id: "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e".parse().ok(),
        };
        let profiles = [
            aws("amazon"),
            aws("another"),
            profile("vault", "https://vault", None),
            profile("gcp", POOL, Some(Sdk::Google { service_account: None })),
            profile("azure", "api://AzureADTokenExchange", Some(azure)),
        ];
        assert_eq!(environment(&profiles, Some("https://id.example.com")).lines(), expected);
        let without = environment(&[], None).lines();
        assert!(!without.contains("AWS") && !without.contains("ISSUER"), "{without}");
        let bare = environment(&[profile("a", "sts", Some(Sdk::Aws { role: None }))], None).lines();
        assert!(!bare.contains("AWS_ROLE_ARN") && bare.contains("AWS_ROLE_SESSION_NAME"), "{bare}");
    }

    #[test]
    fn programs_find_the_forward_proxy_and_trust_it() {
        let expected = "\
HTTPS_PROXY=http://s-1:SECRET@10.0.0.1:8486
HTTP_PROXY=http://s-1:SECRET@10.0.0.1:8486
https_proxy=http://s-1:SECRET@10.0.0.1:8486
http_proxy=http://s-1:SECRET@10.0.0.1:8486
NO_PROXY=localhost,127.0.0.1,::1
no_proxy=localhost,127.0.0.1,::1
NODE_USE_ENV_PROXY=1
NODE_EXTRA_CA_CERTS=/run/moneyer/sandboxes/s-1/forward-ca.pem
DENO_CERT=/run/moneyer/sandboxes/s-1/forward-ca.pem
SSL_CERT_FILE=/run/moneyer/sandboxes/s-1/ca-bundle.pem
REQUESTS_CA_BUNDLE=/run/moneyer/sandboxes/s-1/ca-bundle.pem
CURL_CA_BUNDLE=/run/moneyer/sandboxes/s-1/ca-bundle.pem
GIT_SSL_CAINFO=/run/moneyer/sandboxes/s-1/ca-bundle.pem
";
        let of = |token_url: &str| {
            with(&[], None, |from| {
                let forward = Some("10.0.0.1:8486");
                Environment::of(&Surroundings { token_url, forward, ..*from }).lines()
            })
        };
        let expected = expected.replace("SECRET", &"5a".repeat(32));
        assert!(of("http://127.0.0.1:8484/v1").ends_with(&expected));
        let elsewhere = of("http://10.0.0.1:8484/v1");
        assert!(elsewhere.contains("\nno_proxy=localhost,127.0.0.1,::1,10.0.0.1\n"), "{elsewhere}");
        assert!(!environment(&[], None).lines().contains("PROXY"));
    }

    #[test]
    fn the_first_that_is_of_use_counts() {
        let google = || Some(Sdk::Google { service_account: None });
        let profiles = [profile("own", "own", google()), profile("gcp", POOL, google())];
        let lines = environment(&profiles, None).lines();
        assert!(lines.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{lines}");
        let files = with(&profiles, None, sdk_files);
        assert!(files.len() == 2 && files[0].1.contains("tokens/gcp"), "{files:?}");
    }

    #[test]
    fn a_session_at_aws_has_a_name_that_it_takes() {
        for (id, name) in [("s", "sandbox-s"), ("s1", "s1")] {
            let sandbox = SandboxId::parse(id).unwrap();
            let of = |from: &Surroundings<'_>| {
                Environment::of(&Surroundings { sandbox: &sandbox, ..*from }).lines()
            };
            let lines = with(&[aws("aws")], None, of);
            assert!(lines.contains(&format!("AWS_ROLE_SESSION_NAME={name}\n")), "{lines}");
        }
    }

    #[test]
    fn google_credentials_have_the_token_by_file_and_by_url() {
        let account = "deploy@my-project.iam.gserviceaccount.com".parse().ok();
        for audience in [POOL.to_owned(), format!("https:{POOL}")] {
            let sdk = Sdk::Google { service_account: account.clone() };
            let files = with(&[profile("gcp", &audience, Some(sdk))], None, sdk_files);
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let [(SdkFileName::GoogleFile, file), (SdkFileName::GoogleUrl, url)] = &files[..]
            else {
                panic!("{files:?}")
            };
            let (file, url) = (parse(file), parse(url));
            for credentials in [&file, &url] {
                assert_eq!(credentials["type"], "external_account");
                assert_eq!(credentials["audience"], POOL);
                let impersonated =
                    credentials["service_account_impersonation_url"].as_str().unwrap();
                assert!(
                    impersonated
                        .ends_with("my-project.iam.gserviceaccount.com:generateAccessToken")
                );
            }
            let source = &file["credential_source"];
            assert_eq!(source["file"], "/run/moneyer/sandboxes/s-1/tokens/gcp");
            let source = &url["credential_source"];
            let asked = source["url"].as_str().unwrap().split_once("?audience=").unwrap().1;
            assert!(asked.ends_with("%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fp%2Fproviders%2Fm"), "{asked}");
            assert_eq!(source["headers"]["Authorization"], format!("Bearer {}", "5a".repeat(32)));
        }
        // An audience of one's own names no provider.
        let own = profile("gcp", "my-audience", Some(Sdk::Google { service_account: None }));
        assert_eq!(with(std::slice::from_ref(&own), None, sdk_files), []);
        assert!(!environment(&[own], None).lines().contains("GOOGLE"));
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", environment(&[], None));
        assert!(shown.contains("MONEYER_TOKEN_SECRET") && !shown.contains("5a5a"), "{shown}");
    }
}
