//! What is looked at, each under an id that never changes: why it matters, and what to do.
//!
//! The list is closed and is the table of docs/doctor.md; a test compares them.

macro_rules! checks {
    ($($name:ident = $id:literal, why $why:literal, advice $advice:literal;)*) => {
        /// One thing that is looked at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Check {
            $(
                #[doc = concat!("`", $id, "`")]
                $name,
            )*
        }

        impl Check {
            /// Every check, in the order they are told.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its id, which never changes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// Why it matters: who refuses, and with which words.
            #[must_use]
            pub fn why(self) -> &'static str {
                match self {
                    $(Self::$name => $why,)*
                }
            }

            /// What to do where it is not as it should be.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

checks! {
    Https = "https",
        why "AWS, Google Cloud and Azure take only https issuers; AWS says `No OpenIDConnect provider found in your account`.",
        advice "Serve the documents over https on port 443 and move the issuer to that address with `moneyer issuer move`.";
    Port = "port",
        why "AWS takes no port in an issuer and refuses to create the provider.",
        advice "Put a proxy or static hosting on port 443 and move the issuer to the address without a port with `moneyer issuer move`.";
    TrailingSlash = "trailing-slash",
        why "Relying parties compare `iss` byte for byte: AWS says `No OpenIDConnect provider found in your account`, Vault `issuer did not match`.",
        advice "Write the issuer without the slash, here and at every relying party.";
    Case = "case",
        why "AWS and Azure compare the issuer with its case: AADSTS700211, `No OpenIDConnect provider found in your account`.",
        advice "Write scheme and host in lower case, here and at every relying party.";
    Query = "query",
        why "OpenID Connect Discovery allows no query and no fragment in an issuer; AWS refuses the provider.",
        advice "Use a path instead, and move the issuer there with `moneyer issuer move`.";
    Dns = "dns",
        why "Whoever cannot look up the host gets no keys: AWS says `Couldn't retrieve verification key from your identity provider`, Azure AADSTS50166.",
        advice "Publish an A or AAAA record for the host in public DNS.";
    PrivateAddress = "private-address",
        why "Clouds fetch from the public internet and do not reach a private address: AWS says `Couldn't retrieve verification key from your identity provider`.",
        advice "Publish the two documents on a public host, or upload the key set where the relying party takes one (Google Cloud, Vault).";
    TlsChain = "tls-chain",
        why "A client that checks the certificate fetches nothing: AWS says `Couldn't retrieve verification key from your identity provider`, Azure AADSTS50166.",
        advice "Install a certificate for this host that has not ended, with its intermediate certificates. For a private root name it with --ca.";
    TlsRoot = "tls-root",
        why "Azure and Google Cloud trust public roots only. AWS takes a private one if its thumbprint is registered, and otherwise says `HTTPS certificate doesn't match configured thumbprint`.",
        advice "Get a certificate of a public authority, or register the thumbprint with the provider at AWS and name the root to Vault and Kubernetes.";
    Reachable = "reachable",
        why "Without the document no token can be verified: AWS says `Couldn't retrieve verification key from your identity provider`, Azure AADSTS50166.",
        advice "Let the public internet in on port 443, past firewalls and filters, and see that the server runs.";
    Redirect = "redirect",
        why "AWS follows no redirect: `Couldn't retrieve verification key from your identity provider`.",
        advice "Serve the document at this very address, or move the issuer to where it is served with `moneyer issuer move`.";
    Status = "status",
        why "Only 200 is an answer. AWS says `Couldn't retrieve verification key from your identity provider` for an error page of a bucket or proxy.",
        advice "Make the path public and let it lead to the document; take it out of log-ins, filters and rate limits.";
    ContentType = "content-type",
        why "OpenID Connect Discovery asks for application/json, and strict clients refuse anything else.",
        advice "Let the host send `Content-Type: application/json`; for static hosting set it with the upload.";
    Time = "time",
        why "AWS gives up after about 5 s: `Couldn't retrieve verification key from your identity provider`.",
        advice "Serve the document from memory or a static host close to the relying party, without a cold start.";
    Size = "size",
        why "Clients bound what they read; Moneyer's own take 128 KiB.",
        advice "Prune keys that nothing needs any more with `moneyer key prune`, and publish no certificates with them.";
    Json = "json",
        why "What is no JSON object cannot be read: AWS says `Couldn't retrieve verification key from your identity provider`.",
        advice "Publish the document as the coordinator serves it, byte for byte.";
    Issuer = "issuer",
        why "Every relying party compares it byte for byte with the issuer it was told: `No OpenIDConnect provider found in your account`, AADSTS700211, Vault `issuer did not match`.",
        advice "Register exactly the issuer that tokens name, or move the issuer to this URL with `moneyer issuer move`.";
    JwksUri = "jwks-uri",
        why "Relying parties find the keys by it: AWS says `Couldn't retrieve verification key from your identity provider`.",
        advice "Publish discovery as the coordinator serves it: `jwks_uri` is an https address that anybody can fetch.";
    JwksHost = "jwks-host",
        why "Keys on another host are as good as that host, and some relying parties refuse them.",
        advice "Serve the key set on the issuer's own host unless you mean it to be elsewhere.";
    ResponseTypes = "response-types",
        why "AWS needs `response_types_supported` with `id_token` to create a provider.",
        advice "Publish discovery as the coordinator serves it.";
    SubjectTypes = "subject-types",
        why "AWS needs `subject_types_supported` with `public` to create a provider.",
        advice "Publish discovery as the coordinator serves it.";
    Algorithms = "algorithms",
        why "OpenID Connect Discovery asks for RS256, and Azure verifies nothing else; whoever lists `none` invites unsigned tokens.",
        advice "Sign with RS256: set `keys.algorithm` and let the keys rotate. Take `none` out of the document.";
    Claims = "claims",
        why "AWS needs `claims_supported` with iss, sub, aud and iat to create a provider.",
        advice "Publish discovery as the coordinator serves it.";
    Cache = "cache",
        why "A key set that is cached for longer than a key is published before it signs lacks that key: tokens fail at the rotation. One that is never cached is fetched for every token, which AWS names as a cause of failures.",
        advice "Pass on `Cache-Control: public, max-age=…` as the coordinator sends it, with a max-age below `keys.publish_before_use`.";
    Clock = "clock",
        why "Google Cloud refuses an `iat` in the future, AWS and Azure forgive 5 minutes: AADSTS700024, `ExpiredTokenException`.",
        advice "Synchronise the clocks of this machine and of the host with NTP.";
    KeyCount = "key-count",
        why "AWS takes 1 to 100 keys of a type and fails that type beyond, Azure stores the first 100, some verifiers look at 10.",
        advice "Prune keys that nothing needs any more with `moneyer key prune`; give each issuer a key set of its own.";
    KeyId = "key-id",
        why "AWS finds a key by `kid` alone, and of two with one `kid` takes the later: `Couldn't retrieve verification key from your identity provider`.",
        advice "Publish every key with a `kid` of its own, as the coordinator does.";
    KeyMembers = "key-members",
        why "Google Cloud's upload takes only kty, alg, use, kid, n, e, x, y and crv.",
        advice "Publish the key set as the coordinator serves it, without members that a proxy or script added.";
    KeyOps = "key-ops",
        why "AWS fails a key that has `key_ops`, even where it says verify: `Couldn't retrieve verification key from your identity provider`.",
        advice "Take `key_ops` out of the key set and publish `use` = `sig` instead.";
    KeyUse = "key-use",
        why "AWS refuses a key that is not for signatures.",
        advice "Publish every key with `use` = `sig`.";
    KeyAlgorithm = "key-algorithm",
        why "AWS and Google Cloud take RS256 and ES256, Azure RS256; none of them nor Kubernetes takes EdDSA.",
        advice "Sign with RS256, or ES256 where every relying party takes it: set `keys.algorithm` and let the keys rotate.";
    KeySize = "key-size",
        why "An RSA key below 2048 bits is refused by every cloud.",
        advice "Replace the key with `moneyer key rotate`; Moneyer makes none below 2048 bits.";
    PrivateKey = "private-key",
        why "Whoever reads the key set can sign tokens of this issuer.",
        advice "Take the file away at once and withdraw the key with `moneyer key rotate --emergency`.";
    ActiveKey = "active-key",
        why "Tokens that are signed now name a key that nobody finds: AWS says `Couldn't retrieve verification key from your identity provider`.",
        advice "Publish the key set of the moment: upload it again, or empty the cache in front of it.";
    PreparedKey = "prepared-key",
        why "The next key is to be in every cache before it signs; tokens fail at the rotation otherwise.",
        advice "Publish the key set of the moment, and again whenever a key is prepared. Until then do not let the key sign.";
    RetiringKey = "retiring-key",
        why "Tokens that it signed are still alive and can no longer be verified.",
        advice "Publish the key set of the moment: upload it again, or empty the cache in front of it.";
    WithdrawnKey = "withdrawn-key",
        why "The key is out of its owner's hands, and relying parties go on taking its tokens.",
        advice "Publish the key set of the moment at once and empty every cache in front of it.";
    SubjectLength = "subject-length",
        why "Google Cloud takes subjects of up to 127 bytes, Snowflake 255, Azure 600; the exchange fails beyond.",
        advice "Shorten the names of the app or its sandboxes, or choose the subject form `app` for the audience; `moneyer audience check` says which apps fit.";
    Token = "token",
        why "It is what every relying party does with every token.",
        advice "Publish discovery and key set as the coordinator serves them. If it goes on, compare the clocks.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_its_own() {
        for (at, check) in Check::ALL.iter().enumerate() {
            let id = check.as_str();
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{id}");
            assert!(!Check::ALL[..at].iter().any(|other| other.as_str() == id), "{id}");
            assert!(check.why().ends_with('.') && check.advice().ends_with('.'), "{id}");
        }
    }
}
