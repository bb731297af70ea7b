//! The daemons as processes: what they promise while one of them moves, ends or is killed.

#[cfg(test)]
mod aborts;
#[cfg(test)]
mod attempt;
#[cfg(test)]
mod audit_hangs;
#[cfg(test)]
mod back_again;
#[cfg(test)]
mod certificates_end;
#[cfg(test)]
mod coordinator_away;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crash_image;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod disk_error;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod emergency;
#[cfg(test)]
mod faked_clock;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod host;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod load;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod partition;
#[cfg(test)]
mod placement;
#[cfg(test)]
mod poisoned;
#[cfg(test)]
mod private_keys;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod rotation_race;
#[cfg(test)]
mod several;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod spiffe;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod write_points;
