//! The forward proxy, from what a sandbox sends to what arrives at an upstream: the law is the proxy's own, and so is
//! everything that stands around it. The first byte says whether the rest is sent to the proxy (`P`) or inside of a tunnel
//! (`T`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_runner_proxy::fuzzed::Stand;

thread_local! {
    /// Made once: it has sockets and a runtime.
    static STAND: Stand = Stand::new();
}

fuzz_target!(|data: &[u8]| {
    STAND.with(|stand| stand.hold(data));
});
