//! The operands of one command, by the grammar that its tool's file gives its verb.

use std::collections::BTreeMap;

use super::named::{Customs, Named};
use crate::{
    catalogue::{CommandPath, resource::is_dns_label},
    command::error::CommandError,
    excerpt::Excerpt,
    tool::{FlagNames, OperandGrammar, Tool},
};

/// A command whose operands are to be typed.
pub(in crate::command) struct OperandReader<'a> {
    pub(in crate::command) tool: Tool,
    pub(in crate::command) path: &'a CommandPath,
    pub(in crate::command) flags: &'a BTreeMap<String, Vec<String>>,
    pub(in crate::command) customs: Customs<'a>,
}

impl OperandReader<'_> {
    /// Types `operands`; resource tokens of Kubernetes are rewritten to names that can be read in
    /// one way only.
    ///
    /// # Errors
    /// A [`CommandError`] that names the first word that the verb cannot take.
    pub(in crate::command) fn named(&self, operands: &mut [String]) -> Result<Named, CommandError> {
        let verb: Vec<&str> = self.path.words().iter().map(String::as_str).collect();
        let grammar = (self.tool.spec().operands)(&verb);
        let mut named = Named::default();
        // A namespace that a flag names says where applications are.
        let flags_first = matches!(grammar, OperandGrammar::Applications(_));
        if flags_first {
            self.flags_that_name(&verb, &mut named)?;
        }
        self.of_grammar(grammar, operands, &mut named)?;
        if !flags_first {
            self.flags_that_name(&verb, &mut named)?;
        }
        if named
            .resources
            .iter()
            .any(|resource| resource == "namespaces")
        {
            // A namespace is an object outside of every namespace; rules about namespaces mean it
            // too.
            named.namespaces.extend(named.names.iter().cloned());
        }
        named.resources.sort();
        named.resources.dedup();
        Ok(named)
    }

    fn of_grammar(
        &self,
        grammar: OperandGrammar,
        operands: &mut [String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        match grammar {
            OperandGrammar::Applications(which) => self.applications(which, operands, named),
            OperandGrammar::NameThenRevision => self.names(without_revision(operands), named),
            OperandGrammar::Names => self.names(operands, named),
            OperandGrammar::NamesOf(resource) => {
                named.resources.push(resource.to_owned());
                self.names_of(resource, operands, named)
            }
            OperandGrammar::NamesThenChart => self.names_then_chart(operands, named),
            OperandGrammar::New(resource) => {
                named.resources.push(resource.to_owned());
                self.names_of(resource, operands.get(..1).unwrap_or_default(), named)
            }
            OperandGrammar::NoFiles => match operands.first() {
                Some(word) => {
                    Err(self.refused(word, "it is a file on this machine, and there are none"))
                }
                None => Ok(()),
            },
            OperandGrammar::ObjectOf(resource, words) => {
                self.one_object(resource, words, operands, named)
            }
            OperandGrammar::Objects => self.objects(operands, named),
            OperandGrammar::ObjectsAndPairs(also) => self.objects_and_pairs(also, operands, named),
            OperandGrammar::ObjectsAndWord => match operands.split_last_mut() {
                Some((word, objects)) => {
                    // `set selector` takes requirements, parted by commas.
                    let pairs = word.split(',').filter(|pair| pair.contains('='));
                    named.pairs = pairs.map(str::to_owned).collect();
                    self.objects(objects, named)
                }
                None => Ok(()),
            },
            OperandGrammar::ObjectsOf(resource) => {
                named.resources.push(resource.to_owned());
                if operands.is_empty() {
                    named.object(resource, None);
                }
                let mut words = operands.iter_mut();
                words.try_for_each(|word| self.object(resource, word, named))
            }
            OperandGrammar::Words(reach) => {
                named.names = operands.to_vec();
                named.reach(reach);
                Ok(())
            }
            OperandGrammar::Workloads(reach) => self.workloads(reach, operands, named),
        }
    }

    /// Reads the objects and namespaces that stand in flags.
    fn flags_that_name(&self, verb: &[&str], named: &mut Named) -> Result<(), CommandError> {
        for row in (self.tool.spec().naming_flags)(verb) {
            let values = self.flags.get(row.flag).into_iter().flatten();
            match row.names {
                FlagNames::Name => named.names.extend(values.cloned()),
                FlagNames::Namespace => named.namespaces.extend(values.cloned()),
                FlagNames::NamespaceOfAccount => {
                    let accounts = values.filter_map(|account| account.split_once(':'));
                    let namespaces = accounts.map(|(namespace, _)| namespace.to_owned());
                    named.namespaces.extend(namespaces);
                }
                FlagNames::Object => {
                    for value in values {
                        if !value.contains('/') {
                            return Err(self.refused(value, "write TYPE/NAME"));
                        }
                        let as_written = self.without_customs();
                        as_written.object("", &mut value.clone(), named)?;
                        // It is read from; what the command is about are its operands.
                        named.of_flags.extend(named.objects.pop());
                    }
                }
            }
        }
        Ok(())
    }

    /// Names of objects of `resource`; all of them where there is none.
    fn names_of(
        &self,
        resource: &str,
        words: &[String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        if words.is_empty() {
            named.object(resource, None);
        }
        for word in words {
            named.object(resource, Some(word));
        }
        self.names(words, named)
    }

    fn names(&self, words: &[String], named: &mut Named) -> Result<(), CommandError> {
        for word in words {
            named.names.push(self.name(word)?);
        }
        Ok(())
    }

    pub(super) fn namespace(&self, word: &str, namespace: &str) -> Result<String, CommandError> {
        if is_dns_label(namespace) {
            Ok(namespace.to_owned())
        } else {
            Err(self.refused(word, "it holds something else than a namespace"))
        }
    }

    pub(super) fn name(&self, word: &str) -> Result<String, CommandError> {
        if is_object_name(word) {
            Ok(word.to_owned())
        } else {
            Err(self.refused(word, "it is not the name of an object"))
        }
    }

    pub(super) fn refused(&self, word: &str, why: &'static str) -> CommandError {
        CommandError::Operand {
            tool: self.tool,
            path: self.path.clone(),
            word: Excerpt::new(word),
            why,
        }
    }
}

/// `NAME` of `NAME REVISION`, and all words of anything else.
fn without_revision(operands: &[String]) -> &[String] {
    match operands {
        [name, revision] if revision.bytes().all(|byte| byte.is_ascii_digit()) => {
            std::slice::from_ref(name)
        }
        names => names,
    }
}

/// Names of objects: path segments of the API, so no `/`, `%`, `.` or `..`; RBAC has colons.
pub(super) fn is_object_name(word: &str) -> bool {
    (1..=253).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte))
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
}
