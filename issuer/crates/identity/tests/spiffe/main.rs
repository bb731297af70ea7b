//! The SPIFFE standards' requirements on identities, SVIDs and bundles, proved through the public face.
//!
//! A test whose name begins with `id`, `j`, `x` or `b` and a number proves that line of the list of
//! requirements. Certificates and signatures are made with OpenSSL's own functions, so that they can be
//! wrong in exactly one way and do not come from the code under test. One program, linked once.

#[cfg(test)]
mod bundle_maps;
#[cfg(test)]
mod bundle_views;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod foreign_tokens;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod forge_token;
#[cfg(test)]
mod ids;
#[cfg(test)]
mod jwt_svids;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod x509_svids;
