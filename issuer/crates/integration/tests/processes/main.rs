//! The daemons as processes: what they promise while one of them moves, ends or is killed.

#[cfg(test)]
mod coordinator_away;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod placement;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod stand;
