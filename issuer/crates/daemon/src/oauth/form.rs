//! The forms that are sent to a token endpoint: these fields and no others.
//!
//! There is no `client_id`, since the assertion's subject names the client (RFC 7521 section 4.2), no secret, and no
//! parameter that is empty. They hold credentials and are wiped when dropped.

use std::fmt;

use moneyer_identity::grant::{AssertionType, BearerToken, TokenGrant, TokenType};
use zeroize::Zeroizing;

use super::assertion::ClientAssertion;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const REFRESH_TOKEN: &str = "refresh_token";

/// Room for a form, so that one that grows leaves few unwiped copies: two tokens, escaped.
const BUFFER_BYTES: usize = 24 * 1024;

/// A form. Wiped when dropped.
#[derive(Clone)]
pub struct Form(Zeroizing<String>);

/// A user's token that is to be addressed to somebody else (RFC 8693 section 2.1).
#[derive(Debug, Clone, Copy)]
pub struct Readdressing<'a> {
    /// The token.
    pub subject: &'a str,
    /// What it is.
    pub subject_type: &'a TokenType,
    /// What is asked for.
    pub requested_type: &'a TokenType,
    /// To whom it is to be addressed.
    pub audience: &'a str,
}

/// How a client says which one it is.
#[derive(Debug, Clone, Copy)]
pub enum Client<'a> {
    /// By an assertion.
    Asserted(&'a AssertionType, &'a ClientAssertion),
    /// By its name alone: a public client (RFC 6749 section 2.1).
    Named(&'a str),
}

impl Form {
    /// With the assertion alone (RFC 7523 section 2.2).
    #[must_use]
    pub fn client_credentials(grant: &TokenGrant, assertion: &ClientAssertion) -> Self {
        let mut form = Self::begin(CLIENT_CREDENTIALS);
        form.push_client(Client::Asserted(&grant.assertion_type, assertion));
        form.push_resource(grant);
        form
    }

    /// With the token on the user's behalf that is addressed to the sandbox (RFC 8693 section 2.1).
    #[must_use]
    pub fn token_exchange(
        grant: &TokenGrant,
        assertion: &ClientAssertion,
        subject: &BearerToken,
    ) -> Self {
        let mut form = Self::begin(TOKEN_EXCHANGE);
        form.push_client(Client::Asserted(&grant.assertion_type, assertion));
        form.push("subject_token", subject.expose());
        // What the first stage gave is an access token, whatever the stored one was.
        form.push("subject_token_type", TokenType::ACCESS_TOKEN);
        form.push("requested_token_type", grant.requested_token_type.as_str());
        form.push_resource(grant);
        form
    }

    /// With a user's own token, to have one that is addressed to a sandbox. No scope is asked for.
    #[must_use]
    pub fn readdressing(
        assertion: (&AssertionType, &ClientAssertion),
        asked: Readdressing<'_>,
    ) -> Self {
        let mut form = Self::begin(TOKEN_EXCHANGE);
        form.push_client(Client::Asserted(assertion.0, assertion.1));
        form.push("subject_token", asked.subject);
        form.push("subject_token_type", asked.subject_type.as_str());
        form.push("requested_token_type", asked.requested_type.as_str());
        form.push("audience", asked.audience);
        form
    }

    /// With a refresh token (RFC 6749 section 6). The scope stays what it was.
    #[must_use]
    pub fn refresh(client: Client<'_>, refresh_token: &str) -> Self {
        let mut form = Self::begin(REFRESH_TOKEN);
        form.push_client(client);
        form.push("refresh_token", refresh_token);
        form
    }

    fn begin(grant_type: &str) -> Self {
        let mut form = Self(Zeroizing::new(String::with_capacity(BUFFER_BYTES)));
        form.push("grant_type", grant_type);
        form
    }

    fn push_client(&mut self, client: Client<'_>) {
        match client {
            Client::Asserted(kind, assertion) => {
                self.push("client_assertion_type", kind.as_str());
                self.push("client_assertion", assertion.expose());
            }
            Client::Named(name) => self.push("client_id", name),
        }
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

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form(redacted)")
    }
}

impl AsRef<[u8]> for Form {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(form: &Form) -> &str {
        std::str::from_utf8(form.as_ref()).unwrap()
    }

    #[test]
    fn a_users_token_is_readdressed_with_exactly_these_fields() {
        let (kind, assertion) = (AssertionType::default(), ClientAssertion::new("a".to_owned()));
        let asked = Readdressing {
            subject: "user",
            subject_type: &TokenType::parse("urn:x:jwt").unwrap(),
            requested_type: &TokenType::default(),
            audience: "spiffe://td/sandbox/1",
        };
        let form = Form::readdressing((&kind, &assertion), asked);
        let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
            &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
            &client_assertion=a&subject_token=user&subject_token_type=urn%3Ax%3Ajwt\
            &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
            &audience=spiffe%3A%2F%2Ftd%2Fsandbox%2F1";
        assert_eq!(text(&form), expected);
    }

    #[test]
    fn a_refresh_names_the_client_by_an_assertion_or_by_its_name() {
        let named = Form::refresh(Client::Named("cli"), "r");
        assert_eq!(text(&named), "grant_type=refresh_token&client_id=cli&refresh_token=r");
        let kind = AssertionType::parse(AssertionType::JWT_SPIFFE).unwrap();
        let assertion = ClientAssertion::new("a".to_owned());
        let asserted = Form::refresh(Client::Asserted(&kind, &assertion), "r");
        let expected = "grant_type=refresh_token\
            &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe\
            &client_assertion=a&refresh_token=r";
        assert_eq!(text(&asserted), expected);
        assert_eq!(format!("{asserted:?}"), "Form(redacted)");
    }
}
