//! [`Named`]: what the operands of a command name.

use crate::{command::adjustment::Adjustment, tool::Reach};

/// What the operands of a command name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::command) struct Named {
    /// Canonical resources, sorted, each once.
    pub(in crate::command) resources: Vec<String>,
    /// Names of objects, releases and applications, without type and namespace.
    pub(in crate::command) names: Vec<String>,
    /// Namespaces inside of operands.
    pub(in crate::command) namespaces: Vec<String>,
    /// Charts that the command reads.
    pub(in crate::command) charts: Vec<String>,
    /// Whether it reaches every namespace, or what lies outside of them, whatever it names.
    pub(in crate::command) everywhere: bool,
    /// What is read as something else.
    pub(in crate::command) changes: Vec<Adjustment>,
}

impl Named {
    pub(super) fn reach(&mut self, reach: Reach) {
        match reach {
            Reach::Everywhere => self.everywhere = true,
            Reach::Into(namespace) => self.namespaces.push(namespace.to_owned()),
            Reach::Named => {}
        }
    }
}
