//! Components: the names that identities are joined from.
//!
//! A component matches `[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?`. Anything else is refused,
//! never repaired: no trimming, no case folding, no Unicode normalisation. So `:`, `/`, `*`, `?`,
//! blanks and non-ASCII cannot occur, joining components with `:` or `/` is injective, every
//! component is a legal SPIFFE path segment (SPIFFE-ID section 2.2), a file name and a DNS-like
//! label, and none is `.` or `..`.

use std::fmt;

/// Longest component in bytes: a DNS label, and with it a safe file name.
pub const MAXIMUM_COMPONENT_BYTES: usize = 63;

/// Why a text is not a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The text is empty.
    #[error("is empty; 1 to {MAXIMUM_COMPONENT_BYTES} letters, digits, '.', '_' or '-' are needed")]
    Empty,
    /// The text is longer than [`MAXIMUM_COMPONENT_BYTES`].
    #[error("is longer than {MAXIMUM_COMPONENT_BYTES} bytes")]
    TooLong,
    /// A byte outside the alphabet.
    #[error("has a character other than letters, digits, '.', '_' and '-'")]
    Alphabet,
    /// `.`, `_` or `-` at an end.
    #[error("must begin and end with a letter or a digit")]
    Edge,
}

fn check(text: &str) -> Result<(), ComponentError> {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(ComponentError::Empty);
    };
    if bytes.len() > MAXIMUM_COMPONENT_BYTES {
        return Err(ComponentError::TooLong);
    }
    let in_alphabet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !bytes.iter().all(in_alphabet) {
        return Err(ComponentError::Alphabet);
    }
    if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() {
        return Err(ComponentError::Edge);
    }
    Ok(())
}

macro_rules! component {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        ///
        /// Cheap to clone; compares by exact bytes.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Parses the exact text.
            pub fn parse(text: &str) -> Result<Self, ComponentError> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = ComponentError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ComponentError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(component: $name) -> Self {
                component.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
                })
            }
        }
    )+};
}

component! {
    /// The organization a cluster belongs to: the claim `organization_id`.
    OrganizationId,
    /// The cluster this issuer serves: the claim `cluster_id`.
    ClusterId,
    /// An app: what is deployed as sandboxes.
    AppName,
    /// One sandbox, an instance of an app.
    SandboxId,
    /// A runner host.
    RunnerId,
    /// A part of the platform itself that holds tokens of its own.
    SystemWorkloadName,
    /// A sandbox controller.
    ControllerName,
    /// A person or program that operates the coordinator.
    OperatorName,
    /// An audience profile, and the name of its token file.
    ProfileName,
    /// A policy, by which workloads that log in are let in: the claim `policies` lists its name.
    PolicyName,
    /// The role a sandbox's record gives it: the claim `role`.
    RoleName,
    /// A provider: a profile with credentials, attached to apps or sandboxes.
    ProviderName,
    /// A credential of a provider.
    CredentialName,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_the_alphabet_up_to_63_bytes() {
        for good in ["a", "A9", "a.b_c-d", "null", "a..b", &"x".repeat(63)] {
            assert!(SandboxId::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_component() {
        let long = "x".repeat(64);
        for (bad, why) in [
            ("", ComponentError::Empty),
            (long.as_str(), ComponentError::TooLong),
            (".", ComponentError::Edge),
            ("..", ComponentError::Edge),
            ("-rf", ComponentError::Edge),
            ("a.", ComponentError::Edge),
            ("a:b", ComponentError::Alphabet),
            ("a/b", ComponentError::Alphabet),
            ("../etc", ComponentError::Alphabet),
            ("%2e", ComponentError::Alphabet),
            ("a*", ComponentError::Alphabet),
            ("a?", ComponentError::Alphabet),
            ("a b", ComponentError::Alphabet),
            (" a", ComponentError::Alphabet),
            ("a\n", ComponentError::Alphabet),
            ("a\0", ComponentError::Alphabet),
            ("$(id)", ComponentError::Alphabet),
            ("{{7*7}}", ComponentError::Alphabet),
            ("\u{430}pp", ComponentError::Alphabet),
            ("a\u{200d}b", ComponentError::Alphabet),
            ("a\u{202e}b", ComponentError::Alphabet),
            ("e\u{301}", ComponentError::Alphabet),
        ] {
            assert_eq!(SandboxId::parse(bad), Err(why), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_keeps_every_byte(text in "\\PC{0,70}") {
            if let Ok(component) = AppName::parse(&text) {
                prop_assert_eq!(component.as_str(), text.as_str());
                prop_assert!(text.is_ascii() && !text.contains([':', '/', '*', '?', ' ']));
            }
        }
    }
}
