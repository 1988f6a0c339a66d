//! What a server reads before it serves, of the files that its settings name: [`StartInputs`].
//!
//! Comes in: settings. Goes out: the policy, the named clusters, the key of the records; or all that is
//! wrong with them. `serve` starts with it and `config check` ends with it: what the one accepts the
//! other does. Held by `tests/cli/config.rs`.

use crate::{
    audit::{Seal, seal_of},
    catalogue::Catalogue,
    clusters::Clusters,
    config::Settings,
    policy::{Known, Policy},
};

use super::report::StartErrors;

/// All that is read before root is dropped.
pub struct StartInputs {
    pub catalogues: Vec<Catalogue>,
    pub policy: Policy,
    /// What the policy was loaded for.
    pub known: Known,
    pub clusters: Clusters,
    /// The seal of records: nobody but root has to be able to read the key.
    pub seal: Seal,
}

impl StartInputs {
    /// Reads them.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, StartErrors> {
        let mut wrong = StartErrors(Vec::new());
        let catalogues = Catalogue::carried();
        let catalogues = catalogues.map_err(|error| StartErrors(vec![error.into()]))?;
        let clusters = Clusters::load(settings.clusters.clone(), settings.kubeconfig.clone());
        let clusters = clusters.map_err(|errors| {
            let errors = errors.into_iter().map(Into::into);
            wrong.0.extend(errors);
        });
        let known = clusters.as_ref().ok().map(|clusters| {
            let callers = &settings.callers;
            super::reload::known(callers, clusters, &settings.kubeconfig)
        });
        let policy = Policy::load_for(&settings.policy, &catalogues, known.as_ref());
        let policy = policy.map_err(|errors| wrong.0.push(errors.into())).ok();
        let seal = match settings.audit.key.as_deref() {
            Some(path) => seal_of(path),
            None => Ok(Seal::default()),
        };
        let seal = seal.map_err(|error| wrong.0.push(error.into())).ok();
        match (policy, known, clusters.ok(), seal) {
            (Some(policy), Some(known), Some(clusters), Some(seal)) => Ok(Self {
                catalogues,
                policy,
                known,
                clusters,
                seal,
            }),
            _ => Err(wrong),
        }
    }
}
