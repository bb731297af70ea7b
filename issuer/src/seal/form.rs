//! The forms in which a key-encryption key is written: raw, as hexadecimal digits, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_store::seal::KeyEncryptionKey;
use zeroize::Zeroizing;

/// Longest key in any form: hexadecimal digits with a line's end, and room for a line's other end.
pub(super) const MAXIMUM_KEY_BYTES: usize = 128;

/// Raw bytes, hexadecimal digits or base64; text may end in a line's end.
pub(super) fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if let Some(key) = KeyEncryptionKey::bytes_of_hex(text) {
        return Some(key);
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    // Into its place: nothing is left behind in between. One byte more shows what is too long.
    let mut decoded = Zeroizing::new([0_u8; 96]);
    let length = STANDARD.decode_slice(text, &mut *decoded).ok()?;
    key.copy_from_slice(<&[u8; 32]>::try_from(decoded.get(..length)?).ok()?);
    Some(key)
}
