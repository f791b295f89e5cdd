//! Text forms: `[1,2,3]` of the dense types, `{1:2,3:4}/5` of `sparsevec`. Pure: knows neither Postgres nor the types it
//! reads for.
//!
//! Numbers follow C's `strtof` in the C locale, because that is what clients were promised: an optional sign, decimal or
//! hexadecimal digits, an optional exponent, or the words `inf`, `infinity`, `nan`, `nan(...)` in any case. The longest
//! valid prefix counts; what follows must be white space or punctuation.

mod dense;
mod sparse;

pub use dense::parse_dense;
pub use sparse::{ParsedSparse, parse_sparse};

/// Why a literal is not a vector.
#[derive(Debug, PartialEq)]
pub enum ParseError<'a> {
    /// The first character that is not white space is not the opening bracket, which is this one.
    NoOpeningBracket(char),
    /// Anything the grammar does not allow between the brackets.
    Syntax,
    /// Something other than white space follows the closing bracket of a dense vector.
    TrailingJunk,
    /// No slash and dimensions follow the elements of a sparse vector.
    NoDimensions,
    /// Something other than white space follows the dimensions of a sparse vector.
    JunkAfterDimensions,
    /// `[]`.
    Empty,
    /// More elements of a dense vector than the caller allows.
    TooMany,
    /// More elements of a sparse vector than the caller allows.
    TooManyElements,
    /// A finite number beyond the range of the elements, as written.
    OutOfRange(&'a [u8]),
    /// An element is not a number.
    NotANumber,
    /// An element is infinite.
    Infinite,
}

/// What `strtof` would have returned.
#[derive(Debug, PartialEq)]
enum Number {
    /// Digits; infinite if they exceed the range of `f32`, zero if they fall below it.
    Finite(f32),
    Infinity,
    Nan,
}

/// White space as the C locale's `isspace` has it.
fn skip_space(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)).count();
    &text[blanks..]
}

/// The longest number at the start of `text` and its length in bytes, or `None` if there is none.
fn scan_number(text: &[u8]) -> Option<(Number, usize)> {
    let sign_length = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let body = &text[sign_length..];
    let (number, length) =
        scan_word(body).or_else(|| scan_hexadecimal(body)).or_else(|| scan_decimal(body))?;
    let number = match number {
        Number::Finite(x) if negative => Number::Finite(-x),
        other => other,
    };
    Some((number, sign_length + length))
}

fn scan_word(text: &[u8]) -> Option<(Number, usize)> {
    let starts_with = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    if starts_with(b"infinity") {
        Some((Number::Infinity, 8))
    } else if starts_with(b"inf") {
        Some((Number::Infinity, 3))
    } else if starts_with(b"nan") {
        let payload = text[3..].strip_prefix(b"(").and_then(|tail| {
            let length = count(tail, |c| c.is_ascii_alphanumeric() || c == b'_');
            (tail.get(length) == Some(&b')')).then_some(length + 2)
        });
        Some((Number::Nan, 3 + payload.unwrap_or(0)))
    } else {
        None
    }
}

fn scan_decimal(text: &[u8]) -> Option<(Number, usize)> {
    let whole = count(text, |c| c.is_ascii_digit());
    let mut length = whole;
    if text.get(length) == Some(&b'.') {
        let fraction = count(&text[length + 1..], |c| c.is_ascii_digit());
        if whole + fraction > 0 {
            length += 1 + fraction;
        }
    }
    if length == 0 {
        return None;
    }
    if matches!(text.get(length), Some(b'e' | b'E')) {
        length += integer_length(&text[length + 1..]).map_or(0, |digits| 1 + digits);
    }
    // Rust rounds decimal text correctly, as glibc does, and reads everything this grammar lets through.
    let value = std::str::from_utf8(&text[..length]).ok()?.parse().ok()?;
    Some((Number::Finite(value), length))
}

/// `0x` digits with an optional point and an optional binary exponent: `0x1.8p3`.
fn scan_hexadecimal(text: &[u8]) -> Option<(Number, usize)> {
    if !(text.len() > 2 && text[0] == b'0' && matches!(text[1], b'x' | b'X')) {
        return None;
    }
    // The leading digits as an integer; once it is full, later digits only say whether the value is inexact.
    let mut mantissa = 0u64;
    let mut exponent = 0i64;
    let mut inexact = false;
    let mut digits = 0;
    let mut point = false;
    let mut length = 2;
    while let Some(&c) = text.get(length) {
        if c == b'.' && !point {
            point = true;
        } else if let Some(digit) = (c as char).to_digit(16) {
            digits += 1;
            if mantissa >> 60 == 0 {
                mantissa = mantissa << 4 | u64::from(digit);
                exponent -= if point { 4 } else { 0 };
            } else {
                inexact |= digit != 0;
                exponent += if point { 0 } else { 4 };
            }
        } else {
            break;
        }
        length += 1;
    }
    if digits == 0 {
        return None;
    }
    if matches!(text.get(length), Some(b'p' | b'P'))
        && let Some(exponent_length) = integer_length(&text[length + 1..])
    {
        let written = &text[length + 1..length + 1 + exponent_length];
        exponent = exponent.saturating_add(saturating_integer(written));
        length += 1 + exponent_length;
    }
    Some((Number::Finite(scale_to_f32(mantissa, exponent, inexact)), length))
}

/// `mantissa * 2^exponent`, plus a little more if `inexact`, rounded once to the nearest `f32`, ties to even.
fn scale_to_f32(mantissa: u64, exponent: i64, inexact: bool) -> f32 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift;
    let exponent = exponent.saturating_sub(i64::from(shift));
    // The value lies in [2^top, 2^(top + 1)).
    let top = exponent.saturating_add(63);
    if top > 127 {
        return f32::INFINITY;
    }
    // A normal number keeps 24 bits, a subnormal one only those at or above 2^-149.
    let kept_bits = (top + 150).clamp(-1, 24);
    if kept_bits < 0 {
        return 0.0;
    }
    let dropped_bits = 64 - kept_bits as u32;
    let (kept, dropped) = if dropped_bits == 64 {
        (0, u128::from(mantissa))
    } else {
        (mantissa >> dropped_bits, u128::from(mantissa & ((1 << dropped_bits) - 1)))
    };
    let half = 1u128 << (dropped_bits - 1);
    let up = dropped > half || (dropped == half && (inexact || kept & 1 == 1));
    // At most 2^24, hence exact in f64, as is the power of two; the product fits f32 or is the overflow to infinity.
    let rounded = (kept + u64::from(up)) as f64;
    (rounded * 2f64.powi((top + 1 - kept_bits) as i32)) as f32
}

/// Length of an optionally signed run of digits, or `None` without a digit.
fn integer_length(text: &[u8]) -> Option<usize> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = count(&text[sign..], |c| c.is_ascii_digit());
    (digits > 0).then_some(sign + digits)
}

fn saturating_integer(text: &[u8]) -> i64 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', tail)) => (true, tail),
        Some((b'+', tail)) => (false, tail),
        _ => (false, text),
    };
    let magnitude = digits.iter().fold(0i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(1 << 40)
    });
    if negative { -magnitude } else { magnitude }
}

fn count(text: &[u8], accepted: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|&&c| accepted(c)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::{CString, c_char};

    unsafe extern "C" {
        fn strtof(text: *const c_char, end: *mut *mut c_char) -> f32;
    }

    /// The C library's answer: the value and how many bytes it took.
    fn c_strtof(text: &[u8]) -> (f32, usize) {
        let text = CString::new(text).unwrap();
        let mut end = std::ptr::null_mut();
        // SAFETY: `text` is NUL-terminated and lives through the call; `end` is a valid place for the result.
        unsafe {
            let value = strtof(text.as_ptr(), &mut end);
            (value, end.offset_from(text.as_ptr()) as usize)
        }
    }

    fn assert_reads_like_c(text: &str) {
        let (expected, expected_length) = c_strtof(text.as_bytes());
        match scan_number(text.as_bytes()) {
            None => assert_eq!(expected_length, 0, "{text:?}"),
            Some((number, length)) => {
                assert_eq!(length, expected_length, "{text:?}");
                match number {
                    Number::Finite(x) => assert_eq!(x.to_bits(), expected.to_bits(), "{text:?}"),
                    Number::Infinity => assert!(expected.is_infinite(), "{text:?}"),
                    Number::Nan => assert!(expected.is_nan(), "{text:?}"),
                }
            }
        }
    }

    #[test]
    fn numbers_read_as_the_c_library_reads_them() {
        for text in [
            "1",
            "-1",
            "+1",
            "1.",
            ".5",
            ".",
            "",
            "e5",
            "1e",
            "1e+",
            "1e5",
            "1E-5x",
            "0x",
            "0x.",
            "0xg",
            "0x1p3",
            "0x1p",
            "0x1p+",
            "-0x1.8p1",
            "0x.8",
            "0x1.",
            "0x1.000001",
            "0x1.0000010000000000000001",
            "0x1.0000030p0",
            "0x1p-149",
            "0x1p-150",
            "0x1.8p-150",
            "0x1.0000000000000000000001p-150",
            "0x0.8p-149",
            "0x1p-151",
            "0x1.fffffep127",
            "0x1.ffffffp127",
            "0x1.fffffefffp127",
            "0x1p128",
            "0x1p99999999999999999999",
            "0x1p-99999999999999999999",
            "0x123456789abcdef123456789",
            "0x0p5",
            "0x00000000000000000000001p0",
            "0x1.fffffcp-127",
            "0x1.fffffep-127",
            "0x1.ffffffp-127",
            "inf",
            "INFINITY",
            "infinit",
            "nan",
            "NaN(12_a)",
            "nan(",
            "nan(-)",
            "in",
            "na",
            "1e-46",
            "-1e-46",
            "1e-45",
            "7e-46",
            "3.4028235e38",
            "3.4028236e38",
            "4e38",
            "1e999999999999999999999",
            "1e-999999999999999999999",
            "00000.00001",
            "1..2",
            "--1",
            "16777217",
            "-0",
        ] {
            assert_reads_like_c(text);
        }
    }

    proptest! {
        #[test]
        fn random_numbers_read_as_the_c_library_reads_them(
            text in "[+-]?(0x)?[0-9a-f]{0,20}(\\.[0-9a-f]{0,20})?([ep][+-]?[0-9]{1,4})?[ ,x]?"
        ) {
            assert_reads_like_c(&text);
        }

        #[test]
        fn random_bits_survive_hexadecimal(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            if x.is_finite() {
                assert_reads_like_c(&format!("{}0x{:x}p-1074", if x.is_sign_negative() { "-" } else { "" },
                    if x == 0.0 { 0 } else { (f64::from(x.abs()).to_bits() & ((1 << 52) - 1)) | 1 << 52 }));
            }
        }
    }
}
