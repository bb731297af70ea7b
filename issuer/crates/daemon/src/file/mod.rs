//! Files that must be whole, private, or held by one process.
//!
//! A reader of a path written here sees the old bytes or the new ones, never a part:
//! bytes go to a new file beside the target, which is then renamed over it. Temporary
//! files live in the target's directory, since a rename cannot cross file systems.
//! Symbolic links are never followed in the last component, and a secret that others
//! can read is refused rather than used with a warning.

mod lock;
mod private_dir;
mod replace;
mod secret;

pub use lock::{FileLock, LockError, acquire_lock};
pub use private_dir::{PrivateDirError, create_private_dir};
pub use replace::{replace, write_atomic};
pub use secret::{ReadSecretError, SecretBytes, read_group_secret, read_secret, read_unwritable};
