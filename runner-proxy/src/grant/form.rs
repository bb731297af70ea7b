//! The forms that are sent to a token endpoint: these fields and no others.
//!
//! There is no `client_id`, since the assertion's subject names the client (RFC 7521 section 4.2), no secret, and no
//! parameter that is empty. They hold credentials and are wiped when dropped.

use moneyer_identity::grant::{BearerToken, TokenGrant, TokenType};
use zeroize::Zeroizing;

use super::assertion::Assertion;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Room for a form, so that one that grows leaves few unwiped copies: two tokens, escaped.
const BUFFER_BYTES: usize = 24 * 1024;

/// A form in the making.
struct Form(Zeroizing<String>);

/// With the assertion alone (RFC 7523 section 2.2).
pub(super) fn client_credentials(grant: &TokenGrant, assertion: &Assertion) -> Zeroizing<String> {
    let mut form = Form::begin(CLIENT_CREDENTIALS, grant, assertion);
    form.push_resource(grant);
    form.0
}

/// With the token on the user's behalf that is addressed to the sandbox (RFC 8693 section 2.1).
pub(super) fn token_exchange(
    grant: &TokenGrant,
    assertion: &Assertion,
    subject: &BearerToken,
) -> Zeroizing<String> {
    let mut form = Form::begin(TOKEN_EXCHANGE, grant, assertion);
    form.push("subject_token", subject.expose());
    // What the first stage gave is an access token, whatever the stored one was.
    form.push("subject_token_type", TokenType::ACCESS_TOKEN);
    form.push("requested_token_type", grant.requested_token_type.as_str());
    form.push_resource(grant);
    form.0
}

impl Form {
    fn begin(grant_type: &str, grant: &TokenGrant, assertion: &Assertion) -> Self {
        let mut form = Self(Zeroizing::new(String::with_capacity(BUFFER_BYTES)));
        form.push("grant_type", grant_type);
        form.push("client_assertion_type", grant.assertion_type.as_str());
        form.push("client_assertion", assertion.expose());
        form
    }

    fn push_resource(&mut self, grant: &TokenGrant) {
        if let Some(audience) = &grant.audience {
            self.push("audience", audience.as_str());
        }
        if let Some(scope) = grant.scope() {
            self.push("scope", &scope);
        }
    }

    fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                b' ' => self.0.push('+'),
                byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => {
                    self.0.push(char::from(byte));
                }
                byte => {
                    self.0.push('%');
                    for digit in [byte >> 4, byte & 0xf] {
                        let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                        self.0.push(digit.to_ascii_uppercase());
                    }
                }
            }
        }
    }
}
