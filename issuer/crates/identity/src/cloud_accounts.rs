//! Who an app's sandboxes are at the clouds: what their SDKs have to be told beside a token.
//!
//! None of it is secret and none of it is in a token: a role, a client id or a service account opens
//! nothing without a token that its trust policy takes. Each is checked for its form, so that a variable
//! of a sandbox's environment holds nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aws::RoleArn;
use crate::text_value::text_value;

/// Why a text is no id of Azure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no id of Azure; write it as 00000000-0000-0000-0000-000000000000")]
pub struct AzureIdError;

/// Why a text is no service account of Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no service account; write it as NAME@PROJECT.iam.gserviceaccount.com")]
pub struct ServiceAccountError;

/// Longest address of a service account in bytes: a name of 30, and a project of 30 in a domain.
const LONGEST_SERVICE_ACCOUNT: usize = 160;

macro_rules! text {
    ($(#[$about:meta])* $name:ident, $error:ident, $pattern:literal, $is_one:expr) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the exact text.
            pub fn parse(text: &str) -> Result<Self, $error> {
                let is_one: fn(&str) -> bool = $is_one;
                if is_one(text) { Ok(Self(text.to_owned())) } else { Err($error) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_value!($name, $error);

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

text!(
    /// A client or tenant id of Azure: a GUID in its usual form.
    AzureId,
    AzureIdError,
    "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    |text| {
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        lengths == [8, 4, 4, 4, 12] && text.bytes().all(is_digit)
    }
);

text!(
    /// The address of a service account of Google Cloud.
    ServiceAccount,
    ServiceAccountError,
    r"^[a-z0-9-]{1,30}@[a-z0-9.-]{1,100}\.iam\.gserviceaccount\.com$",
    |text| {
        let is_part = |text: &str, also: &[u8]| {
            let is_letter = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || also.contains(&byte)
            };
            !text.is_empty() && text.bytes().all(is_letter)
        };
        let project = text.strip_suffix(".iam.gserviceaccount.com");
        let parts = project.and_then(|text| text.split_once('@'));
        text.len() <= LONGEST_SERVICE_ACCOUNT
            && parts.is_some_and(|(name, of)| is_part(name, b"-") && is_part(of, b"-."))
    }
);

/// Who an app's sandboxes are at the clouds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudAccounts {
    /// The AWS role its sandboxes assume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_role: Option<RoleArn>,
    /// The application or managed identity of Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_client_id: Option<AzureId>,
    /// The tenant of Azure that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_tenant_id: Option<AzureId>,
    /// The service account of Google Cloud that they impersonate; without one they act as themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google_service_account: Option<ServiceAccount>,
}

impl CloudAccounts {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_azure_is_a_guid() {
        let id = "0b1f2c3d-4e5f-6a7b-8c9d-0E1F2A3B4C5D";
        assert_eq!(AzureId::parse(id).unwrap().as_str(), id);
        for refused in [
            "",
            "x",
            "0b1f2c3d4e5f6a7b8c9d0e1f2a3b4c5d",
            "{0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d}",
            "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5g",
            "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d\n",
        ] {
            assert_eq!(AzureId::parse(refused), Err(AzureIdError), "{refused}");
        }
    }

    #[test]
    fn a_service_account_is_an_address_of_google() {
        for taken in [
            "deploy@my-project.iam.gserviceaccount.com",
            "a-1@p.example.com.iam.gserviceaccount.com",
        ] {
            assert_eq!(ServiceAccount::parse(taken).unwrap().as_str(), taken);
        }
        let long = format!("a@{}.iam.gserviceaccount.com", "p".repeat(LONGEST_SERVICE_ACCOUNT));
        for refused in [
            "",
            "deploy",
            "deploy@example.com",
            "@p.iam.gserviceaccount.com",
            "deploy@.iam.gserviceaccount.com",
            "de ploy@p.iam.gserviceaccount.com",
            "a/../b@p.iam.gserviceaccount.com",
            "a@b@p.iam.gserviceaccount.com",
            &long,
        ] {
            assert_eq!(ServiceAccount::parse(refused), Err(ServiceAccountError), "{refused}");
        }
    }

    #[test]
    fn nothing_is_written_of_what_is_not_known() {
        assert_eq!(serde_json::to_string(&CloudAccounts::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<CloudAccounts>(r#"{"aws":"x"}"#).is_err());
    }
}
