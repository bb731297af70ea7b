//! The chunked coding (RFC 9112 section 7.1), without extensions and trailers.

use super::Refusal;

/// Hexadecimal digits of a chunk size: 15 hold any size below 2^60, and no overflow.
const MAX_DIGITS: u8 = 15;

/// Where in a chunked body the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In a size line, after this many digits.
    Size { digits: u8, value: u64 },
    /// After the carriage return of a size line.
    SizeLf { value: u64 },
    /// In data, with this many bytes to come.
    Data { left: u64 },
    /// After data, before the carriage return.
    DataCr,
    /// After data and carriage return.
    DataLf,
    /// After the last chunk, where a trailer could begin.
    End,
    /// After the carriage return that ends the body.
    EndLf,
    /// After the body.
    Done,
}

impl Chunked {
    pub(super) const START: Self = Self::Size { digits: 0, value: 0 };

    /// Takes one byte that is not data.
    pub(super) fn step(self, byte: u8) -> Result<Self, Refusal> {
        match self {
            Self::Size { digits, value } => size_byte(digits, value, byte),
            Self::SizeLf { value: 0 } if byte == b'\n' => Ok(Self::End),
            Self::SizeLf { value } if byte == b'\n' => Ok(Self::Data { left: value }),
            Self::DataCr if byte == b'\r' => Ok(Self::DataLf),
            Self::DataLf if byte == b'\n' => Ok(Self::START),
            Self::End if byte == b'\r' => Ok(Self::EndLf),
            Self::EndLf if byte == b'\n' => Ok(Self::Done),
            Self::End | Self::DataCr if byte == b'\n' => Err(Refusal::BareLf),
            Self::End => Err(Refusal::Trailer),
            Self::SizeLf { .. } | Self::DataLf | Self::EndLf => Err(Refusal::BareCr),
            Self::DataCr | Self::Data { .. } | Self::Done => Err(Refusal::ChunkEnd),
        }
    }
}

fn size_byte(digits: u8, value: u64, byte: u8) -> Result<Chunked, Refusal> {
    let digit = match byte {
        b'\r' if digits > 0 => return Ok(Chunked::SizeLf { value }),
        b'\n' => return Err(Refusal::BareLf),
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => return Err(Refusal::ChunkSize),
    };
    if digits == MAX_DIGITS {
        return Err(Refusal::ChunkSize);
    }
    Ok(Chunked::Size { digits: digits + 1, value: (value << 4) | u64::from(digit) })
}
