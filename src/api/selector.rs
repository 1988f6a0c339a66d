//! [`Selector`]: a label or field selector as the requirements that it is made of.
//!
//! All of them have to hold for an object, so one that has more requirements than another selects no
//! object that the other does not.

/// The requirements of a selector, without blanks, `==` as `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<String>);

impl Selector {
    /// Reads `app=web,tier in (a, b)`; none for what the API server could read otherwise: a `\` makes
    /// the comma behind it part of a field's value (apimachinery pkg/fields/selector.go).
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.contains('\\') || text.contains("!==") {
            return None;
        }
        let mut requirements = Vec::new();
        let mut current = String::new();
        let mut depth = 0_usize;
        for character in text.chars() {
            match character {
                '(' => depth = depth.saturating_add(1),
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    requirements.push(std::mem::take(&mut current));
                    continue;
                }
                _ => {}
            }
            current.push(character);
        }
        requirements.push(current);
        let requirements = requirements.iter().map(|text| normal(text));
        let requirements = requirements.filter(|text| !text.is_empty());
        Some(Self(requirements.collect()))
    }

    /// Whether it has a requirement for which `holds`.
    pub(super) fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|requirement| holds(requirement))
    }

    /// Its requirements.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What the field has to be, where a requirement says so.
    pub(super) fn field(&self, field: &str) -> Option<&str> {
        self.requirements().find_map(|requirement| {
            let value = requirement.strip_prefix(field)?.strip_prefix('=')?;
            // Values of set-based requirements and inequalities are none.
            (!value.is_empty()).then_some(value)
        })
    }
}

/// A requirement in the one spelling that two are compared by: tools sort the values of a set, and
/// write `a=b` for `a==b`.
fn normal(requirement: &str) -> String {
    let requirement = requirement.trim();
    if let Some((head, set)) = requirement.split_once('(') {
        let set = set.trim_end().trim_end_matches(')');
        let mut values: Vec<&str> = set.split(',').map(str::trim).collect();
        values.sort_unstable();
        let head: Vec<&str> = head.split_whitespace().collect();
        return format!("{} ({})", head.join(" "), values.join(","));
    }
    let plain: String = requirement
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    plain.replacen("==", "=", 1)
}
