//! The yardstick: what a signature costs with nothing around it.
//!
//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2) and a 2048-bit key, by the library the
//! coordinator signs with, the key parsed once. It is timed by this process's own CPU clock, in the
//! same run and alternating with what it is compared to, so that frequency and neighbours are the
//! same for both.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::as_f64;

/// About the length of a token's signing input.
const MESSAGE_BYTES: usize = 512;

/// Signatures between two looks at the clock: a few milliseconds.
const STRIDE: u64 = 16;

/// Why there is no yardstick.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RawSignatureError {
    /// No key.
    #[error("cannot generate an RSA-2048 key")]
    Generate(#[source] aws_lc_rs::error::Unspecified),
    /// No signature.
    #[error("cannot sign with the RSA-2048 key")]
    Sign(#[source] aws_lc_rs::error::Unspecified),
}

/// A key to sign with.
pub(crate) struct RawSignature {
    key: KeyPair,
}

/// What signatures cost, over any number of samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RawSignatureCost {
    signatures: u64,
    cpu: Duration,
}

impl RawSignatureCost {
    /// Adds a sample taken later.
    pub(crate) fn append(&mut self, later: Self) {
        self.signatures += later.signatures;
        self.cpu += later.cpu;
    }

    /// CPU time of one signature in seconds; `None` before the first.
    pub(crate) fn seconds(&self) -> Option<f64> {
        super::per(self.cpu.as_secs_f64(), as_f64(self.signatures))
    }
}

impl RawSignature {
    /// Makes a key.
    pub(crate) fn generate() -> Result<Self, RawSignatureError> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(RawSignatureError::Generate)?;
        Ok(Self { key })
    }

    /// Signs on as many threads as there are cores for `duration`. Blocks.
    pub(crate) fn sample(&self, duration: Duration) -> Result<RawSignatureCost, RawSignatureError> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let deadline = Instant::now() + duration;
        let before = own_cpu_time();
        let signatures: Result<u64, _> = std::thread::scope(|scope| {
            let signers: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| self.sign_until(deadline))).collect();
            signers.into_iter().map(|signer| signer.join().unwrap_or(Ok(0))).sum()
        });
        let cpu = own_cpu_time().saturating_sub(before);
        Ok(RawSignatureCost { signatures: signatures?, cpu })
    }

    fn sign_until(&self, deadline: Instant) -> Result<u64, RawSignatureError> {
        let random = SystemRandom::new();
        let message = [0x5a; MESSAGE_BYTES];
        let mut signature = vec![0; self.key.public_modulus_len()];
        let mut signatures = 0;
        while Instant::now() < deadline {
            for _ in 0..STRIDE {
                self.key
                    .sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)
                    .map_err(RawSignatureError::Sign)?;
            }
            signatures += STRIDE;
        }
        Ok(signatures)
    }
}

/// CPU time of this process, all threads.
fn own_cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_costs_cpu_time() {
        let yardstick = RawSignature::generate().unwrap();
        let mut cost = RawSignatureCost::default();
        assert_eq!(cost.seconds(), None);
        cost.append(yardstick.sample(Duration::from_millis(20)).unwrap());
        let once = cost;
        cost.append(yardstick.sample(Duration::from_millis(20)).unwrap());
        assert!(cost.signatures > once.signatures && cost.cpu > once.cpu);
        // Between what no core can do and what every core can.
        let seconds = cost.seconds().unwrap();
        assert!((1e-5..0.1).contains(&seconds), "{seconds}");
    }
}
