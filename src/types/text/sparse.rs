//! `{1:2,3:4}/5`

use super::{Number, ParseError, count, integer_length, scan_number, skip_space};

/// What a literal says. Neither the indices nor the dimensions are checked: zeros are gone before anything is.
#[derive(Debug, PartialEq)]
pub struct ParsedSparse {
    /// The elements that are not zero with their indices, which count from one, as they stand in the literal.
    pub elements: Vec<(i32, f32)>,
    /// The number of dimensions.
    pub dimensions: i32,
}

/// Reads `{index:number, ...}/dimensions` with at most `max_elements` elements, zeros included. Integers beyond `i32` are
/// read as its bounds.
///
/// Too many elements are reported before anything else, then the first problem from the left.
pub fn parse_sparse(literal: &[u8], max_elements: usize) -> Result<ParsedSparse, ParseError<'_>> {
    if literal.iter().filter(|&&c| c == b',').count() >= max_elements {
        return Err(ParseError::TooManyElements);
    }
    let rest = skip_space(literal).strip_prefix(b"{").ok_or(ParseError::NoOpeningBracket('{'))?;
    let mut rest = skip_space(rest);

    let mut elements = Vec::new();
    if let Some(tail) = rest.strip_prefix(b"}") {
        rest = tail;
    } else {
        loop {
            let (index, tail) = scan_integer(rest).ok_or(ParseError::Syntax)?;
            rest = skip_space(skip_space(tail).strip_prefix(b":").ok_or(ParseError::Syntax)?);
            let (value, length) = scan_number(rest).ok_or(ParseError::Syntax)?;
            let text = &rest[..length];
            match value {
                Number::Finite(0.0) if is_zero(text) => {}
                // Zero means "not there", so a number that is too small to tell from it is refused.
                Number::Finite(x) if x == 0.0 || x.is_infinite() => return Err(ParseError::OutOfRange(text)),
                Number::Finite(x) => elements.push((index, x)),
                Number::Infinity => return Err(ParseError::Infinite),
                Number::Nan => return Err(ParseError::NotANumber),
            }
            rest = skip_space(&rest[length..]);
            match rest.split_first() {
                Some((b',', tail)) => rest = tail,
                Some((b'}', tail)) => {
                    rest = tail;
                    break;
                }
                _ => return Err(ParseError::Syntax),
            }
        }
    }

    rest = skip_space(rest).strip_prefix(b"/").ok_or(ParseError::NoDimensions)?;
    let (dimensions, rest) = scan_integer(rest).ok_or(ParseError::Syntax)?;
    if !skip_space(rest).is_empty() {
        return Err(ParseError::JunkAfterDimensions);
    }
    Ok(ParsedSparse { elements, dimensions })
}

/// White space and a decimal integer with an optional sign, cut to the range of `i32`; and what follows.
fn scan_integer(text: &[u8]) -> Option<(i32, &[u8])> {
    let text = skip_space(text);
    let (integer, rest) = text.split_at(integer_length(text)?);
    let clamped = super::saturating_integer(integer).clamp(i32::MIN.into(), i32::MAX.into());
    Some((clamped as i32, rest))
}

/// Whether a finite number is zero as written, and not only rounded to it.
fn is_zero(number: &[u8]) -> bool {
    let unsigned = number.strip_prefix(b"-").or(number.strip_prefix(b"+")).unwrap_or(number);
    let (digits, exponent) = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => (digits, *b"pP"),
        digits => (digits, *b"eE"),
    };
    let length = count(digits, |c| !exponent.contains(&c));
    digits[..length].iter().all(|c| matches!(c, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(literal: &str) -> Result<(Vec<(i32, f32)>, i32), ParseError<'_>> {
        parse_sparse(literal.as_bytes(), 3).map(|parsed| (parsed.elements, parsed.dimensions))
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value_or_an_error(literal in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_sparse(&literal, 16);
        }

        #[test]
        fn almost_right_text_gives_a_value_or_an_error(literal in "[ {}:,/0-9.e+x-]{0,40}") {
            let _ = parse_sparse(literal.as_bytes(), 16);
        }
    }

    #[test]
    fn elements_are_read_in_any_order_and_zeros_dropped() {
        assert_eq!(parsed("{}/5"), Ok((vec![], 5)));
        assert_eq!(parsed("{3:1.5,1:-2,9:0}/4"), Ok((vec![(3, 1.5), (1, -2.0)], 4)));
        assert_eq!(parsed(" \t{\n 1\r: +1 , \x0b-2:-0x0.0p3}\x0c / +7 "), Ok((vec![(1, 1.0)], 7)));
        assert_eq!(parsed("{1:1,1:2}/1"), Ok((vec![(1, 1.0), (1, 2.0)], 1)));
    }

    #[test]
    fn integers_are_cut_to_their_range() {
        let largest = "9".repeat(40);
        let literal = format!("{{{largest}:1,-{largest}:2}}/-{largest}");
        assert_eq!(parsed(&literal), Ok((vec![(i32::MAX, 1.0), (i32::MIN, 2.0)], i32::MIN)));
        assert_eq!(parsed("{}/2147483648"), Ok((vec![], i32::MAX)));
    }

    #[test]
    fn the_first_problem_from_the_left_is_reported() {
        let cases = [
            ("", ParseError::NoOpeningBracket('{')),
            ("[1]/1", ParseError::NoOpeningBracket('{')),
            ("x,,,", ParseError::TooManyElements),
            ("{", ParseError::Syntax),
            ("{,}/1", ParseError::Syntax),
            ("{1}/1", ParseError::Syntax),
            ("{1:}/1", ParseError::Syntax),
            ("{1:1,}/1", ParseError::Syntax),
            ("{+ 1:1}/1", ParseError::Syntax),
            ("{1:1 2:2}/2", ParseError::Syntax),
            ("{1:1e39,x", ParseError::OutOfRange(b"1e39")),
            ("{1:1e-50}", ParseError::OutOfRange(b"1e-50")),
            ("{1:-0x.1p-999}", ParseError::OutOfRange(b"-0x.1p-999")),
            ("{1:nan}x", ParseError::NotANumber),
            ("{1:inf}x", ParseError::Infinite),
            ("{1:1}", ParseError::NoDimensions),
            ("{}1/1", ParseError::NoDimensions),
            ("{}/", ParseError::Syntax),
            ("{}/x", ParseError::Syntax),
            ("{}/1.5", ParseError::JunkAfterDimensions),
            ("{}/1 2", ParseError::JunkAfterDimensions),
        ];
        for (literal, error) in cases {
            assert_eq!(parsed(literal), Err(error), "{literal:?}");
        }
    }
}
