//! Bytes that come to the spawner, or from it.

use crate::sandbox::reads_again;

/// Bytes that are a message of the server or of the spawner are written and read again to the same
/// one; all others are none. Returns whether they were one.
pub fn message(bytes: &[u8]) -> bool {
    match reads_again(bytes) {
        Some(same) => {
            assert!(same, "{}", String::from_utf8_lossy(bytes));
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: &str = r#"{"start":{"child":1,"program":{"tool":"helm"},"argv":["helm"],"environment":[],"limits":{"memory_bytes":1,"cpu_seconds":1},"profile":"plain","slot":0,"descriptors":[ROLES]}}"#;
    const ROLES: [&str; 10] = [
        r#""report""#,
        r#""stdin""#,
        r#""stdout""#,
        r#""stderr""#,
        r#""directory""#,
        r#""kubeconfig""#,
        r#""home""#,
        r#""scratch""#,
        r#""request""#,
        r#""notifications""#,
    ];

    /// Pieces of messages, so that some are whole.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(r#"{"signal":{"child":"#.to_owned()),
            any::<u64>().prop_map(|number| number.to_string()),
            Just(r#","signal":"#.to_owned()),
            Just(r#""term""#.to_owned()),
            Just(r#""kill""#.to_owned()),
            Just("}}".to_owned()),
            Just(r#"{"open":{"program":{"tool":"kubectl"}}}"#.to_owned()),
            ".{0,6}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_pieces(pieces in prop::collection::vec(piece(), 0..8)) {
            message(pieces.concat().as_bytes());
        }

        #[test]
        fn it_holds_for_starts_with_any_roles(
            roles in prop::collection::vec(prop::sample::select(&ROLES[..]), 0..12),
        ) {
            let text = START.replace("ROLES", &roles.join(","));
            prop_assert!(message(text.as_bytes()));
        }

        #[test]
        fn it_holds_for_signals(child in any::<u64>(), kill in any::<bool>()) {
            let signal = if kill { "kill" } else { "term" };
            let text = format!(r#"{{"signal":{{"child":{child},"signal":"{signal}"}}}}"#);
            prop_assert!(message(text.as_bytes()));
        }
    }
}
