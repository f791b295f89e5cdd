//! `[1,2,3]`

use super::{Number, ParseError, scan_number, skip_space};
use crate::kernels::Element;

/// Reads `[number, number, ...]` with at most `max_elements` elements.
///
/// The first problem from the left is the one reported.
pub fn parse_dense<E: Element>(literal: &[u8], max_elements: usize) -> Result<Vec<E>, ParseError<'_>> {
    let mut rest = skip_space(literal);
    rest = rest.strip_prefix(b"[").ok_or(ParseError::NoOpeningBracket('['))?;
    rest = skip_space(rest);
    if rest.first() == Some(&b']') {
        return Err(ParseError::Empty);
    }

    let mut elements = Vec::new();
    loop {
        if elements.len() == max_elements {
            return Err(ParseError::TooMany);
        }
        rest = skip_space(rest);
        let (value, length) = scan_number(rest).ok_or(ParseError::Syntax)?;
        match value {
            Number::Finite(x) => {
                let element = E::from_f32(x);
                if element.to_f32().is_infinite() {
                    return Err(ParseError::OutOfRange(&rest[..length]));
                }
                elements.push(element);
            }
            Number::Infinity => return Err(ParseError::Infinite),
            Number::Nan => return Err(ParseError::NotANumber),
        }
        rest = skip_space(&rest[length..]);
        match rest.split_first() {
            Some((b',', tail)) => rest = tail,
            Some((b']', tail)) => {
                return if skip_space(tail).is_empty() {
                    Ok(elements)
                } else {
                    Err(ParseError::TrailingJunk)
                };
            }
            _ => return Err(ParseError::Syntax),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use proptest::prelude::*;

    fn parse(literal: &[u8], max_elements: usize) -> Result<Vec<f32>, ParseError<'_>> {
        parse_dense(literal, max_elements)
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value_or_an_error(literal in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&literal, 16);
        }

        #[test]
        fn printed_vectors_are_read_back(elements in prop::collection::vec(-1e30f32..1e30, 1..20)) {
            let literal = format!("{elements:?}");
            prop_assert_eq!(parse(literal.as_bytes(), 20), Ok(elements));
        }

        #[test]
        fn printed_halves_are_read_back(elements in prop::collection::vec(-65504f32..65504.0, 1..20)) {
            let elements: Vec<f16> = elements.into_iter().map(f16::from_f32).collect();
            let literal = format!("{:?}", elements.iter().map(|x| x.to_f32()).collect::<Vec<_>>());
            prop_assert_eq!(parse_dense(literal.as_bytes(), 20), Ok(elements));
        }
    }

    #[test]
    fn the_first_problem_from_the_left_is_reported() {
        let cases: [(&str, ParseError); 16] = [
            ("", ParseError::NoOpeningBracket('[')),
            ("1,2", ParseError::NoOpeningBracket('[')),
            ("[]", ParseError::Empty),
            (" [ ] x", ParseError::Empty),
            ("[", ParseError::Syntax),
            ("[1", ParseError::Syntax),
            ("[1,", ParseError::Syntax),
            ("[1,]", ParseError::Syntax),
            ("[1,,2]", ParseError::Syntax),
            ("[a]", ParseError::Syntax),
            ("[1 2]", ParseError::Syntax),
            ("[1]]", ParseError::TrailingJunk),
            ("[1,2,3,4", ParseError::TooMany),
            ("[ 4e38, nan]", ParseError::OutOfRange(b"4e38")),
            ("[nan(", ParseError::NotANumber),
            ("[-Infinity", ParseError::Infinite),
        ];
        for (literal, error) in cases {
            assert_eq!(parse(literal.as_bytes(), 3), Err(error), "{literal:?}");
        }
    }

    #[test]
    fn white_space_may_stand_around_brackets_numbers_and_commas() {
        assert_eq!(parse(b" \t\n\r\x0b\x0c[ 1 ,\t2 ]\n", 3), Ok(vec![1.0, 2.0]));
    }

    #[test]
    fn halves_round_to_even_and_have_a_range_of_their_own() {
        let parse = |literal: &'static str| parse_dense::<f16>(literal.as_bytes(), 9);
        let halves = |x: &[f32]| Ok(x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>());
        assert_eq!(parse("[2049,2051,1e-8,-1e-8]"), halves(&[2048.0, 2052.0, 0.0, -0.0]));
        assert_eq!(parse("[65519,-65519]"), halves(&[65504.0, -65504.0]));
        assert_eq!(parse("[65520]"), Err(ParseError::OutOfRange(b"65520")));
        assert_eq!(parse("[1,-7e4]"), Err(ParseError::OutOfRange(b"-7e4")));
        assert_eq!(parse("[1e39]"), Err(ParseError::OutOfRange(b"1e39")));
        assert_eq!(parse("[-inf]"), Err(ParseError::Infinite));
    }
}
