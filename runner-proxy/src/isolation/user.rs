//! As whom the program runs.
//!
//! Root could undo what keeps it apart, by a disk, a service manager or a socket that answers root alone, so as root a
//! user has to be named, and it is neither root nor the runner proxy's own. Any other caller stays who it is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;

/// `UID` or `UID:GID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserAndGroup {
    uid: u32,
    gid: Option<u32>,
}

impl UserAndGroup {
    /// Both numbers, if both are named.
    pub(crate) fn both(self) -> Option<(u32, u32)> {
        Some((self.uid, self.gid?))
    }
}

impl FromStr for UserAndGroup {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        let number = |text: &str| text.parse().map_err(UserError::Number);
        match text.split_once(':') {
            None => Ok(Self { uid: number(text)?, gid: None }),
            Some((uid, gid)) => Ok(Self { uid: number(uid)?, gid: Some(number(gid)?) }),
        }
    }
}

/// Why a program is not run as somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserError {
    /// Names are not looked up.
    #[error("is not a user: write UID or UID:GID, in numbers")]
    Number(#[source] std::num::ParseIntError),
    /// Called by root without one.
    #[error("as root, name the user that the program runs as: --user UID[:GID]")]
    Missing,
    /// User or group 0.
    #[error("a program that runs as root is not kept apart: name another user and group")]
    Root,
    /// The user whose files the daemon's are.
    #[error("{0} is the runner proxy's own user: name another one")]
    Proxys(u32),
    /// Somebody else than the caller, who is not root.
    #[error("only root starts programs as somebody else than itself")]
    NotRoot,
}

/// The user that a program runs as, and what the system knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: Option<String>,
    /// The root directory where the system names none.
    pub(crate) home: String,
}

impl Account {
    /// The account for a caller, who is `own`, on a host whose daemon keeps its files in `state`.
    pub(crate) fn choose(
        wanted: Option<UserAndGroup>,
        own: (u32, u32),
        state: &Path,
    ) -> Result<Self, UserError> {
        // Where it cannot be read there is no daemon either, and the caller hears of it.
        let proxys = fs::metadata(state).map(|state| state.uid()).ok();
        // Accounts of a directory service have no home and no group here.
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        choose(wanted, own, proxys, &known)
    }
}

fn choose(
    wanted: Option<UserAndGroup>,
    own: (u32, u32),
    proxys: Option<u32>,
    known: &str,
) -> Result<Account, UserError> {
    let (uid, gid) = match wanted {
        None if own.0 == 0 => return Err(UserError::Missing),
        None => (own.0, Some(own.1)),
        Some(wanted) if own.0 == 0 => (wanted.uid, wanted.gid),
        Some(wanted) if wanted.uid == own.0 && wanted.gid.is_none_or(|gid| gid == own.1) => {
            (own.0, Some(own.1))
        }
        Some(_) => return Err(UserError::NotRoot),
    };
    let fields = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter_map(|fields| match *fields.as_slice() {
        [name, _, number, group, _, home, ..] if number.parse() == Ok(uid) => {
            Some((name.to_owned(), group.parse::<u32>().ok(), home.to_owned()))
        }
        _ => None,
    });
    let (name, group, home) = match found.next() {
        Some((name, group, home)) => (Some(name), group, home),
        None => (None, None, "/".to_owned()),
    };
    let gid = gid.or(group).unwrap_or(uid);
    if uid == 0 || gid == 0 {
        return Err(UserError::Root);
    }
    if own.0 == 0 && proxys == Some(uid) {
        return Err(UserError::Proxys(uid));
    }
    Ok(Account { uid, gid, name, home })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "root:x:0:0:root:/root:/bin/sh\nproxy:x:7:7::/var/p:/bin/false\nweb:x:9:90:Web:/home/web:/bin/sh\n";

    fn user(text: &str) -> UserAndGroup {
        text.parse().unwrap()
    }

    #[test]
    fn root_names_a_user_who_is_neither_root_nor_the_proxys() {
        let choose = |wanted| choose(wanted, (0, 0), Some(7), KNOWN);
        assert_eq!(choose(None), Err(UserError::Missing));
        for root in ["0", "0:9", "9:0"] {
            assert_eq!(choose(Some(user(root))), Err(UserError::Root), "{root}");
        }
        assert_eq!(choose(Some(user("7"))), Err(UserError::Proxys(7)));
        let web = choose(Some(user("9"))).unwrap();
        assert_eq!(
            (web.gid, web.name.as_deref(), web.home.as_str()),
            (90, Some("web"), "/home/web")
        );
        let unknown = choose(Some(user("1234"))).unwrap();
        assert_eq!((unknown.gid, unknown.name, unknown.home.as_str()), (1234, None, "/"));
        assert_eq!(choose(Some(user("9:5"))).unwrap().gid, 5);
    }

    #[test]
    fn anybody_else_stays_who_it_is() {
        let choose = |wanted| choose(wanted, (7, 7), Some(7), KNOWN);
        assert_eq!(choose(None).unwrap().uid, 7);
        assert_eq!(choose(Some(user("7:7"))).unwrap().gid, 7);
        for other in ["9", "7:9", "0"] {
            assert_eq!(choose(Some(user(other))), Err(UserError::NotRoot), "{other}");
        }
    }

    #[test]
    fn users_are_numbers() {
        for text in ["", "web", "9:", ":9", "-1", "9:9:9", "99999999999"] {
            text.parse::<UserAndGroup>().unwrap_err();
        }
    }
}
