//! Every metric of the coordinator, in one place.
//!
//! Names begin with `moneyer_`. Labels have few values, from enums or put by operators: never a sandbox, a
//! subject, an audience or a token.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::PrometheusHandle;
use moneyer_audit::{FileAudit, Written};
use moneyer_authority::Authority;
use moneyer_authority::keys::KeyState;
use moneyer_authority::mint::MintError;
use moneyer_authority::svid::{SvidError, X509Svid};
use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{ErrorClass, MintedToken};
use tokio::time::Instant;

use crate::kubernetes::API_SERVER_ANSWERS;
use crate::public_tls::PublicCertificate;
use crate::rates::Rates;

const MINTED: &str = "moneyer_tokens_minted_total";
const REFUSED: &str = "moneyer_tokens_refused_total";
const MINT_SECONDS: &str = "moneyer_mint_seconds";
const SANDBOXES: &str = "moneyer_sandboxes";
const GENERATION: &str = "moneyer_store_generation";
const KEYS: &str = "moneyer_keys";
const SVIDS: &str = "moneyer_x509_svids_signed_total";
const SVIDS_REFUSED: &str = "moneyer_x509_svids_refused_total";
const X509_AUTHORITIES: &str = "moneyer_x509_authorities";
const LOGINS: &str = "moneyer_logins_total";
const LOGINS_REFUSED: &str = "moneyer_logins_refused_total";
const READDRESSED: &str = "moneyer_subject_tokens_readdressed_total";
const READDRESSED_REFUSED: &str = "moneyer_subject_tokens_refused_total";
const EXCHANGES: &str = "moneyer_exchanges_total";
const EXCHANGES_REFUSED: &str = "moneyer_exchanges_refused_total";
const EXCHANGE_SECONDS: &str = "moneyer_exchange_seconds";
const REVIEWS: &str = "moneyer_token_reviews_total";
const REVIEW_SECONDS: &str = "moneyer_token_review_seconds";
const REVIEW_ANSWERS: &str = "moneyer_token_review_answers_total";
const AUDIT_RECORDS: &str = "moneyer_audit_records_total";
const AUDIT_SYNCS: &str = "moneyer_audit_syncs_total";
const AUDIT_FAILURES: &str = "moneyer_audit_failures_total";
const AUDIT_SEQUENCE: &str = "moneyer_audit_sequence";
const AUDIT_GROUP: &str = "moneyer_audit_records_per_sync";
const SIGNER_UP: &str = "moneyer_signer_up";
const CLOCK_SOUND: &str = "moneyer_clock_sound";
const PUBLISHED: &str = "moneyer_published";
const PUBLIC_NOT_AFTER: &str = "moneyer_public_certificate_not_after_seconds";

/// A label that operators name: as many values as there are federations, 64 at most.
const BUNDLE_AGE: &str = "moneyer_federation_bundle_age_seconds";

/// The coordinator's metrics, registered once.
#[derive(Clone)]
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    minted: Counter,
    mint_seconds: Histogram,
    refused: [(ErrorClass, Counter); 8],
    sandboxes: Gauge,
    generation: Gauge,
    keys: [(KeyState, Gauge); 4],
    svids: Counter,
    svids_refused: [(ErrorClass, Counter); 8],
    x509_authorities: [(KeyState, Gauge); 4],
    exchanges: Counter,
    exchanges_refused: [(ErrorClass, Counter); 8],
    exchange_seconds: Histogram,
    reviews: [(Reviewed, Counter); 3],
    review_seconds: Histogram,
    review_answers: [(AnsweredBy, Counter); 3],
    logins: Counter,
    logins_refused: [(ErrorClass, Counter); 8],
    readdressed: Counter,
    readdressed_refused: [(ErrorClass, Counter); 8],
    clock_sound: Gauge,
    published: Gauge,
    /// Trust domains with a gauge, also when they are federated no more.
    federated: Arc<Mutex<BTreeSet<TrustDomain>>>,
    audit: AuditMetrics,
    /// Of a public listener with TLS of its own.
    public: Option<(PublicCertificate, Gauge)>,
    rates: Rates,
}

/// What an API server said of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reviewed {
    /// Whose it is.
    Authenticated,
    /// That it is nobody's.
    Refused,
    /// Nothing.
    Failed,
}

impl Reviewed {
    const ALL: [Self; 3] = [Self::Authenticated, Self::Refused, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Where an answer about a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnsweredBy {
    /// It was given a moment ago.
    Memory,
    /// Somebody else asks the same at this moment.
    SameQuestion,
    /// The API server is asked.
    ApiServer,
}

impl AnsweredBy {
    const ALL: [Self; 3] = [Self::Memory, Self::SameQuestion, Self::ApiServer];

    fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::SameQuestion => "same_question",
            Self::ApiServer => "api_server",
        }
    }
}

/// What was recorded.
#[derive(Clone)]
struct AuditMetrics {
    log: Option<Arc<FileAudit>>,
    records: Counter,
    syncs: Counter,
    failures: Counter,
    sequence: Gauge,
    group: Gauge,
}

impl AuditMetrics {
    fn new(log: Option<Arc<FileAudit>>) -> Self {
        describe_counter!(AUDIT_RECORDS, "Audit records made durable");
        describe_counter!(
            AUDIT_SYNCS,
            "Syncs of the audit log; each serves every record that waits"
        );
        describe_counter!(AUDIT_FAILURES, "Writes and syncs of the audit log that failed");
        describe_gauge!(AUDIT_SEQUENCE, "Number of the last durable audit record");
        describe_gauge!(AUDIT_GROUP, "Audit records a sync has served on average since the start");
        Self {
            log,
            records: counter!(AUDIT_RECORDS),
            syncs: counter!(AUDIT_SYNCS),
            failures: counter!(AUDIT_FAILURES),
            sequence: gauge!(AUDIT_SEQUENCE),
            group: gauge!(AUDIT_GROUP),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
    fn observe(&self) {
        let Some(log) = &self.log else { return };
        let written = log.written();
        self.records.absolute(written.records);
        self.syncs.absolute(written.groups);
        self.failures.absolute(written.failures);
        self.sequence.set(written.sequence as f64);
        self.group.set(written.records as f64 / written.groups.max(1) as f64);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// What each metric is, for who reads them.
fn describe() {
    describe_counter!(MINTED, "Tokens minted");
    describe_counter!(REFUSED, "Tokens refused, by the class of the refusal");
    describe_histogram!(MINT_SECONDS, Unit::Seconds, "Time from request to token");
    describe_gauge!(SANDBOXES, "Sandboxes placed");
    describe_gauge!(GENERATION, "Generation of the store");
    describe_gauge!(KEYS, "Keys in the ring, by state");
    describe_counter!(SVIDS, "X.509-SVIDs signed");
    describe_counter!(SVIDS_REFUSED, "X.509-SVIDs refused, by the class of the refusal");
    describe_gauge!(X509_AUTHORITIES, "Authorities of X.509-SVIDs, by state");
    describe_counter!(LOGINS, "Workloads let in by an SVID");
    describe_counter!(LOGINS_REFUSED, "Log-ins refused, by the class of the refusal");
    describe_counter!(READDRESSED, "Users' tokens readdressed to sandboxes and handed to runners");
    describe_counter!(
        READDRESSED_REFUSED,
        "Users' tokens not handed out, by the class of the refusal"
    );
    describe_counter!(EXCHANGES, "Tokens given in exchange");
    describe_counter!(EXCHANGES_REFUSED, "Exchanges refused, by the class of the refusal");
    describe_histogram!(
        EXCHANGE_SECONDS,
        Unit::Seconds,
        "Time from an exchange's request to its token"
    );
    describe_gauge!(
        SIGNER_UP,
        "1 while the keeper of a key that signs and is not in the coordinator works, else 0"
    );
    describe_counter!(REVIEWS, "Questions to API servers about tokens, by what came of them");
    describe_histogram!(
        REVIEW_SECONDS,
        Unit::Seconds,
        "Time from a question to an API server to its answer"
    );
    describe_counter!(REVIEW_ANSWERS, "Tokens that an API server decides, by who answers");
    describe_gauge!(
        API_SERVER_ANSWERS,
        "1 while the API server of a cluster answered the last question, else 0"
    );
    describe_gauge!(CLOCK_SOUND, "1 while the clock can be trusted, else 0: nothing is minted");
    describe_gauge!(
        PUBLISHED,
        "1 while every copy is written and relying parties are seen to be served every key, else 0"
    );
    describe_gauge!(
        BUNDLE_AGE,
        Unit::Seconds,
        "Age of the bundle of a federated trust domain that was fetched last; NaN where there is none"
    );
}

impl Metrics {
    /// Describes and registers the metrics with the recorder behind the handle.
    pub(crate) fn new(handle: PrometheusHandle, audit: Option<Arc<FileAudit>>) -> Self {
        describe();
        let refused = |class: ErrorClass| (class, counter!(REFUSED, "class" => class.as_str()));
        let keys = |state: KeyState| (state, gauge!(KEYS, "state" => state.as_str()));
        let svids_refused =
            |class: ErrorClass| (class, counter!(SVIDS_REFUSED, "class" => class.as_str()));
        let exchanges_refused =
            |class: ErrorClass| (class, counter!(EXCHANGES_REFUSED, "class" => class.as_str()));
        let logins_refused =
            |class: ErrorClass| (class, counter!(LOGINS_REFUSED, "class" => class.as_str()));
        let readdressed_refused =
            |class: ErrorClass| (class, counter!(READDRESSED_REFUSED, "class" => class.as_str()));
        let authorities =
            |state: KeyState| (state, gauge!(X509_AUTHORITIES, "state" => state.as_str()));
        Self {
            handle,
            minted: counter!(MINTED),
            mint_seconds: histogram!(MINT_SECONDS),
            refused: ErrorClass::ALL.map(refused),
            sandboxes: gauge!(SANDBOXES),
            generation: gauge!(GENERATION),
            keys: KeyState::ALL.map(keys),
            svids: counter!(SVIDS),
            svids_refused: ErrorClass::ALL.map(svids_refused),
            x509_authorities: KeyState::ALL.map(authorities),
            exchanges: counter!(EXCHANGES),
            exchanges_refused: ErrorClass::ALL.map(exchanges_refused),
            exchange_seconds: histogram!(EXCHANGE_SECONDS),
            reviews: Reviewed::ALL
                .map(|outcome| (outcome, counter!(REVIEWS, "outcome" => outcome.as_str()))),
            review_seconds: histogram!(REVIEW_SECONDS),
            review_answers: AnsweredBy::ALL
                .map(|who| (who, counter!(REVIEW_ANSWERS, "by" => who.as_str()))),
            logins: counter!(LOGINS),
            logins_refused: ErrorClass::ALL.map(logins_refused),
            readdressed: counter!(READDRESSED),
            readdressed_refused: ErrorClass::ALL.map(readdressed_refused),
            audit: AuditMetrics::new(audit),
            clock_sound: gauge!(CLOCK_SOUND),
            published: gauge!(PUBLISHED),
            federated: Arc::default(),
            public: None,
            rates: Rates::since(Instant::now()),
        }
    }

    /// Tells of the public listener's certificate too.
    pub(crate) fn with_public_certificate(
        mut self,
        certificate: Option<PublicCertificate>,
    ) -> Self {
        self.public = certificate.map(|certificate| {
            describe_gauge!(
                PUBLIC_NOT_AFTER,
                "Unix time at which the public listener's certificate ends"
            );
            (certificate, gauge!(PUBLIC_NOT_AFTER))
        });
        self
    }

    /// How minting ended, at whichever edge; the request came at `since`.
    pub(crate) fn minted(&self, since: Instant, outcome: &Result<MintedToken, MintError>) {
        let now = Instant::now();
        self.rates.note(now, outcome.as_ref().map(drop).map_err(MintError::class));
        match outcome {
            Ok(_) => {
                self.minted.increment(1);
                self.mint_seconds.record(now.duration_since(since));
            }
            Err(error) => count(&self.refused, error.class()),
        }
    }

    /// How the signing of an X.509-SVID ended.
    pub(crate) fn x509_svid_signed(&self, outcome: &Result<X509Svid, SvidError>) {
        match outcome {
            Ok(_) => self.svids.increment(1),
            Err(error) => count(&self.svids_refused, error.class()),
        }
    }

    /// How an exchange ended; the request came at `since`.
    pub(crate) fn exchanged(&self, since: Instant, outcome: Result<(), ErrorClass>) {
        match outcome {
            Ok(()) => {
                self.exchanges.increment(1);
                self.exchange_seconds.record(since.elapsed());
            }
            Err(class) => count(&self.exchanges_refused, class),
        }
    }

    /// What an API server said of a token; it was asked at `since`.
    pub(crate) fn reviewed(&self, since: Instant, outcome: Reviewed) {
        self.review_seconds.record(since.elapsed());
        for (_, counter) in self.reviews.iter().filter(|(of, _)| *of == outcome) {
            counter.increment(1);
        }
    }

    /// Where the answer about a token comes from.
    pub(crate) fn review_answered_by(&self, who: AnsweredBy) {
        for (_, counter) in self.review_answers.iter().filter(|(of, _)| *of == who) {
            counter.increment(1);
        }
    }

    /// How a log-in ended.
    pub(crate) fn logged_in(&self, outcome: Result<(), ErrorClass>) {
        match outcome {
            Ok(()) => self.logins.increment(1),
            Err(class) => count(&self.logins_refused, class),
        }
    }

    /// Whether a user's token was handed to a runner.
    pub(crate) fn readdressed(&self, outcome: Result<(), ErrorClass>) {
        match outcome {
            Ok(()) => self.readdressed.increment(1),
            Err(class) => count(&self.readdressed_refused, class),
        }
    }

    /// Minted and refused, by the minute.
    pub(crate) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// What was recorded, where the log is a file.
    pub(crate) fn audited(&self) -> Option<Written> {
        self.audit.log.as_ref().map(|log| log.written())
    }

    /// Whether relying parties are served what they should be.
    pub(crate) fn published(&self, good: bool) {
        self.published.set(if good { 1.0 } else { 0.0 });
    }

    /// Brings the gauges up to date.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
    pub(crate) fn observe(&self, authority: &Authority) {
        self.sandboxes.set(authority.registry().sandbox_count() as f64);
        self.generation.set(authority.store().generation().0 as f64);
        self.audit.observe();
        self.clock_sound.set(if authority.sound_time().is_ok() { 1.0 } else { 0.0 });
        if let Some((certificate, gauge)) = &self.public {
            gauge.set(certificate.not_after().map_or(0.0, |time| time.0 as f64));
        }
        self.observe_federations(authority);
        for keeper in authority.keys().dependencies(authority.now()) {
            let up = if keeper.fault.is_none() { 1.0 } else { 0.0 };
            gauge!(SIGNER_UP, "signer" => keeper.name).set(up);
        }
        let ring = authority.keys().ring();
        for (state, gauge) in &self.keys {
            let count = ring.records().filter(|record| record.state == *state).count();
            gauge.set(count as f64);
        }
        let ring = authority.x509_authorities().ring();
        for (state, gauge) in &self.x509_authorities {
            let count = ring.records().filter(|record| record.state == *state).count();
            gauge.set(count as f64);
        }
    }

    /// How old the federated bundles are. A gauge cannot be taken back: that of a trust domain which is
    /// federated no more is no number.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; ages stay far below 2^52")]
    fn observe_federations(&self, authority: &Authority) {
        let mut named = self.federated.lock().unwrap_or_else(PoisonError::into_inner);
        let known = authority.federations().list();
        named.extend(known.iter().map(|known| known.federation.trust_domain.clone()));
        for name in &*named {
            let known = known.iter().find(|known| known.federation.trust_domain == *name);
            let fetched = known.and_then(|known| known.fetched.as_ref());
            let age = fetched.map(|fetched| authority.now().since(fetched.at).as_secs() as f64);
            gauge!(BUNDLE_AGE, "trust_domain" => name.as_str().to_owned())
                .set(age.unwrap_or(f64::NAN));
        }
    }

    /// Everything, in the text format scrapers read.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }
}

/// Counts a refusal by its class.
fn count(counters: &[(ErrorClass, Counter)], class: ErrorClass) {
    if let Some((_, counter)) = counters.iter().find(|(of, _)| *of == class) {
        counter.increment(1);
    }
}
