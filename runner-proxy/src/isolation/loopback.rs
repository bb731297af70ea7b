//! Raises the loopback device of a new network namespace: it is there, and down.
//!
//! One message of rtnetlink(7), `RTM_NEWLINK` with `IFF_UP`, and its acknowledgement.

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::IsolationError;

/// The index of `lo`, the first device of every network namespace.
const LOOPBACK: i32 = 1;

/// linux/rtnetlink.h, linux/netlink.h, linux/if.h.
const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: i32 = 1;

/// Raises it.
pub(super) fn raise() -> Result<(), IsolationError> {
    ask().map_err(IsolationError::Loopback)
}

fn ask() -> io::Result<()> {
    // Protocol 0 of this family is NETLINK_ROUTE.
    let family = AddressFamily::NETLINK;
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &message(), SendFlags::empty())?;
    let mut answer = [0_u8; 128];
    let (length, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
    judge(answer.get(..length).unwrap_or_default())
}

/// `nlmsghdr` and `ifinfomsg`, 16 bytes each.
fn message() -> Vec<u8> {
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    // The number of the message and the port of the sender, which the kernel fills in.
    message.extend([0_u8; 8]);
    // Family and type of the device: any.
    message.extend([0_u8; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message
}

/// An acknowledgement is an error of number 0.
fn judge(answer: &[u8]) -> io::Result<()> {
    let number = |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    let is_error = answer.get(4..6) == Some(NLMSG_ERROR.to_ne_bytes().as_slice());
    match number(16).map(i32::from_ne_bytes).filter(|_| is_error) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::other("the kernel's answer is none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_length_it_names() {
        assert_eq!(message().len(), 32);
    }

    #[test]
    fn only_an_acknowledgement_is_one() {
        let answer = |kind: u16, error: i32| {
            [&36_u32.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], &error.to_ne_bytes()]
                .concat()
        };
        judge(&answer(NLMSG_ERROR, 0)).unwrap();
        let refused = judge(&answer(NLMSG_ERROR, -1)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        for nothing in [answer(3, 0), Vec::new(), vec![0; 19]] {
            judge(&nothing).unwrap_err();
        }
    }
}
