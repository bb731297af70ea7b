//! The authority's rules, proved through its public face.
//!
//! Outside the crate, because the store and the signer of the testkit implement the ports of the crate
//! as others see it. One program, so that it is linked once.

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod audiences;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod authenticate;
#[cfg(test)]
mod bundle_endpoint;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod following;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod issuers;
#[cfg(test)]
mod join;
#[cfg(test)]
mod jwt_svid;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod leaf;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod login;
#[cfg(test)]
mod permit;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod published;
#[cfg(test)]
mod removal_while_signing;
#[cfg(test)]
mod renew;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod rotation_histories;
#[cfg(test)]
mod second_line;
#[cfg(test)]
mod self_check;
#[cfg(test)]
mod strict_profile;
#[cfg(test)]
mod trust_bundle;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod world;
#[cfg(test)]
mod wrong_clock;
#[cfg(test)]
mod x509_authorities;
#[cfg(test)]
mod x509_histories;
#[cfg(test)]
mod x509_svids;
#[cfg(test)]
mod x5c;
