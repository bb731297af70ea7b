//! The library, the token and the sessions with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::error::Pkcs11Error;
use crate::pool::PoolLimits;

/// Longest PIN in bytes: PKCS#11 itself has no limit, and tokens have far lower ones.
const MAXIMUM_PIN_BYTES: u64 = 256;

/// Which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenChoice {
    /// The one with this label, in whichever slot.
    Label(String),
    /// The one in this slot.
    Slot(u64),
}

/// How a security module is used.
#[derive(Debug, Clone)]
pub struct Pkcs11Options {
    /// Its PKCS#11 library.
    pub module: PathBuf,
    /// Its token.
    pub token: TokenChoice,
    /// A file with the user's PIN.
    pub pin_file: PathBuf,
    /// How long a signature may take, all waiting included.
    pub timeout: Duration,
    /// Threads, each with a session, and how much may wait for them.
    pub pool: PoolLimits,
}

/// A token and the sessions with it.
pub(super) struct Device {
    options: Pkcs11Options,
    library: Mutex<Option<Pkcs11>>,
    sessions: Mutex<Sessions>,
    refused: Mutex<Option<SecretString>>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Sessions {
    /// Counts how often all of them were lost.
    generation: u64,
    idle: Vec<Session>,
}

/// A session while a thread has it.
pub(super) struct Borrowed {
    pub(super) session: Session,
    /// Handles of objects hold within one.
    pub(super) generation: u64,
}

impl Device {
    /// One that was not asked for anything yet.
    pub(super) fn new(options: Pkcs11Options) -> Self {
        let (library, sessions) = (Mutex::new(None), Mutex::default());
        Self { options, library, sessions, refused: Mutex::new(None) }
    }

    /// Works in a session; where it turns out to be lost, once more in a new one.
    pub(super) fn in_session<T>(
        &self,
        work: impl Fn(&Borrowed) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        let borrowed = self.borrow()?;
        match work(&borrowed) {
            Err(error) if error.is_lost() => {
                tracing::warn!("a session with the security module was lost; it is opened anew");
                self.forget(borrowed, &error);
                let borrowed = self.borrow()?;
                match work(&borrowed) {
                    Err(error) if error.is_lost() => {
                        self.forget(borrowed, &error);
                        Err(error)
                    }
                    done => {
                        self.give_back(borrowed);
                        done
                    }
                }
            }
            done => {
                self.give_back(borrowed);
                done
            }
        }
    }

    fn borrow(&self) -> Result<Borrowed, Pkcs11Error> {
        let mut sessions = lock(&self.sessions);
        let generation = sessions.generation;
        if let Some(session) = sessions.idle.pop() {
            return Ok(Borrowed { session, generation });
        }
        drop(sessions);
        let session = self.open()?;
        Ok(Borrowed { session, generation })
    }

    fn give_back(&self, borrowed: Borrowed) {
        let mut sessions = lock(&self.sessions);
        if sessions.generation == borrowed.generation {
            sessions.idle.push(borrowed.session);
        }
    }

    /// Gives up the sessions of this one's generation: one log-in holds for all, and is lost with all. A
    /// library that was shut down is set up anew.
    fn forget(&self, borrowed: Borrowed, error: &Pkcs11Error) {
        let mut sessions = lock(&self.sessions);
        if sessions.generation != borrowed.generation {
            return;
        }
        sessions.generation += 1;
        let mut lost = std::mem::take(&mut sessions.idle);
        lost.push(borrowed.session);
        drop(sessions);
        if error.is_shut_down() {
            *lock(&self.library) = None;
            // There is nothing to close, and its number may soon be another session's.
            lost.into_iter().for_each(std::mem::forget);
        }
    }

    fn open(&self) -> Result<Session, Pkcs11Error> {
        let library = self.library()?;
        let session = library.open_rw_session(self.slot(&library)?)?;
        self.log_in(&session)?;
        Ok(session)
    }

    fn library(&self) -> Result<Pkcs11, Pkcs11Error> {
        let mut library = lock(&self.library);
        if let Some(library) = &*library {
            return Ok(library.clone());
        }
        let path = &self.options.module;
        let failed = |cause| Pkcs11Error::Library { path: path.clone(), cause: Box::new(cause) };
        let loaded = Pkcs11::new(path).map_err(failed)?;
        let args = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match loaded.initialize(args) {
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            initialized => initialized.map_err(failed)?,
        }
        Ok(library.insert(loaded).clone())
    }

    fn slot(&self, library: &Pkcs11) -> Result<Slot, Pkcs11Error> {
        let slots = library.get_slots_with_initialized_token()?;
        let is_wanted = |slot: &Slot| match &self.options.token {
            TokenChoice::Slot(id) => slot.id() == *id,
            TokenChoice::Label(label) => {
                library.get_token_info(*slot).is_ok_and(|token| token.label() == label)
            }
        };
        let wanted: Vec<Slot> = slots.into_iter().filter(is_wanted).collect();
        match wanted.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(Pkcs11Error::NoToken(match &self.options.token {
                TokenChoice::Label(label) => format!("labelled {label:?}"),
                TokenChoice::Slot(id) => format!("in slot {id}"),
            })),
            several => Err(Pkcs11Error::SeveralTokens(several.len())),
        }
    }

    /// Logs in, which holds for every session with the token.
    fn log_in(&self, session: &Session) -> Result<(), Pkcs11Error> {
        let mut refused = lock(&self.refused);
        let pin = pin(&self.options.pin_file)?;
        if refused.as_ref().is_some_and(|before| before.expose_secret() == pin.expose_secret()) {
            return Err(Pkcs11Error::PinRefused);
        }
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinLocked
                | RvError::PinLenRange
                | RvError::PinInvalid
                | RvError::PinExpired,
                _,
            )) => {
                *refused = Some(pin);
                Err(Pkcs11Error::PinRefused)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the PIN: a line of text.
fn pin(path: &Path) -> Result<SecretString, Pkcs11Error> {
    let failed = |cause| Pkcs11Error::PinFile { path: path.to_owned(), cause };
    let found = std::fs::metadata(path).map_err(failed)?;
    let no_pin = || Pkcs11Error::NoPin(path.to_owned());
    if !found.is_file() || found.len() > MAXIMUM_PIN_BYTES {
        return Err(no_pin());
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let text = std::str::from_utf8(&bytes).map_err(|_not_text| no_pin())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(no_pin()) } else { Ok(SecretString::from(text)) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_line_of_256_bytes_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            pin(&path)
        };
        assert_eq!(read(b" 56 78\r\n").unwrap().expose_secret(), " 56 78");
        let longest = usize::try_from(MAXIMUM_PIN_BYTES).unwrap();
        assert!(read(&vec![b'1'; longest]).is_ok());
        for bad in [&vec![b'1'; longest + 1][..], b"", b"\n", b"\xff"] {
            assert!(matches!(read(bad), Err(Pkcs11Error::NoPin(_))));
        }
        let missing = pin(&directory.path().join("none"));
        assert!(matches!(missing, Err(Pkcs11Error::PinFile { .. })));
    }
}
