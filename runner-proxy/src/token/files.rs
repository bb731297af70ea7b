//! Token files: which file of which sandbox shows which token.
//!
//! A file is written whenever its token is renewed and removed only when the coordinator refuses
//! it; while the coordinator is away a file stays, whatever its age, since nothing better could
//! take its place. Several files may show one token.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use moneyer_identity::{MintedToken, SandboxId, TokenRequest};

use super::source::TokenSink;
use crate::sandbox::{SandboxDirectory, TokenFileName};

/// The files of one sandbox.
#[derive(Debug, Clone)]
pub(crate) struct SandboxFiles {
    /// Where they are.
    pub(crate) directory: Arc<SandboxDirectory>,
    /// Each file and what it shows.
    pub(crate) names: Vec<(TokenFileName, TokenRequest)>,
}

/// The files of all attached sandboxes.
#[derive(Debug, Default)]
pub(crate) struct TokenFiles {
    sandboxes: RwLock<HashMap<SandboxId, SandboxFiles>>,
}

impl TokenFiles {
    /// Sets the files of a sandbox.
    pub(crate) fn set(&self, sandbox: &SandboxId, files: SandboxFiles) {
        let mut sandboxes = self.sandboxes.write().unwrap_or_else(PoisonError::into_inner);
        sandboxes.insert(sandbox.clone(), files);
    }

    /// Forgets a sandbox's files, and leaves them to whoever removes its directory.
    pub(crate) fn forget(&self, sandbox: &SandboxId) {
        let mut sandboxes = self.sandboxes.write().unwrap_or_else(PoisonError::into_inner);
        sandboxes.remove(sandbox);
    }

    /// The directory and the names of the files that show the token of `request`.
    fn showing(
        &self,
        request: &TokenRequest,
    ) -> Option<(Arc<SandboxDirectory>, Vec<TokenFileName>)> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        let files = sandboxes.get(&request.sandbox)?;
        let names = files.names.iter().filter(|(_, shown)| shown == request);
        let names = names.map(|(name, _)| name.clone()).collect();
        Some((Arc::clone(&files.directory), names))
    }
}

impl TokenSink for TokenFiles {
    fn put(&self, request: &TokenRequest, token: &MintedToken) -> io::Result<()> {
        // A sandbox that left meanwhile has no files, and that is no failure.
        let Some((directory, names)) = self.showing(request) else { return Ok(()) };
        names.iter().try_for_each(|name| directory.write_token(name, token.token.expose()))
    }

    fn remove(&self, request: &TokenRequest) {
        let Some((directory, names)) = self.showing(request) else { return };
        for name in names {
            if let Err(error) = directory.remove_token(&name) {
                tracing::error!(
                    sandbox.id = %request.sandbox, file.name = %name, %error,
                    "a refused token's file could not be removed"
                );
            }
        }
    }
}
