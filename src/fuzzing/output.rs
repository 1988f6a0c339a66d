//! Bytes of a child -> clean text.

use crate::output::clean;

/// Clean text has nothing that steers a terminal, and cleaning it again changes nothing. Returns
/// whether there was something to clean.
pub fn output(bytes: &[u8]) -> bool {
    let text = clean(bytes);
    assert!(
        !text
            .chars()
            .any(|character| character.is_control() && character != '\n' && character != '\t')
    );
    assert_eq!(clean(text.as_bytes()), text);
    text.as_bytes() != bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_bytes(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b']'), Just(0xc2), Just(0x9b)], 0..64)) {
            output(&bytes);
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(output(b"\x1b[31mred\x1b[0m"));
        assert!(!output(b"NAME READY\n"));
    }
}
