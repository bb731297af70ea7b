//! The public listener's certificate where an ACME server issues it: what is kept, and the loop that looks
//! whether another is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::public_certificate::{IssuedCertificate, PublicCertificateRecord};
use moneyer_authority::store::{Change, Expected, Generation, Store, StoreError, load_records};
use moneyer_daemon::backoff::jitter;
use moneyer_daemon::tls::{ServerTls, TlsError, TlsIdentity};
use moneyer_identity::UnixTime;

use super::error::AcmeError;
use super::order::LONGEST;
use super::schedule;
use super::transport::Transport;
use crate::config::Config;
use crate::public_tls::PublicTlsError;
use crate::public_tls::certificate::{PublicCertificate, Standing};

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest file of roots: a hundred of RSA-4096.
const MAXIMUM_ROOTS_BYTES: u64 = 256 * 1024;

/// The public listener's certificate where an ACME server issues it.
#[derive(Debug)]
pub(crate) struct FromAcme {
    pub(super) host: String,
    pub(super) contacts: Vec<String>,
    pub(super) transport: Transport,
    /// What the listener has.
    pub(super) tls: ServerTls,
    /// What it is given, without the answer to a challenge.
    pub(super) serving: ServerTls,
    pub(super) record: PublicCertificateRecord,
    revision: Option<Generation>,
    /// Whether there is something in the record that is not in the store.
    unkept: bool,
    /// When the next certificate is ordered; `None` without one that is for this host and of this server.
    renew_at: Option<UnixTime>,
    told: Standing,
    certificate: PublicCertificate,
    store: Option<Arc<dyn Store>>,
}

impl FromAcme {
    /// As the configuration says; `None` if it names no server.
    pub(crate) fn open(config: &Config) -> Result<Option<Self>, PublicTlsError> {
        let acme = &config.listen.acme;
        let Some(directory) = acme.directory.clone() else { return Ok(None) };
        let root_ca = acme.root_ca.as_ref().map(read_roots).transpose()?;
        let transport =
            Transport::new(directory.as_str(), root_ca).map_err(PublicTlsError::Roots)?;
        let serving = ServerTls::without_certificate().map_err(PublicTlsError::Tls)?;
        let tls = ServerTls::without_certificate().map_err(PublicTlsError::Tls)?;
        Ok(Some(Self {
            host: config.issuer.url.host().to_owned(),
            contacts: acme.contacts.clone(),
            transport,
            tls,
            serving,
            record: PublicCertificateRecord { directory, ..PublicCertificateRecord::default() },
            revision: None,
            unkept: false,
            renew_at: None,
            told: Standing::Good,
            certificate: PublicCertificate::default(),
            store: None,
        }))
    }

    /// What the listener serves with.
    pub(crate) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// What is told of it.
    pub(crate) fn certificate(&self) -> &PublicCertificate {
        &self.certificate
    }

    /// Takes up what an earlier run has kept.
    pub(crate) async fn load(
        &mut self,
        store: Arc<dyn Store>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let kept = load_records::<PublicCertificateRecord>(&*store).await?.pop();
        self.store = Some(store);
        let Some((mut kept, revision)) = kept else { return Ok(()) };
        self.revision = Some(revision);
        if kept.directory != self.record.directory {
            // Another server knows nothing of account and order, and had no part in what failed.
            let directory = self.record.directory.clone();
            kept = PublicCertificateRecord {
                directory,
                certificate: kept.certificate,
                ..self.record.clone()
            };
        }
        kept.order = kept.order.filter(|order| order.host == self.host);
        let until = |at| schedule::wait_after_start(now, at, kept.is_firm);
        kept.not_before = kept.not_before.map(until);
        self.record = kept;
        if let Some(issued) = self.record.certificate.clone()
            && let Err(error) = self.serve(&issued)
        {
            let cause = crate::chain(&error);
            tracing::error!(error.cause = cause, "the stored public certificate cannot be used");
        }
        if self.renew_at.is_none() && self.record.failures == 0 {
            // The rest after a success is that of another host's certificate.
            self.record.not_before = None;
        }
        Ok(())
    }

    /// Orders certificates when they are due, for ever.
    pub(crate) async fn follow(mut self, authority: Authority) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut clock_told = false;
        loop {
            every.tick().await;
            let sound = authority.sound_time();
            if let (Err(fault), false) = (&sound, clock_told) {
                tracing::warn!(clock.fault = %fault, "no public certificate is ordered by this clock");
            }
            clock_told = sound.is_err();
            if let Ok(now) = sound {
                self.look(&authority, now).await;
            }
            self.certificate.tell(&mut self.told, authority.now());
        }
    }

    async fn look(&mut self, authority: &Authority, now: UnixTime) {
        if self.unkept && self.keep().await.is_err() {
            // Without a store that writes, an order would be forgotten.
            return;
        }
        if !self.is_due(now) {
            return;
        }
        // Of an attempt before this one.
        let _stale = self.transport.take_told();
        let obtained = match tokio::time::timeout(LONGEST, self.obtain()).await {
            Ok(obtained) => obtained.and_then(|issued| {
                self.accept(&issued, now)?;
                Ok(issued)
            }),
            Err(_) => Err(AcmeError::TooLong),
        };
        // Without the answer to the challenge.
        self.tls.replace(&self.serving);
        match obtained {
            Ok(issued) => self.succeeded(issued, now),
            // By the clock after the attempt, which may have taken minutes.
            Err(error) => self.failed(&error, authority.now()),
        }
        if let Err(error) = self.keep().await {
            let cause = crate::chain(&error);
            tracing::error!(
                error.cause = cause,
                "the public certificate's record cannot be written"
            );
        }
    }

    /// Whether a certificate should be ordered now.
    fn is_due(&self, now: UnixTime) -> bool {
        let waits = |not_before| schedule::waits(now, not_before);
        let put_off = self.record.not_before.is_some_and(waits);
        !put_off && self.renew_at.is_none_or(|renew_at| now >= renew_at)
    }

    /// Refuses what was issued for another host or another time.
    fn accept(&mut self, issued: &IssuedCertificate, now: UnixTime) -> Result<(), AcmeError> {
        let identity = identity(issued).map_err(AcmeError::Unusable)?;
        let validity = identity.validity().ok_or(AcmeError::Misissued)?;
        if !identity.is_for(&self.host) || now > validity.not_after {
            return Err(AcmeError::Misissued);
        }
        self.serve(issued).map_err(AcmeError::Unusable)
    }

    /// Serves a certificate from the next connection on.
    fn serve(&mut self, issued: &IssuedCertificate) -> Result<(), TlsError> {
        let identity = identity(issued)?;
        self.serving = ServerTls::server_only(&identity)?;
        self.tls.replace(&self.serving);
        let validity = identity.validity();
        self.certificate.set(validity);
        // One of a server that is no longer named, as of a staging one, serves until there is another.
        let wanted = identity.is_for(&self.host) && issued.directory == self.record.directory;
        self.renew_at = validity.filter(|_| wanted).map(|validity| {
            schedule::renewal(validity).plus(jitter(schedule::renewal_spread(validity)))
        });
        Ok(())
    }

    fn succeeded(&mut self, issued: IssuedCertificate, now: UnixTime) {
        let (directory, account) = (self.record.directory.clone(), self.record.account.clone());
        self.record = PublicCertificateRecord {
            directory,
            account,
            certificate: Some(issued),
            not_before: self
                .certificate
                .validity()
                .map(|validity| now.plus(schedule::rest(validity))),
            is_firm: true,
            ..PublicCertificateRecord::default()
        };
        tracing::info!(
            issuer.host = self.host,
            certificate.not_after = self.certificate.not_after().map_or(0, |time| time.0),
            "the ACME server issued the public listener's certificate"
        );
    }

    fn failed(&mut self, error: &AcmeError, now: UnixTime) {
        let told = self.transport.take_told();
        self.record.failures = self.record.failures.saturating_add(1);
        let wait = schedule::wait(self.record.failures, told);
        let wait = wait.saturating_add(jitter(schedule::spread(wait)));
        self.record.not_before = Some(now.plus(wait));
        self.record.is_firm = told.is_some();
        if error.ends_the_order() {
            self.record.order = None;
        }
        if error.ends_the_account() {
            self.record.account = None;
        }
        tracing::error!(
            error.cause = crate::chain(error),
            issuer.host = self.host,
            acme.failures = self.record.failures,
            acme.wait_seconds = wait.as_secs(),
            "no certificate for the public listener; what serves now goes on"
        );
    }

    /// Writes the record.
    pub(super) async fn keep(&mut self) -> Result<(), StoreError> {
        self.unkept = true;
        let Some(store) = &self.store else { return Ok(()) };
        let expected = self.revision.map_or(Expected::Absent, Expected::Revision);
        let change = Change::put(&self.record, expected)?;
        match store.commit(vec![change]).await {
            Ok(revision) => self.revision = Some(revision),
            Err(error) => {
                // A write that was not acknowledged may have happened all the same.
                if let Ok(mut found) = load_records::<PublicCertificateRecord>(&**store).await {
                    self.revision = found.pop().map(|(_, revision)| revision);
                }
                return Err(error);
            }
        }
        self.unkept = false;
        Ok(())
    }
}

fn identity(issued: &IssuedCertificate) -> Result<TlsIdentity, TlsError> {
    TlsIdentity::from_pem(issued.chain.as_bytes(), issued.key.expose().to_vec().into())
}

fn read_roots(path: &PathBuf) -> Result<Vec<u8>, PublicTlsError> {
    let failed = |source| PublicTlsError::RootFile { path: path.clone(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAXIMUM_ROOTS_BYTES {
        let text = format!("it is larger than {MAXIMUM_ROOTS_BYTES} bytes");
        return Err(failed(std::io::Error::other(text)));
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use moneyer_authority::public_certificate::PendingOrder;
    use moneyer_authority::signer::KeyHandle;
    use moneyer_daemon::settings::Source;
    use moneyer_testkit::store::MemoryStore;
    use moneyer_testkit::{FixtureKey, TestCa};

    use super::*;

    const DAY: i64 = 24 * 3600;

    /// What a run before has kept, by a certificate of these days for `id.example.com`.
    fn kept(certificate: Option<IssuedCertificate>) -> PublicCertificateRecord {
        let key = KeyHandle::new(vec![1]);
        let host = "id.example.com".to_owned();
        PublicCertificateRecord {
            directory: "https://acme.example/d".to_owned(),
            account: Some(key.clone()),
            order: Some(PendingOrder { url: "https://acme.example/1".to_owned(), host, key }),
            certificate,
            failures: 0,
            not_before: Some(UnixTime(2 * DAY)),
            is_firm: true,
        }
    }

    fn certificate() -> IssuedCertificate {
        let key = FixtureKey::P256_A.pkcs8();
        let request = moneyer_authority::public_certificate::certificate_request(
            "id.example.com",
            &KeyHandle::new(key.clone()),
        );
        let validity = (UnixTime(0), UnixTime(90 * DAY));
        let chain = TestCa::default().certify(&request.unwrap(), "id.example.com", validity);
        let directory = "https://acme.example/d".to_owned();
        IssuedCertificate { directory, chain: chain.unwrap(), key: KeyHandle::new(key) }
    }

    /// A start on the second day, with what is kept.
    async fn started(host: &str, directory: &str, kept: &PublicCertificateRecord) -> FromAcme {
        let text = format!(
            "issuer.url = 'https://{host}'\nlisten.acme.directory = '{directory}'\n\
             listen.acme.accept_terms = true"
        );
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
        let (config, _) = Config::load(&source).unwrap();
        let store = Arc::new(MemoryStore::default());
        let change = Change::put(kept, Expected::Absent).unwrap();
        store.commit(vec![change]).await.unwrap();
        let mut started = FromAcme::open(&config).unwrap().unwrap();
        started.load(store, UnixTime(DAY)).await.unwrap();
        started
    }

    #[tokio::test]
    async fn a_start_takes_up_what_is_kept() {
        let kept = kept(Some(certificate()));
        let started = started("id.example.com", "https://acme.example/d", &kept).await;
        assert_eq!(started.record, kept);
        assert_eq!(started.certificate.not_after(), Some(UnixTime(90 * DAY)));
        let renewals = 60 * DAY..=63 * DAY;
        assert!(renewals.contains(&started.renew_at.unwrap().0), "{:?}", started.renew_at);
        assert!(!started.is_due(UnixTime(60 * DAY - 1)) && started.is_due(UnixTime(63 * DAY)));
    }

    #[tokio::test]
    async fn at_another_server_nothing_is_known_and_the_certificate_serves_until_there_is_another()
    {
        let kept = kept(Some(certificate()));
        let started = started("id.example.com", "https://other.example/d", &kept).await;
        assert_eq!((&started.record.account, &started.record.order), (&None, &None));
        assert_eq!(started.record.directory, "https://other.example/d");
        assert_eq!(started.record.certificate, kept.certificate);
        assert_eq!(started.certificate.not_after(), Some(UnixTime(90 * DAY)));
        assert!(started.is_due(UnixTime(DAY)));
    }

    #[tokio::test]
    async fn for_another_host_a_certificate_is_ordered_at_once_by_the_same_account() {
        let kept = kept(Some(certificate()));
        let started = started("new.example.com", "https://acme.example/d", &kept).await;
        assert_eq!((&started.record.account, &started.record.order), (&kept.account, &None));
        assert!(started.is_due(UnixTime(DAY)));
    }

    #[tokio::test]
    async fn a_stored_certificate_that_is_none_keeps_nothing_from_starting() {
        let chain = "none".to_owned();
        let broken = IssuedCertificate { chain, ..certificate() };
        let started =
            started("id.example.com", "https://acme.example/d", &kept(Some(broken))).await;
        assert!(started.certificate.not_after().is_none() && started.is_due(UnixTime(DAY)));
    }

    #[test]
    fn roots_are_read_up_to_their_limit_and_not_one_byte_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roots.pem");
        let limit = usize::try_from(MAXIMUM_ROOTS_BYTES).unwrap();
        std::fs::write(&path, vec![b' '; limit]).unwrap();
        assert_eq!(read_roots(&path).unwrap().len(), limit);
        std::fs::write(&path, vec![b' '; limit + 1]).unwrap();
        let refused = crate::chain(&read_roots(&path).unwrap_err());
        assert!(refused.starts_with("listen.acme.root_ca: cannot read "), "{refused}");
    }
}
