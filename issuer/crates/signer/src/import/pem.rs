//! PEM (RFC 7468), as tools write it: text before a block is a comment or a bag attribute.
//!
//! Lines may end in CR LF and the text may begin with a byte order mark. Strict otherwise: BEGIN and END
//! agree, base64 is canonical, and nothing but white space follows the last block. A header in a block
//! (RFC 1421) means encryption or is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::import::error::ImportError;

/// A block: what its first line says, and the bytes inside.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// Every block of a text.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().map(str::trim_end);
    let mut blocks = Vec::new();
    let mut trailing = false;
    while let Some(line) = lines.next() {
        if let Some(label) = boundary(line, "-----BEGIN ") {
            trailing = false;
            blocks.push(Block { label, der: body(label, &mut lines)? });
        } else if line.starts_with("-----") {
            return Err(ImportError::Damaged("a line of dashes is no line BEGIN"));
        } else {
            trailing |= !line.is_empty();
        }
    }
    match blocks.is_empty() {
        true => Err(ImportError::NoKey),
        false if trailing => Err(ImportError::Trailing),
        false => Ok(blocks),
    }
}

/// The bytes up to the line that ends the block.
fn body<'a>(
    label: &str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    // Reserved once: a string that grows leaves unzeroed copies behind.
    let mut base64 = Zeroizing::new(String::with_capacity(super::MAXIMUM_KEY_FILE_BYTES));
    for line in lines {
        if let Some(end) = boundary(line, "-----END ") {
            if end != label {
                return Err(ImportError::Damaged("the lines BEGIN and END do not agree"));
            }
            let der = STANDARD.decode(base64.as_bytes()).map(Zeroizing::new);
            return der.map_err(|_bytes| ImportError::Damaged("its base64 is broken"));
        }
        if line.starts_with("-----") {
            return Err(ImportError::Damaged("a line of dashes is no line END"));
        }
        if line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED") {
            return Err(ImportError::Encrypted);
        }
        if line.contains(':') {
            return Err(ImportError::Damaged("there are headers in it"));
        }
        base64.push_str(line);
    }
    Err(ImportError::Damaged("the line END is missing"))
}

/// The label of a line that begins or ends a block.
fn boundary<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}
