//! `ExchangeSubjectToken`: a user's token, readdressed to the sandbox that acts on the user's behalf.

mod checks;
mod readdressing;
mod renewal;
mod scene;
mod token_service;
