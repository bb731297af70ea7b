//! X.509-SVIDs. The input is a certificate as it is and, signed by the trust domain's own authority, what is to be
//! signed of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::{NOW, bundles, forge, trust_domain};
use moneyer_identity::spiffe::{VerifiedX509Svid, X509Authority, X509Leaf};

fn look(der: &[u8]) {
    let (peer, svid) = (X509Leaf::of_peer(der), X509Leaf::of_svid(der));
    if let Ok(svid) = svid {
        assert_eq!(Ok(&svid), peer.as_ref(), "what is an SVID is a peer");
        assert!(svid.id().segments().next().is_some());
    }
    if X509Authority::parse(der).is_ok() {
        assert!(peer.is_err(), "an authority is no peer");
    }
}

fuzz_target!(|data: &[u8]| {
    look(data);
    // Nobody forges a signature.
    assert!(VerifiedX509Svid::verify(&[data], bundles(), NOW).is_err());
    let signed = forge::certificate(data);
    look(&signed);
    for chain in [vec![&*signed], vec![&*signed, forge::AUTHORITY], vec![&*signed, data]] {
        let Ok(svid) = VerifiedX509Svid::verify(&chain, bundles(), NOW) else { continue };
        assert_eq!(*svid.id().trust_domain(), trust_domain());
        assert_eq!(X509Leaf::of_svid(&signed).as_ref(), Ok(svid.leaf()));
        assert!(svid.leaf().not_before() <= NOW && NOW <= svid.leaf().not_after());
    }
});
