//! The first step: a configuration that fits what is there.

use super::Progress;
use super::error::AppError;
use super::estate::{Input, Times, load};
use super::store::write_atomically;
use crate::graph::IdentityKind;
use crate::policy::{Environments, Template};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes `leastwise.toml` into a folder, with a naming template that fits most names of the estate, if one is
/// given.
///
/// # Errors
/// If there is a configuration already, or the estate cannot be read.
pub fn init(
    folder: &Path,
    input: Option<&Input>,
    times: Times,
    progress: &dyn Progress,
) -> Result<PathBuf, AppError> {
    let path = folder.join("leastwise.toml");
    if path.exists() {
        return Err(AppError::usage(format!("`{}` is already there", path.display()))
            .help("remove it first, or edit it"));
    }
    let mut naming = format!("# identity = {:?}\n", crate::policy::DEFAULT_IDENTITY);
    if let Some(input) = input {
        let loaded = load(input, &[], times, progress)?;
        let graph = crate::graph::AccessGraph::build(loaded.estate, crate::rbac::Catalog::embedded(), None);
        let named = graph.identities().iter().filter(|(_, i)| i.kind == IdentityKind::UserAssigned);
        let names: Vec<&str> = named.map(|(_, i)| graph.identity_name(i)).collect();
        let (template, fitting) = infer(&names);
        naming = format!(
            "# fits {fitting} of {} names that are there\nidentity = {}\n",
            names.len(),
            toml::Value::from(template)
        );
    }
    let text = format!(
        "# How leastwise judges this repository's or tenant's identities. `leastwise schema config` has every key.\n\n\
         [naming]\n{naming}\n\
         [owners]\n# tags that name an owner, first one wins\ntags = [\"owner\", \"opsteam\", \"team\"]\n\n\
         [federation]\n# organisations that federated credentials may trust\n# trusted = [\"contoso\"]\n\n\
         [identities.platform]\n# identities that deploy landing zones: their findings count one level lower\n# names = [\"id-platform-*\"]\n"
    );
    write_atomically(&path, false, |file| file.write_all(text.as_bytes()))?;
    Ok(path)
}

/// The template, of a few usual ones with the usual prefixes, that fits most names.
fn infer(names: &[&str]) -> (String, usize) {
    let naming = crate::policy::Naming::default();
    let environments = Environments::default();
    let mut prefixes: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *prefixes.entry(name.split('-').next().unwrap_or(name)).or_default() += 1;
    }
    let common =
        prefixes.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0))).map_or("id", |(p, _)| p);
    let shapes = [
        "{p}-{workload}-{env}[-{region}][-{instance}]",
        "{p}-{env}-{workload}[-{region}][-{instance}]",
        "{workload}-{env}-{p}",
        "{p}-{workload}[-{instance}]",
    ];
    let mut best = (crate::policy::DEFAULT_IDENTITY.to_owned(), 0);
    for shape in shapes {
        let text = shape.replace("{p}", &common.to_ascii_lowercase());
        let Ok(template) = Template::new(&text) else { continue };
        let fits = names
            .iter()
            .filter(|n| naming.judge(&template, n, &environments, None) == crate::policy::Verdict::Fits)
            .count();
        if fits > best.1 {
            best = (text, fits);
        }
    }
    best
}
