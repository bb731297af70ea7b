//! Ids of 128 random bits in 32 lower-case hexadecimal digits.
//!
//! Unique without a counter to keep, to restore from a backup or to share between two coordinators:
//! among 2^40 of them a repetition has a chance under 2^-48. They are read back from stores and from
//! the wire in exactly the form they are made in; upper case would be a second spelling of one id.

use std::fmt;

/// Digits of an id: four bits each.
const DIGITS: usize = 32;

/// Why a text is not a random id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is {DIGITS} lower-case hexadecimal digits")]
pub struct RandomIdError;

fn random_hex() -> Result<String, getrandom::Error> {
    use fmt::Write as _;
    let mut bytes = [0_u8; DIGITS / 2];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(DIGITS);
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    Ok(text)
}

fn check(text: &str) -> Result<(), RandomIdError> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == DIGITS && text.bytes().all(digit) { Ok(()) } else { Err(RandomIdError) }
}

macro_rules! random_id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A new one. Fails only where the operating system gives no random bytes.
            pub fn random() -> Result<Self, getrandom::Error> {
                random_hex().map(Self)
            }

            /// Reads one that was made before.
            pub fn parse(text: &str) -> Result<Self, RandomIdError> {
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = RandomIdError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                check(&text).map(|()| Self(text))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

random_id! {
    /// A `jti` (RFC 7519 section 4.1.7).
    TokenId,
    /// An app's immutable id: an app made again under an old name has another.
    AppUid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_128_bits_and_differ() {
        let (a, b) = (TokenId::random().unwrap(), TokenId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(TokenId::parse(a.as_str()), Ok(a));
    }

    #[test]
    fn only_the_form_they_are_made_in_is_read() {
        let good = "0123456789abcdef0123456789abcdef";
        let read = |text: &str| serde_json::from_value::<AppUid>(text.into());
        assert_eq!(read(good).unwrap().as_str(), good);
        let upper = good.to_uppercase();
        let longer = format!("{good}0");
        let outside = good.replace('f', "g");
        let blank = good.replace('0', " ");
        for bad in ["", "a", &upper, &longer, &outside, &blank, "0123456789abcdef0123456789abcde"] {
            assert_eq!(AppUid::parse(bad), Err(RandomIdError), "{bad}");
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
