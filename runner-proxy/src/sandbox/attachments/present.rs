//! One attached sandbox while the proxy runs: directory, sockets, files, environment.

use std::path::Path;
use std::sync::Arc;

use moneyer_identity::{SandboxId, TokenRequest};

use super::super::directory::{SandboxDirectory, TokenFileName};
use super::super::environment::{
    AUTHORITY_FILE, BUNDLE_FILE, Environment, Surroundings, sdk_files,
};
use super::super::roster::{Roster, RosterEntry};
use super::super::sdk::SdkFileName;
use super::super::stay::Stay;
use super::workshop::ForwardDoor;
use super::{AttachError, Workshop, wanted};
use crate::coordinator::{PlacedSandbox, Profile};
use crate::token::server::TokenServer;
use crate::token::{Held, SandboxFiles, TokenSink as _, TokenState};

/// What there is of an attached sandbox.
pub(super) struct Present {
    directory: Arc<SandboxDirectory>,
    stay: Stay,
    files: Vec<(TokenFileName, TokenRequest)>,
    environment: Environment,
}

impl Present {
    /// Makes all of it; on failure nothing of it runs. The directory stays for whoever tries again, or
    /// takes the sandbox away.
    pub(super) fn make(
        workshop: &Workshop,
        sandbox: &SandboxId,
        entry: &RosterEntry,
        placed: Option<&PlacedSandbox>,
        held: &[(TokenRequest, Held)],
    ) -> Result<Self, AttachError> {
        let directory = SandboxDirectory::create(&workshop.directory, sandbox)
            .map_err(AttachError::Directory)?;
        let (environment, _none) = environment(workshop, sandbox, entry, &[], None);
        let stay = Stay::new(sandbox.clone(), entry.occupant.clone());
        let directory = Arc::new(directory);
        let mut present = Self { directory, stay, files: Vec::new(), environment };
        let made = present.open_sockets(workshop);
        let made = made.and_then(|()| present.update(workshop, sandbox, entry, placed, held));
        if let Err(error) = made {
            present.close();
            return Err(error);
        }
        let (secret, occupant) = (entry.secret.clone(), entry.occupant.clone());
        workshop.credentials.insert(sandbox.clone(), secret, occupant);
        Ok(present)
    }

    fn open_sockets(&self, workshop: &Workshop) -> Result<(), AttachError> {
        for socket in &workshop.sockets {
            let opened = socket.open(&self.stay, self.directory.path(), &workshop.shutdown);
            opened.map_err(AttachError::Socket)?;
        }
        Ok(())
    }

    /// Brings files, renewal and environment in line.
    pub(super) fn update(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
        entry: &RosterEntry,
        placed: Option<&PlacedSandbox>,
        held: &[(TokenRequest, Held)],
    ) -> Result<(), AttachError> {
        let wanted = wanted::files(sandbox, placed, &entry.profiles);
        let profiles: Vec<_> = wanted::profiles(placed, &entry.profiles).collect();
        let files = SandboxFiles { directory: Arc::clone(&self.directory), names: wanted.clone() };
        workshop.files.set(sandbox, files);
        for profile in self.directory.profiles().map_err(AttachError::Directory)? {
            if !profiles.iter().any(|wanted| wanted.name == profile) {
                let name = TokenFileName::Profile(profile);
                self.directory.remove_token(&name).map_err(AttachError::Directory)?;
            }
        }
        for (request, held) in held {
            workshop.files.put(request, &held.token).map_err(AttachError::Directory)?;
        }
        // A file that two profiles share appears once; the one that was just fetched counts.
        let token_of = |request: &TokenRequest| {
            held.iter().find(|(fetched, _)| fetched == request).map(|(_, held)| held.clone())
        };
        let renewed = wanted.iter().map(|(_, request)| (request.clone(), token_of(request)));
        workshop.source.admit(sandbox, renewed.collect(), workshop.jitter);
        let forward = forward_door(workshop, placed);
        let (environment, sdk_files) = environment(workshop, sandbox, entry, &profiles, forward);
        for (name, text) in [
            (AUTHORITY_FILE, forward.map(|forward| forward.trust.authority.as_str())),
            (BUNDLE_FILE, forward.map(|forward| forward.trust.bundle.as_str())),
        ] {
            self.directory.put_trust_file(name, text).map_err(AttachError::Directory)?;
        }
        for name in SdkFileName::ALL {
            let text = sdk_files.iter().find(|(made, _)| *made == name);
            let text = text.map(|(_, text)| text.as_str());
            self.directory.put_sdk_file(name, text).map_err(AttachError::Directory)?;
        }
        (self.environment, self.files) = (environment, wanted);
        self.directory.write_environment(&self.environment.lines()).map_err(AttachError::Directory)
    }

    /// Closes the sockets and removes the directory; again, if that failed.
    pub(super) fn unmake(&self) -> std::io::Result<()> {
        self.leave();
        self.directory.destroy()
    }

    /// Closes the sockets; requests in flight are answered.
    pub(super) fn close(&self) {
        self.stay.close();
    }

    /// The same, for a sandbox that has left: what goes on, as streams do, ends.
    pub(super) fn leave(&self) {
        self.stay.leave();
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The state of each file, from the states of their tokens.
    pub(super) fn states(
        &self,
        tokens: &[(TokenRequest, TokenState)],
    ) -> Vec<(TokenFileName, TokenState)> {
        let state = |request: &TokenRequest| {
            let known = tokens.iter().find(|(token, _)| token == request);
            known.map_or(TokenState::Waiting, |(_, state)| *state)
        };
        self.files.iter().map(|(name, request)| (name.clone(), state(request))).collect()
    }
}

/// The forward proxy, for a sandbox that may reach something by it.
fn forward_door<'a>(
    workshop: &'a Workshop,
    placed: Option<&PlacedSandbox>,
) -> Option<&'a ForwardDoor> {
    let may_reach = placed.is_some_and(|placed| !placed.grants.is_empty());
    workshop.forward.as_ref().filter(|_| may_reach)
}

fn environment(
    workshop: &Workshop,
    sandbox: &SandboxId,
    entry: &RosterEntry,
    profiles: &[&Profile],
    forward: Option<&ForwardDoor>,
) -> (Environment, Vec<(SdkFileName, String)>) {
    let on_host = workshop.directory.join(sandbox.as_str());
    let placement = workshop.placement.now();
    let surroundings = Surroundings {
        sandbox,
        secret: &entry.secret,
        directory: workshop.mount.as_deref().unwrap_or(&on_host),
        issuer: placement.issuer.as_ref().map(|facts| &facts.issuer),
        token_url: &format!("{}{}", workshop.token_server_url, TokenServer::path_of(sandbox)),
        profiles,
        forward: forward.map(|forward| forward.address.as_str()),
    };
    (Environment::of(&surroundings), sdk_files(&surroundings))
}

/// Removes directories that belong to no attached sandbox: those of sandboxes whose detaching was
/// cut off.
pub(super) fn sweep(directory: &Path, roster: &Roster) {
    let names = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in names {
        let name = entry.file_name();
        let listed = name.to_str().is_some_and(|name| roster.entries.contains_key(name));
        if !listed && let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::error!(path = %entry.path().display(), %error, "a left-over directory stays");
        }
    }
}
