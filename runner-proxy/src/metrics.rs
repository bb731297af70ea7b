//! What the runner proxy counts.
//!
//! Names and labels are a contract with dashboards. No label holds a sandbox, an audience or
//! anything a sandbox can choose, so their number is fixed: providers and the endpoints of profiles are an operator's.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use moneyer_audit::Written;
use moneyer_identity::ErrorClass;

use crate::audit::EndpointName;

/// How a request for a token was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheAnswer {
    /// From the cache.
    Cached,
    /// By waiting for a request that was under way.
    Joined,
    /// By a request of its own.
    Fetched,
}

impl CacheAnswer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Joined => "joined",
            Self::Fetched => "fetched",
        }
    }
}

/// How asking for the token of a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantOutcome {
    /// With a token.
    Granted,
    /// Without one.
    Failed,
}

impl GrantOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Failed => "failed",
        }
    }
}

const AUDIT_FAILURES: &str = "moneyer_runner_audit_failures_total";
const AUDIT_SEQUENCE: &str = "moneyer_runner_audit_sequence";
const GRANTS: &str = "moneyer_runner_grants_total";
const FORWARDED: &str = "moneyer_runner_forwarded_requests_total";
const FORWARDED_SECONDS: &str = "moneyer_runner_forwarded_seconds";
const MINTED: &str = "moneyer_runner_tokens_minted_total";
const MINT_FAILURES: &str = "moneyer_runner_mint_failures_total";
const REQUESTS: &str = "moneyer_runner_token_requests_total";
const FILE_FAILURES: &str = "moneyer_runner_token_file_failures_total";
const SANDBOXES: &str = "moneyer_runner_sandboxes_attached";
const LEAST_LIFE: &str = "moneyer_runner_token_file_least_life_seconds";
const CONNECTED: &str = "moneyer_runner_coordinator_connected";
const SVIDS_SIGNED: &str = "moneyer_runner_x509_svids_signed_total";
const SVID_FAILURES: &str = "moneyer_runner_x509_svid_failures_total";
const WORKLOAD_CALLS: &str = "moneyer_runner_workload_api_calls_total";
const WORKLOAD_STREAMS: &str = "moneyer_runner_workload_api_streams";
const CERTIFICATE: &str = "moneyer_runner_certificate_life_seconds";

/// The destination of what no endpoint names.
const NO_ENDPOINT: &str = "none";

/// The metrics of the process, as far as a recorder is installed.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    minted: Counter,
    cached: Counter,
    joined: Counter,
    fetched: Counter,
    file_failures: Counter,
    svids_signed: Counter,
    streams: Gauge,
    sandboxes: Gauge,
    least_life: Gauge,
    connected: Gauge,
    certificate: Gauge,
}

impl Metrics {
    /// Names them all, so that each exists from the start.
    pub(crate) fn new() -> Self {
        describe_counter!(MINTED, "Tokens received from the coordinator");
        describe_counter!(MINT_FAILURES, "Requests for a token that failed, by class");
        describe_counter!(REQUESTS, "Requests to the token server, by how they were answered");
        describe_counter!(FILE_FAILURES, "Token files that could not be written");
        describe_counter!(SVIDS_SIGNED, "X.509-SVIDs received from the coordinator");
        describe_counter!(SVID_FAILURES, "Requests for an X.509-SVID that failed, by class");
        describe_counter!(WORKLOAD_CALLS, "Calls of the Workload API, by call and status code");
        describe_counter!(GRANTS, "Tokens asked of token endpoints, by provider and outcome");
        describe_counter!(FORWARDED, "Requests to the forward proxy, by endpoint and outcome");
        describe_histogram!(
            FORWARDED_SECONDS,
            Unit::Seconds,
            "Time from a request to the head of its upstream's answer, by endpoint"
        );
        describe_counter!(AUDIT_FAILURES, "Writes and syncs of the audit log that failed");
        describe_gauge!(AUDIT_SEQUENCE, "Number of the last durable audit record");
        describe_gauge!(WORKLOAD_STREAMS, "Streams of the Workload API that are open");
        describe_gauge!(SANDBOXES, "Sandboxes attached");
        describe_gauge!(LEAST_LIFE, "Least life left of the token in any file, seconds");
        describe_gauge!(CONNECTED, "1 while the coordinator can be reached");
        describe_gauge!(CERTIFICATE, "Life left of the certificate, seconds");
        let requests = |answer: CacheAnswer| counter!(REQUESTS, "answer" => answer.as_str());
        Self {
            minted: counter!(MINTED),
            cached: requests(CacheAnswer::Cached),
            joined: requests(CacheAnswer::Joined),
            fetched: requests(CacheAnswer::Fetched),
            file_failures: counter!(FILE_FAILURES),
            svids_signed: counter!(SVIDS_SIGNED),
            streams: gauge!(WORKLOAD_STREAMS),
            sandboxes: gauge!(SANDBOXES),
            least_life: gauge!(LEAST_LIFE),
            connected: gauge!(CONNECTED),
            certificate: gauge!(CERTIFICATE),
        }
    }

    pub(crate) fn minted(&self) {
        self.minted.increment(1);
    }

    #[expect(clippy::unused_self, reason = "the label is not known before, the owner is")]
    pub(crate) fn mint_failed(&self, class: ErrorClass) {
        counter!(MINT_FAILURES, "class" => class.as_str()).increment(1);
    }

    pub(crate) fn svid_signed(&self) {
        self.svids_signed.increment(1);
    }

    #[expect(clippy::unused_self, reason = "the label is not known before, the owner is")]
    pub(crate) fn svid_failed(&self, class: ErrorClass) {
        counter!(SVID_FAILURES, "class" => class.as_str()).increment(1);
    }

    /// Counts a request to a token endpoint. Providers are named by operators.
    #[expect(clippy::unused_self, reason = "the labels are not known before, the owner is")]
    pub(crate) fn granted(&self, provider: &str, outcome: GrantOutcome) {
        let provider = provider.to_owned();
        counter!(GRANTS, "provider" => provider, "outcome" => outcome.as_str()).increment(1);
    }

    /// Counts a request to the forward proxy. Endpoints are named by operators.
    #[expect(clippy::unused_self, reason = "the labels are not known before, the owner is")]
    pub(crate) fn forwarded(&self, endpoint: Option<EndpointName>, outcome: &'static str) {
        let destination = endpoint.map_or_else(|| NO_ENDPOINT.to_owned(), EndpointName::into_text);
        counter!(FORWARDED, "destination" => destination, "outcome" => outcome).increment(1);
    }

    /// Counts a request that was answered by its upstream, or a tunnel that was opened, and how long that took.
    pub(crate) fn passed(&self, endpoint: Option<EndpointName>, took: Duration) {
        let destination = endpoint.clone();
        self.forwarded(endpoint, "passed");
        if let Some(destination) = destination {
            let destination = destination.into_text();
            histogram!(FORWARDED_SECONDS, "destination" => destination).record(took.as_secs_f64());
        }
    }

    /// Counts a call of the Workload API.
    #[expect(clippy::unused_self, reason = "the labels are not known before, the owner is")]
    pub(crate) fn workload_call(&self, call: WorkloadCall, code: &'static str) {
        counter!(WORKLOAD_CALLS, "call" => call.as_str(), "code" => code).increment(1);
    }

    /// Counts a stream of the Workload API until what it returns is dropped.
    pub(crate) fn stream(&self) -> OpenStream {
        self.streams.increment(1);
        OpenStream(self.streams.clone())
    }

    pub(crate) fn answered(&self, answer: CacheAnswer) {
        match answer {
            CacheAnswer::Cached => self.cached.increment(1),
            CacheAnswer::Joined => self.joined.increment(1),
            CacheAnswer::Fetched => self.fetched.increment(1),
        }
    }

    pub(crate) fn file_failed(&self) {
        self.file_failures.increment(1);
    }

    #[expect(clippy::unused_self, reason = "there is one only where there is a forward proxy")]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn audited(&self, sequence: u64) {
        gauge!(AUDIT_SEQUENCE).set(sequence as f64);
    }

    pub(crate) fn observe(&self, observed: Observed) {
        // Counts and seconds far below 2^52: the conversion to f64 is exact.
        self.sandboxes.set(f64::from(u32::try_from(observed.sandboxes).unwrap_or(u32::MAX)));
        self.least_life.set(observed.least_life.unwrap_or_default().as_secs_f64());
        self.connected.set(f64::from(u8::from(observed.connected)));
        self.certificate.set(observed.certificate_life.as_secs_f64());
        if let Some(Written { sequence, failures, .. }) = observed.audit {
            counter!(AUDIT_FAILURES).absolute(failures);
            self.audited(sequence);
        }
    }
}

/// A call of the Workload API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkloadCall {
    FetchX509Svid,
    FetchX509Bundles,
    FetchJwtSvid,
    FetchJwtBundles,
    ValidateJwtSvid,
}

impl WorkloadCall {
    /// The call as a label and log field.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FetchX509Svid => "fetch_x509_svid",
            Self::FetchX509Bundles => "fetch_x509_bundles",
            Self::FetchJwtSvid => "fetch_jwt_svid",
            Self::FetchJwtBundles => "fetch_jwt_bundles",
            Self::ValidateJwtSvid => "validate_jwt_svid",
        }
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// What is read when someone looks at the metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    pub(crate) sandboxes: usize,
    pub(crate) least_life: Option<Duration>,
    pub(crate) connected: bool,
    pub(crate) certificate_life: Duration,
    /// Of the audit log, where there is one.
    pub(crate) audit: Option<Written>,
}
