//! From sections to the authority's charter: the checks that need several keys at once.

use std::time::Duration;

use moneyer_authority::Charter;
use moneyer_authority::audiences::{AudiencePolicy, AudienceProfile, PolicyError};
use moneyer_authority::enrollment::CertificateLifetimes;
use moneyer_authority::exchange::{SubjectDomains, SubjectSources};
use moneyer_authority::keys::{KeyKinds, Schedule, ScheduleError};

use moneyer_authority::login::LoginPlan;
use moneyer_authority::management::ManagementPlan;
use moneyer_authority::registry::SystemWorkload;
use moneyer_authority::signer::KeyKind;
use moneyer_authority::svid::{RoundError, X509Plan};
use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::settings::{SettingsErrors, Source, Span};
use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{Audience, Lifetime, LifetimeRange, SubjectParts};

use crate::config::{Config, KeyAlgorithm, StoreBackend};

/// Smallest file of the audit log: fewer would be a file for each group of records.
const MINIMUM_ROTATE_BYTES: u64 = 64 * 1024;

/// Smallest reserve of the audit log: what may be in flight takes less.
const MINIMUM_RESERVE_BYTES: u64 = 1024 * 1024;

/// Shortest time between two looks or two copies: shorter is a loop without a pause.
const MINIMUM_INTERVAL: Span = Span::from_millis(10);

/// Shortest age at which a federated bundle is trusted no more: two fetches as far apart as they may be.
const MINIMUM_BUNDLE_AGE: Span = Span::from_secs(2 * 3600);

/// No token may live longer: keys stay published this long after their last signature.
const MAXIMUM_LIFETIME_SECONDS: u64 = 24 * 3600;

/// Whose proofs are taken.
struct Foreign {
    login: LoginPlan,
    subject_sources: SubjectSources,
    subject_domains: SubjectDomains,
    management: ManagementPlan,
}

impl Config {
    /// Reads, types and checks a configuration. Every error at once.
    pub fn load(source: &Source) -> Result<(Self, Charter), SettingsErrors> {
        let config: Self = moneyer_daemon::settings::load(source)?;
        let charter = config.charter(source)?;
        Ok((config, charter))
    }

    /// What the authority is for.
    fn charter(&self, source: &Source) -> Result<Charter, SettingsErrors> {
        let mut errors = SettingsErrors::default();
        let mut wrong = |key: &str, message: String| errors.push(source.position(key), message);
        let trust_domain = self.trust_domain().map_err(|text| wrong("spiffe.trust_domain", text));
        let lifetimes = self.lifetimes(&mut wrong);
        let schedule = self.schedule(&mut wrong);
        let key_kinds = self.key_kinds(&mut wrong);
        if key_kinds.is_none() {
            let message = format!(
                "{} bits is not a size for RSA keys; use 2048, 3072 or 4096",
                self.keys.bits
            );
            wrong("keys.bits", message);
        }
        if !matches!(self.listen.management, ListenAddress::Unix(_)) {
            let message =
                "must be a Unix socket (unix:/path): its callers are known by user id".to_owned();
            wrong("listen.management", message);
        }
        self.minimums(&mut wrong);
        self.store.check(&mut wrong);
        self.signer.check(&mut wrong);
        self.listeners(&mut wrong);
        for (key, url) in self.publish.urls() {
            if !url.is_plain() {
                wrong(
                    key,
                    "must have no query and no fragment: paths are appended to it".to_owned(),
                );
            }
        }
        let certificates = self.certificates(&mut wrong);
        let x509 = self.x509_plan(&mut wrong);
        // Of an unfit size nothing follows here: it is told already.
        let kinds = key_kinds.unwrap_or(KeyKinds::only(KeyKind::Rsa2048));
        let policy = lifetimes.and_then(|lifetimes| self.policy(lifetimes, kinds, &mut wrong));
        let login = lifetimes.and_then(|lifetimes| self.login.plan(&lifetimes, &mut wrong));
        self.exchange.check_remembered(&mut wrong);
        let plans = login.and_then(|login| self.foreign(login, &mut wrong));
        match (trust_domain, policy.zip(plans), key_kinds, schedule, x509) {
            (
                Ok(trust_domain),
                Some((policy, plans)),
                Some(key_kinds),
                Some(schedule),
                Some(x509),
            ) if errors.is_empty() => Ok(Charter {
                issuer: self.issuer.url.clone(),
                trust_domain_is_named: self.spiffe.trust_domain.is_some(),
                parts: SubjectParts {
                    organization: self.issuer.organization_id.clone(),
                    cluster: self.issuer.cluster_id.clone(),
                    trust_domain,
                },
                spiffe_ids: self.spiffe.id.clone().unwrap_or_default(),
                key_set_path: self.issuer.jwks_path.as_str().to_owned(),
                policy,
                system_workloads: self.workloads(),
                key_kinds,
                x5c: self.keys.x5c,
                maximum_bundle_age: self.federation.maximum_age.duration(),
                schedule,
                x509,
                login: plans.login,
                assertion_audiences: self.grants.assertion_audiences.clone(),
                subject_sources: plans.subject_sources,
                subject_domains: plans.subject_domains,
                management: plans.management,
                certificates,
            }),
            _ => Err(errors),
        }
    }

    /// What does not fit together of the listeners, and of what is said of them.
    fn listeners(&self, wrong: &mut impl FnMut(&str, String)) {
        let listen = &self.listen;
        listen.check_public(&self.issuer.url, wrong);
        if self.store.backend == StoreBackend::Postgres {
            listen.acme.check_shared(wrong);
        }
        listen.check_shared("listen.exchange", listen.exchange.as_ref(), wrong);
        listen.check_shared("listen.management_remote", listen.management_remote.as_ref(), wrong);
        self.exchange.check_public_url(listen.exchange.is_some(), wrong);
    }

    /// Whose proofs are taken, and for what.
    fn foreign(&self, login: LoginPlan, wrong: &mut impl FnMut(&str, String)) -> Option<Foreign> {
        let subject_sources = self.exchange.sources(wrong);
        let subject_domains = self.exchange.domains(&login, wrong);
        let subject_sources = subject_sources?;
        let taken = |audience: &Audience| self.exchange.takes(audience);
        let management = self.management.plan(&subject_sources, taken, wrong);
        let (subject_domains, management) = subject_domains.zip(management)?;
        Some(Foreign { login, subject_sources, subject_domains, management })
    }

    /// Which audiences may be asked for.
    fn policy(
        &self,
        lifetimes: LifetimeRange,
        kinds: KeyKinds,
        wrong: &mut impl FnMut(&str, String),
    ) -> Option<AudiencePolicy> {
        let profiles = self.profiles(&lifetimes, kinds, wrong);
        let policy = AudiencePolicy::new(
            &self.issuer.url,
            self.tokens.default_audience.clone(),
            lifetimes,
            self.tokens.maximum_audiences,
            profiles,
        );
        let refused = |error: PolicyError| {
            let key = match error {
                PolicyError::Maximum => "tokens.maximum_audiences",
                _ => "audience",
            };
            wrong(key, error.to_string());
        };
        policy.map_err(refused).ok()
    }

    /// What would be a loop without a pause, or a file for each record.
    fn minimums(&self, wrong: &mut impl FnMut(&str, String)) {
        for (key, bytes, minimum) in [
            ("audit.rotate_bytes", self.audit.rotate_bytes, MINIMUM_ROTATE_BYTES),
            ("audit.reserve_bytes", self.audit.reserve_bytes, MINIMUM_RESERVE_BYTES),
        ] {
            if bytes < minimum {
                wrong(key, format!("must be at least {minimum}"));
            }
        }
        for (key, interval) in [
            ("publish.every", self.publish.every),
            ("publish.verify_every", self.publish.verify_every),
        ] {
            if interval < MINIMUM_INTERVAL {
                wrong(key, format!("must be at least {MINIMUM_INTERVAL}"));
            }
        }
        if self.federation.maximum_age < MINIMUM_BUNDLE_AGE {
            wrong("federation.maximum_age", format!("must be at least {MINIMUM_BUNDLE_AGE}"));
        }
    }

    fn trust_domain(&self) -> Result<TrustDomain, String> {
        if let Some(trust_domain) = &self.spiffe.trust_domain {
            return Ok(trust_domain.clone());
        }
        let host = self.issuer.url.host();
        TrustDomain::parse(host).map_err(|error| {
            format!("is needed, since the issuer's host {host} cannot be one ({error})")
        })
    }

    fn lifetimes(&self, wrong: &mut impl FnMut(&str, String)) -> Option<LifetimeRange> {
        let tokens = &self.tokens;
        if tokens.maximum_lifetime.as_secs() > MAXIMUM_LIFETIME_SECONDS {
            wrong("tokens.maximum_lifetime", "may be at most 24h".to_owned());
            return None;
        }
        let range = LifetimeRange::new(
            lifetime(tokens.minimum_lifetime),
            lifetime(tokens.default_lifetime),
            lifetime(tokens.maximum_lifetime),
        );
        range.map_err(|error| wrong("tokens.default_lifetime", error.to_string())).ok()
    }

    fn profiles(
        &self,
        lifetimes: &LifetimeRange,
        kinds: KeyKinds,
        wrong: &mut impl FnMut(&str, String),
    ) -> Vec<AudienceProfile> {
        let mut profiles = Vec::with_capacity(self.audiences.len());
        for (index, section) in self.audiences.iter().enumerate() {
            match section.spec().resolve(lifetimes, kinds) {
                Ok(profile) => profiles.push(profile),
                Err(error) => {
                    wrong(&format!("audience[{index}].{}", error.key()), error.to_string());
                }
            }
        }
        profiles
    }

    fn schedule(&self, wrong: &mut impl FnMut(&str, String)) -> Option<Schedule> {
        let max_age = duration(self.keys.max_age);
        let before_use = self.keys.publish_before_use.map(duration);
        let schedule = Schedule::new(
            duration(self.keys.rotate_every),
            before_use.unwrap_or_else(|| Schedule::default_publish_before_use(max_age)),
            max_age,
            duration(self.tokens.maximum_lifetime),
        );
        let lines = if self.keys.second_algorithm.is_some() { 2 } else { 1 };
        let schedule = schedule.and_then(|schedule| schedule.for_lines(lines));
        let key = |error: &ScheduleError| match error {
            ScheduleError::ShorterThanCache { .. } => "keys.publish_before_use",
            ScheduleError::CachedTooLong => "keys.max_age",
            ScheduleError::TooOften | ScheduleError::TooManyKeys { .. } => "keys.rotate_every",
        };
        schedule.map_err(|error| wrong(key(&error), error.to_string())).ok()
    }

    fn x509_plan(&self, wrong: &mut impl FnMut(&str, String)) -> Option<X509Plan> {
        let spiffe = &self.spiffe;
        let lifetime = X509Plan::check_lifetime(duration(spiffe.x509_svid_lifetime))
            .map_err(|error| wrong("spiffe.x509_svid_lifetime", error.to_string()));
        // Of an unfit life nothing follows for the round: it is told already.
        let plan = X509Plan::new(
            lifetime.unwrap_or(Duration::from_secs(60)),
            duration(spiffe.ca_rotate_every),
            duration(spiffe.ca_publish_before_use),
        );
        let plan = plan.map_err(|error| {
            let key = match error {
                RoundError::PublishBeforeUse => "spiffe.ca_publish_before_use",
                RoundError::RotateEvery | RoundError::TooMany { .. } => "spiffe.ca_rotate_every",
            };
            wrong(key, error.to_string());
        });
        lifetime.and(plan).ok()
    }

    fn certificates(&self, wrong: &mut impl FnMut(&str, String)) -> CertificateLifetimes {
        let mut lifetimes = CertificateLifetimes::default();
        let member = duration(self.enrollment.member_certificate_lifetime);
        match lifetimes.with_member(member) {
            Ok(fits) => lifetimes = fits,
            Err(error) => wrong("enrollment.member_certificate_lifetime", error.to_string()),
        }
        let coordinator = duration(self.enrollment.coordinator_certificate_lifetime);
        match lifetimes.with_coordinator(coordinator) {
            Ok(fits) => lifetimes = fits,
            Err(error) => wrong("enrollment.coordinator_certificate_lifetime", error.to_string()),
        }
        lifetimes
    }

    fn key_kinds(&self, wrong: &mut impl FnMut(&str, String)) -> Option<KeyKinds> {
        let second = self.keys.second_algorithm;
        if second == Some(self.keys.algorithm) {
            let message =
                "is that of keys.algorithm; name the other one, or leave it out".to_owned();
            wrong("keys.second_algorithm", message);
        }
        let primary = self.key_kind(self.keys.algorithm)?;
        let second = match second {
            Some(second) => Some(self.key_kind(second)?),
            None => None,
        };
        Some(KeyKinds { primary, second })
    }

    fn key_kind(&self, algorithm: KeyAlgorithm) -> Option<KeyKind> {
        match (algorithm, self.keys.bits) {
            (KeyAlgorithm::ES256, _) => Some(KeyKind::P256),
            (KeyAlgorithm::RS256, 2048) => Some(KeyKind::Rsa2048),
            (KeyAlgorithm::RS256, 3072) => Some(KeyKind::Rsa3072),
            (KeyAlgorithm::RS256, 4096) => Some(KeyKind::Rsa4096),
            (KeyAlgorithm::RS256, _) => None,
        }
    }

    fn workloads(&self) -> Vec<SystemWorkload> {
        let workload = |section: &crate::config::SystemWorkloadSection| SystemWorkload {
            name: section.name.clone(),
            on_runners: section.on_runners,
        };
        self.system_workloads.iter().map(workload).collect()
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_secs(span.as_secs())
}

/// A length of time as that of a token.
pub(super) fn lifetime(span: Span) -> Lifetime {
    Lifetime::from_seconds(u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let text = format!("issuer.url = 'https://id.example.com'\n{text}");
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
        let errors = Config::load(&source).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_needs_several_keys_is_told_at_the_key_to_change() {
        let text = "\
tokens.minimum_lifetime = '1h'
tokens.default_lifetime = '10m'
keys.bits = 1024
listen.management = '127.0.0.1:1'
audit.rotate_bytes = 65535
audit.reserve_bytes = 1048575
enrollment.member_certificate_lifetime = '19s'
enrollment.coordinator_certificate_lifetime = '91d'
spiffe.x509_svid_lifetime = '59s'
spiffe.ca_rotate_every = '366d'
";
        let expected = [
            "moneyer.toml:3:8: tokens.default_lifetime: the minimum, default and maximum lifetime must be in that order",
            "moneyer.toml:4:6: keys.bits: 1024 bits is not a size for RSA keys; use 2048, 3072 or 4096",
            "moneyer.toml:5:8: listen.management: must be a Unix socket (unix:/path): its callers are known by user id",
            "moneyer.toml:6:7: audit.rotate_bytes: must be at least 65536",
            "moneyer.toml:7:7: audit.reserve_bytes: must be at least 1048576",
            "moneyer.toml:8:12: enrollment.member_certificate_lifetime: a certificate of the cluster lives from 20 s to 90 days",
            "moneyer.toml:9:12: enrollment.coordinator_certificate_lifetime: a certificate of the cluster lives from 20 s to 90 days",
            "moneyer.toml:10:8: spiffe.x509_svid_lifetime: an X.509-SVID lives from 60 s to 24 h",
            "moneyer.toml:11:8: spiffe.ca_rotate_every: an authority of SVIDs signs from 1 s to 365 days",
        ];
        assert_eq!(errors(text), expected);
    }

    #[test]
    fn a_store_in_a_database_needs_its_url_and_time_to_answer() {
        let text = "\
store.backend = 'postgres'
store.connections = 1
store.timeout = '99ms'
store.poll_every = '0s'
";
        let expected = [
            "moneyer.toml:2:1: store.url_file: is needed with store.backend = \"postgres\": a file with the database's URL",
            "moneyer.toml:3:7: store.connections: must be from 2 to 64",
            "moneyer.toml:4:7: store.timeout: must be at least 100ms",
            "moneyer.toml:5:7: store.poll_every: must be at least 100ms",
        ];
        assert_eq!(errors(text), expected);
        assert_eq!(errors("store.connections = 65").len(), 1);
        for connections in [2, 64] {
            assert!(loads(&format!("store.connections = {connections}\nstore.timeout = '100ms'")));
        }
    }

    // Case 168.
    #[test]
    fn a_schedule_that_would_break_relying_parties_is_refused() {
        let text = "\
keys.publish_before_use = '59m'
keys.rotate_every = '30d'
";
        let expected = [
            "moneyer.toml:2:6: keys.publish_before_use: is shorter than keys.max_age (3600 s): relying parties would refuse tokens of a key that their cached key set does not have yet; use at least that, or 0s to switch it off",
        ];
        assert_eq!(errors(text), expected);
        let long = errors("keys.max_age = '25h'");
        assert!(long[0].contains("keys.max_age: is longer than a day"), "{long:?}");
        let same = errors("keys.second_algorithm = 'RS256'");
        assert!(same[0].contains("keys.second_algorithm: is that of keys.algorithm"), "{same:?}");
        let both = "keys.second_algorithm = 'ES256'\nkeys.rotate_every = '90m'\n";
        let full = errors(both);
        assert!(full[0].contains("keys.rotate_every: would keep"), "{full:?}");
        let often = errors("keys.rotate_every = '20s'");
        assert!(often[0].contains("keys.rotate_every: would keep"), "{often:?}");
    }

    #[test]
    fn authorities_of_svids_change_no_faster_than_the_bundle_holds() {
        let full = errors("spiffe.ca_rotate_every = '30s'");
        let [full] = full.as_slice() else { panic!("{full:?}") };
        assert!(full.contains("spiffe.ca_rotate_every: would keep"), "{full}");
        assert!(full.contains("lower spiffe.ca_publish_before_use"), "{full}");
        assert!(loads(
            "spiffe.ca_rotate_every = '30s'\nspiffe.ca_publish_before_use = '10s'\nspiffe.x509_svid_lifetime = '5m'"
        ));
        assert!(loads("spiffe.ca_rotate_every = '365d'\nspiffe.x509_svid_lifetime = '24h'"));
        let long = errors("spiffe.ca_publish_before_use = '366d'");
        assert!(
            long[0].contains("spiffe.ca_publish_before_use: an authority of SVIDs"),
            "{long:?}"
        );
        let both = errors("spiffe.x509_svid_lifetime = '25h'\nspiffe.ca_rotate_every = '0s'");
        assert_eq!(both.len(), 2, "{both:?}");
    }

    #[test]
    fn an_audience_is_told_by_its_place_in_the_list() {
        let text = "
[[audience]]
name = 'good'
value = 'good'

[[audience]]
name = 'long'
value = 'long'
maximum_lifetime = '25h'

[[audience]]
name = 'short'
value = 'short'
default_lifetime = '1s'
";
        let expected = [
            "moneyer.toml:10:1: audience[1].maximum_lifetime: may not exceed tokens.maximum_lifetime",
            "moneyer.toml:15:1: audience[2].default_lifetime: the minimum, default and maximum lifetime must be in that order",
        ];
        assert_eq!(errors(text), expected);
    }

    #[test]
    fn plain_http_leaves_this_machine_only_where_it_is_said() {
        let plain =
            |address: &str, more: &str| errors(&format!("listen.public = '{address}'\n{more}"));
        let refused = |address: &str| {
            vec![format!(
                "moneyer.toml:2:8: listen.public: {address} would hand plain HTTP to other machines, and the \
                 issuer is https: name a certificate (listen.public_tls.certificate and .key, or listen.acme), or, behind an \
                 ingress or a proxy that speaks https, say so (listen.public_plain = \"behind_proxy\")"
            )]
        };
        for address in ["0.0.0.0:8480", "10.0.0.1:443", "[::]:8480", "[::ffff:10.0.0.1]:80"] {
            assert_eq!(plain(address, ""), refused(address));
            assert!(loads(&format!("listen.public = '{address}'\n{BEHIND_PROXY}")));
            assert!(loads(&format!("listen.public = '{address}'\n{PAIR}")));
        }
        for address in ["127.0.0.1:8480", "127.9.9.9:1", "[::1]:0", "unix:/run/a.sock"] {
            assert!(loads(&format!("listen.public = '{address}'")), "{address}");
        }
        assert!(loads(""));
        let local = "issuer.url = 'http://127.0.0.1:1'\nlisten.public = '0.0.0.0:1'";
        Config::load(&Source::from_parts("moneyer.toml", local, "MONEYER", &[])).unwrap();
    }

    const BEHIND_PROXY: &str = "listen.public_plain = 'behind_proxy'";
    const PAIR: &str = "listen.public_tls = { certificate = '/a', key = '/b' }";

    fn loads(text: &str) -> bool {
        let text = format!("issuer.url = 'https://id.example.com'\n{text}");
        Config::load(&Source::from_parts("moneyer.toml", &text, "MONEYER", &[])).is_ok()
    }

    #[test]
    fn clients_are_sent_to_an_exchange_that_there_is() {
        let url = "exchange.public_url = 'https://exchange.example.com'";
        assert!(loads(&format!("{url}\nlisten.exchange = '127.0.0.1:8481'")));
        assert_eq!(
            errors(url),
            [
                "moneyer.toml:2:10: exchange.public_url: says where clients reach listen.exchange, and nothing listens \
                 there: name an address in listen.exchange"
            ]
        );
        let listen = "listen.exchange = '127.0.0.1:8481'";
        for bad in ["http://exchange.example.com", "https://exchange.example.com/", "exchange"] {
            assert!(!loads(&format!("{listen}\nexchange.public_url = '{bad}'")), "{bad}");
        }
    }

    #[test]
    fn a_certificate_has_a_key_and_no_plain_http_beside_it() {
        assert_eq!(
            errors("listen.public_tls.certificate = '/a'"),
            ["moneyer.toml:2:8: listen.public_tls.key: is needed beside the certificate"]
        );
        assert_eq!(
            errors("listen.public_tls.key = '/a'"),
            ["moneyer.toml:2:8: listen.public_tls.certificate: is needed beside the key"]
        );
        assert_eq!(
            errors(&format!("{PAIR}\n{BEHIND_PROXY}")),
            [
                "moneyer.toml:3:8: listen.public_plain: says plain HTTP, and the certificate says https; remove one of them"
            ]
        );
    }

    #[test]
    fn what_an_acme_server_needs_is_told_key_by_key() {
        let good = "listen.acme = { directory = 'https://acme.example/d', accept_terms = true }";
        assert!(loads(good));
        assert!(loads(&format!("{good}\nlisten.public = '0.0.0.0:443'")));
        let told = |text: &str| errors(text).join("\n");
        let half =
            told("listen.acme = { directory = 'http://a', contacts = ['mailto:a@b', 'a@b'] }");
        for key in [
            "acme.directory: is needed",
            "acme.accept_terms: must be true",
            "acme.contacts[1]: must be",
        ] {
            assert!(half.contains(&format!("listen.{key}")), "{half}");
        }
        for (beside, expected) in [
            (PAIR, "listen.acme: listen.public_tls names certificate files"),
            (BEHIND_PROXY, "listen.public_plain: says plain HTTP, and the certificate"),
            ("listen.public = 'unix:/a'", "listen.public: must be a TCP address"),
        ] {
            let told = told(&format!("{good}\n{beside}"));
            assert!(told.contains(expected), "{told}");
        }
        for issuer in ["https://192.0.2.1", "http://127.0.0.1:1"] {
            let text =
                format!("issuer.url = '{issuer}'\nspiffe.trust_domain = 'a.example'\n{good}");
            let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
            let refused = Config::load(&source).unwrap_err().to_string();
            assert!(refused.contains("no ACME server can issue for"), "{refused}");
        }
    }

    #[test]
    fn an_acme_server_is_asked_by_one_coordinator_alone() {
        let acme = "listen.acme = { directory = 'https://acme.example/d', accept_terms = true }";
        let several = "store = { backend = 'postgres', url_file = '/a' }";
        let told = errors(&format!("{several}\n{acme}")).join("\n");
        for part in [
            "moneyer.toml:3:8: listen.acme: ",
            "listen.public_plain = \"behind_proxy\"",
            "listen.public_tls",
            "store.backend = \"sled\"",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(loads(&format!("{several}\n{PAIR}")));
        assert!(loads(&format!("{several}\n{BEHIND_PROXY}")));
    }

    #[test]
    fn an_issuer_that_can_be_no_trust_domain_needs_one() {
        let source = |text| Source::from_parts("moneyer.toml", text, "MONEYER", &[]);
        let text = "issuer.url = 'http://[::1]:8480'";
        let refused = Config::load(&source(text)).unwrap_err().to_string();
        assert!(refused.contains("spiffe.trust_domain: is needed"), "{refused}");
        let named = format!("{text}\nspiffe.trust_domain = 'cluster.local'");
        let (_, charter) = Config::load(&source(&named)).unwrap();
        assert_eq!(charter.parts.trust_domain.as_str(), "cluster.local");
    }
}
