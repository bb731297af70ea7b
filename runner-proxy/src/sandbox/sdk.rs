//! What the SDKs of clouds look for: variables, and the files they point at.
//!
//! An unmodified SDK finds its token file and who it is in its environment. AWS: the web identity provider
//! of the default chain. Google: application default credentials of the type `external_account`, once with
//! the token from a file and once by URL. Azure: `WorkloadIdentityCredential`. What is not known (a role, a
//! client id) has no variable: an SDK then says so itself, better than we could.

use std::fmt;

use moneyer_identity::{AzureId, RoleArn, ServiceAccount};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::directory::TokenFileName;
use super::environment::Surroundings;
use crate::coordinator::Profile;

/// Fewest characters of the name of a session at AWS.
const SHORTEST_SESSION_NAME: usize = 2;

/// Whose SDK is to find its way, and what it has to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sdk {
    /// AWS.
    Aws {
        /// The role to assume.
        role: Option<RoleArn>,
    },
    /// Google Cloud.
    Google {
        /// The service account to impersonate.
        service_account: Option<ServiceAccount>,
    },
    /// Azure.
    Azure {
        /// The application or managed identity.
        client_id: Option<AzureId>,
        /// Its tenant.
        tenant_id: Option<AzureId>,
    },
}

/// A file that an SDK reads beside its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SdkFileName {
    /// Google credentials with the token from its file.
    GoogleFile,
    /// Google credentials with the token from the token server.
    GoogleUrl,
}

impl SdkFileName {
    /// Every one.
    pub(crate) const ALL: [Self; 2] = [Self::GoogleFile, Self::GoogleUrl];

    /// Its name in the directory of Google's files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GoogleFile => "credentials.json",
            Self::GoogleUrl => "credentials-url.json",
        }
    }
}

impl fmt::Display for SdkFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "google/{}", self.name())
    }
}

/// Whether an SDK gets its credentials by a profile.
pub(super) fn is_of_use(profile: &Profile) -> bool {
    match &profile.sdk {
        None => false,
        Some(Sdk::Google { .. }) => pool(profile).is_some(),
        Some(Sdk::Aws { .. } | Sdk::Azure { .. }) => true,
    }
}

/// The variables that point an SDK at a profile's token file.
pub(super) fn variables(profile: &Profile, from: &Surroundings<'_>) -> Vec<(&'static str, String)> {
    let token = token_file(profile, from);
    let known = |name, value: Option<String>| value.map(|value| (name, value));
    match &profile.sdk {
        None => Vec::new(),
        Some(Sdk::Aws { role }) => {
            let role = known("AWS_ROLE_ARN", role.as_ref().map(ToString::to_string));
            let rest = [
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
                ("AWS_ROLE_SESSION_NAME", session_name(from)),
                // Tokens of the global endpoint are not taken in every region.
                ("AWS_STS_REGIONAL_ENDPOINTS", "regional".to_owned()),
            ];
            role.into_iter().chain(rest).collect()
        }
        Some(Sdk::Google { .. }) => {
            let path = from.path(&SdkFileName::GoogleFile.to_string());
            let is_made = pool(profile).is_some();
            is_made.then_some(("GOOGLE_APPLICATION_CREDENTIALS", path)).into_iter().collect()
        }
        Some(Sdk::Azure { client_id, tenant_id }) => {
            let client = known("AZURE_CLIENT_ID", client_id.as_ref().map(ToString::to_string));
            let tenant = known("AZURE_TENANT_ID", tenant_id.as_ref().map(ToString::to_string));
            let file = Some(("AZURE_FEDERATED_TOKEN_FILE", token));
            [client, tenant, file].into_iter().flatten().collect()
        }
    }
}

/// The files that an SDK reads beside a profile's token, as JSON.
pub(super) fn files(profile: &Profile, from: &Surroundings<'_>) -> Vec<(SdkFileName, String)> {
    let (Some(Sdk::Google { service_account }), Some(pool)) = (&profile.sdk, pool(profile)) else {
        return Vec::new();
    };
    let by_file = json!({ "file": token_file(profile, from), "format": { "type": "text" } });
    let by_url = json!({
        "url": format!("{}?audience={}", from.token_url, encoded(profile.audience.as_str())),
        "headers": { "Authorization": format!("Bearer {}", from.secret.expose()) },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    let sources = [(SdkFileName::GoogleFile, by_file), (SdkFileName::GoogleUrl, by_url)];
    let written = sources.map(|(name, source)| {
        let account = ExternalAccount::new(pool, service_account.as_ref(), &source);
        // Text and numbers alone, under keys that are text: that is always JSON.
        (name, serde_json::to_string_pretty(&account).unwrap_or_default())
    });
    written.into()
}

/// Google's credentials of the type `external_account` (AIP-4117).
#[derive(Serialize)]
struct ExternalAccount<'a> {
    r#type: &'static str,
    audience: &'a str,
    subject_token_type: &'static str,
    token_url: &'static str,
    credential_source: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_impersonation_url: Option<String>,
}

impl<'a> ExternalAccount<'a> {
    fn new(
        audience: &'a str,
        account: Option<&ServiceAccount>,
        credential_source: &'a serde_json::Value,
    ) -> Self {
        let of = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts";
        Self {
            r#type: "external_account",
            audience,
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
            token_url: "https://sts.googleapis.com/v1/token",
            credential_source,
            service_account_impersonation_url: account
                .map(|account| format!("{of}/{account}:generateAccessToken")),
        }
    }
}

/// The provider of the workload identity pool that Google is told: the audience where it is the default
/// one. Where an audience was chosen freely nothing names the provider.
fn pool(profile: &Profile) -> Option<&str> {
    let audience = profile.audience.as_str();
    let name = audience.strip_prefix("https:").unwrap_or(audience);
    name.starts_with("//iam.googleapis.com/").then_some(name)
}

fn token_file(profile: &Profile, from: &Surroundings<'_>) -> String {
    from.path(&TokenFileName::Profile(profile.name.clone()).to_string())
}

/// The sandbox's id, made long enough: AWS takes the same letters.
fn session_name(from: &Surroundings<'_>) -> String {
    let id = from.sandbox.as_str();
    if id.len() < SHORTEST_SESSION_NAME { format!("sandbox-{id}") } else { id.to_owned() }
}

/// A value of a query (RFC 3986 section 2.1): everything but unreserved characters is written in digits.
pub(super) fn encoded(value: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(letter).collect()
}
