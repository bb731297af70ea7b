//! `Debug` of the messages that hold a secret: their other fields, and a token, a key or a value of none of them.
//!
//! `build.rs` (`HOLD_SECRETS`) takes the generated one away from each of them.

use std::fmt;

use crate::{v1, workload};

macro_rules! shown {
    ($($message:ty: $($field:ident),*;)*) => {
        $(impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        })*
    };
}

shown! {
    v1::JoinRequest: ;
    v1::MintTokenResponse: expires_in_seconds, expires_at, key_id, token_id;
    v1::ExchangeSubjectTokenRequest: sandbox_id, provider, credential;
    v1::ExchangeSubjectTokenResponse: expires_in_seconds;
    v1::EnvironmentVariable: name;
    workload::X509svid: spiffe_id, hint;
    workload::Jwtsvid: spiffe_id, hint;
    workload::ValidateJwtsvidRequest: audience;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "canary";

    #[test]
    fn no_message_shows_the_secret_it_holds() {
        let secret = || SECRET.to_owned();
        let minted = v1::MintTokenResponse { token: secret(), ..Default::default() };
        let shown = [
            format!("{:?}", v1::JoinRequest { token: secret(), ..Default::default() }),
            format!("{:?}", v1::MintJwtSvidResponse { token: Some(minted), ..Default::default() }),
            format!(
                "{:?}",
                v1::ExchangeSubjectTokenRequest { jwt_svid: secret(), ..Default::default() }
            ),
            format!(
                "{:?}",
                v1::ExchangeSubjectTokenResponse { access_token: secret(), ..Default::default() }
            ),
            format!(
                "{:?}",
                v1::AttachSandboxResponse {
                    environment: vec![v1::EnvironmentVariable {
                        name: "HTTPS_PROXY".to_owned(),
                        value: secret()
                    }],
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                workload::X509svidResponse {
                    svids: vec![workload::X509svid {
                        x509_svid_key: secret().into_bytes(),
                        ..Default::default()
                    }],
                    ..Default::default()
                }
            ),
            format!("{:?}", workload::Jwtsvid { svid: secret(), ..Default::default() }),
            format!(
                "{:?}",
                workload::ValidateJwtsvidRequest { svid: secret(), ..Default::default() }
            ),
        ];
        let bytes = format!("{:?}", SECRET.as_bytes());
        for text in shown {
            assert!(
                !text.contains(SECRET) && !text.contains(bytes.trim_matches(['[', ']'])),
                "{text}"
            );
            assert!(text.contains(".."), "{text}");
        }
    }
}
