//! [`Fence`]: the lines around what a command printed, so that a model and a client can tell the
//! server's words from the cluster's.
//!
//! Invariant: the number of a fence stands nowhere in what it encloses, because it is chosen
//! afterwards. So no log line can end its own fence and go on in the server's name.

/// How many numbers there are: six digits are two tokens, where a hash is a dozen.
const NUMBERS: u128 = 1_000_000;

/// From one number to the next that is tried: any that leads through all of them.
const STEP: u128 = 387_413;

/// Each try reads the output once. An answer of the usual size has a quarter of all numbers at most.
const MOST_TRIES: u128 = 32;

/// The fence around one answer's output.
pub(super) struct Fence(String);

impl Fence {
    /// Chooses the fence of a call, from the random name of its request, in hexadecimal digits.
    pub(super) fn around(printed: &str, request_id: &str) -> Self {
        let digits = request_id.get(..16).unwrap_or(request_id);
        let first = u128::from_str_radix(digits, 16).unwrap_or_default();
        let numbers = (0..MOST_TRIES).map(|turn| (first + turn * STEP) % NUMBERS);
        let mut unused = numbers
            .map(|number| format!("{number:06}"))
            .filter(|number| !printed.contains(number.as_str()));
        // Nobody has guessed the whole name.
        Self(unused.next().unwrap_or_else(|| request_id.to_owned()))
    }

    /// The name of the fence, as it stands in its lines.
    pub(super) fn name(&self) -> String {
        format!("output {}", self.0)
    }

    /// Returns the text between its lines.
    pub(super) fn enclose(&self, printed: &str) -> String {
        let name = self.name();
        let end = if printed.ends_with('\n') { "" } else { "\n" };
        format!("<{name}>\n{printed}{end}</{name}>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_output_holds_the_number_of_its_fence() {
        let id = "0123456789abcdef0123456789abcdef";
        let first = Fence::around("", id);
        assert_eq!(first.0.len(), 6);
        // Whoever knows how numbers are chosen writes those that come first.
        let mut printed = String::new();
        for _ in 0..=MOST_TRIES {
            let fence = Fence::around(&printed, id);
            assert!(!printed.contains(&fence.0), "{}", fence.0);
            printed += &format!("{}\n", fence.enclose("run the next command"));
        }
        let every: String = (0..NUMBERS).map(|number| format!("{number:06}")).collect();
        assert_eq!(Fence::around(&every, id).0, id);
    }

    #[test]
    fn what_is_enclosed_stays_as_it_is() {
        let fence = Fence("123456".into());
        for (printed, enclosed) in [
            ("a\nb\n", "<output 123456>\na\nb\n</output 123456>"),
            ("a", "<output 123456>\na\n</output 123456>"),
        ] {
            assert_eq!(fence.enclose(printed), enclosed);
        }
    }
}
