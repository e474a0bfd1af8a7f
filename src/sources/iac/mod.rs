//! Infrastructure code: what a change will grant, before it does. All readers make the records that Azure would show, with
//! symbols (`${address}`) for what is only known after apply, so that the same rules judge them.
//!
//! Read are plans of Terraform and OpenTofu, Terraform source, ARM templates and Bicep. Not here: walking folders (`app`).

mod address;
mod arm;
mod azapi;
mod azurerm;
mod bicep;
mod declare;
mod hcl;
mod ids;
mod instance;
mod intake;
mod node;
mod opened;
mod over;
mod place;
mod plan;
mod policies;
mod references;
mod scripts;
mod sections;
mod settings;
mod types;
mod unknown;
mod wire;
mod written;

pub use arm::{Template, parameters_of};
pub use bicep::Bicep;
pub use hcl::is_source;
pub use plan::PlanError;

use super::Files;
use super::arm::Lowering;
use crate::model::{Coverage, Estate, Extent, Gap, PrincipalType, Reason, Source};
use crate::rbac::Catalog;
use azurerm::Azurerm;
use instance::Configuration;
use intake::Intake;
use over::Below;
use place::Places;
use plan::Plan;

/// What a file of a repository is, by its name and content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The JSON of a plan.
    TerraformPlan,
    /// Terraform source.
    Terraform,
    /// An ARM template.
    ArmTemplate,
    /// Values for an ARM template.
    ArmParameters,
    /// Bicep source.
    Bicep,
    /// Values for a file of Bicep, in its own language.
    BicepParameters,
}

impl Kind {
    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Kind::TerraformPlan => "Terraform plan",
            Kind::Terraform => "Terraform source",
            Kind::ArmTemplate => "ARM template",
            Kind::ArmParameters => "ARM parameters",
            Kind::Bicep => "Bicep",
            Kind::BicepParameters => "Bicep parameters",
        }
    }

    /// The kind of a file, from its name and its first bytes.
    pub fn of(path: &str, head: &[u8]) -> Option<Kind> {
        let lower = path.to_ascii_lowercase();
        if [".tf", ".tofu", ".tf.json", ".tofu.json"].iter().any(|e| lower.ends_with(e)) {
            return Some(Kind::Terraform);
        }
        if lower.ends_with(".bicep") {
            return Some(Kind::Bicep);
        }
        if lower.ends_with(".bicepparam") {
            return Some(Kind::BicepParameters);
        }
        if !lower.ends_with(".json") && !lower.ends_with(".jsonc") {
            return None;
        }
        if plan::looks_like(head) {
            return Some(Kind::TerraformPlan);
        }
        let template = [
            &b"deploymentTemplate.json"[..],
            b"subscriptionDeploymentTemplate.json",
            b"managementGroupDeploymentTemplate.json",
            b"tenantDeploymentTemplate.json",
        ];
        // Azure takes addresses of schemas in any case, and templates whose address it does not know.
        let head = head.to_ascii_lowercase();
        let has = |needle: &[u8]| memchr::memmem::find(&head, &needle.to_ascii_lowercase()).is_some();
        if template.into_iter().any(has) {
            return Some(Kind::ArmTemplate);
        }
        // Files of values that name no schema are taken, too, by those who deploy.
        let values = lower.ends_with(".parameters.json") && has(b"\"parameters\"") && has(b"\"value\"");
        if has(b"deploymentParameters.json") || values && !has(b"\"resources\"") {
            return Some(Kind::ArmParameters);
        }
        (has(b"\"contentVersion\"") && has(b"\"resources\"")).then_some(Kind::ArmTemplate)
    }
}

/// Where a plan's source lies.
#[derive(Clone, Copy)]
pub struct SourceTree<'f> {
    /// The repository, or the part of it that is known.
    pub files: &'f dyn Files,
    /// The folder of the root module in it.
    pub root: &'f str,
}

impl std::fmt::Debug for SourceTree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceTree({})", self.root)
    }
}

/// Of folders with Terraform source, those that no other calls, and those that are applied themselves though one does.
pub fn terraform_roots(
    files: &dyn Files,
    folders: &std::collections::BTreeSet<String>,
) -> (Vec<String>, Vec<String>) {
    hcl::roots(files, folders)
}

/// What was read of a repository, file by file.
#[derive(Debug, Default)]
pub struct Reading {
    lowering: Lowering,
    /// The tenant that the change is laid over.
    below: Option<Below>,
    /// The scope that is deployed to, if somebody says.
    at: Option<String>,
    /// Ids of what a change takes away, or says anew.
    pub gone: Vec<String>,
    /// Names of variables and parameters that could be given.
    pub declared: std::collections::BTreeSet<String>,
    /// Folders of Terraform source that were read as a root or as a module of one.
    pub entered: std::collections::BTreeSet<String>,
}

impl Reading {
    /// Deploys to a scope, by its ARM id: what names no other lies there.
    #[must_use]
    pub fn to(at: Option<&str>) -> Reading {
        Reading { at: at.map(str::to_owned), ..Reading::default() }
    }

    /// Lays what is read over a tenant. `change` and `gone` are what the same files gave before.
    #[must_use]
    pub fn over(mut live: Estate, change: &Estate, gone: &[String], at: Option<&str>) -> Reading {
        let below = Below::prepare(&mut live, change, gone);
        let mut reading = Reading { below: Some(below), ..Reading::to(at) };
        reading.lowering.estate = live;
        reading
    }

    /// Takes a plan in of the root module in a folder of the repository; `source` says where its blocks stand, where
    /// somebody knows.
    ///
    /// # Errors
    /// If it is none, or of a newer major format.
    pub fn plan(
        &mut self,
        text: &str,
        root: &str,
        source: Option<SourceTree<'_>>,
        catalog: &'static Catalog,
    ) -> Result<(), PlanError> {
        let mut plan = Plan::read(text)?;
        if let Some(tree) = source {
            let mut places = Places::new(tree.files, tree.root);
            plan.place(&mut |configuration, module, kind, name| {
                places.find(configuration, module, kind, name)
            });
        }
        self.gone.append(&mut plan.gone);
        for why in &plan.unsaid {
            let gap = Gap::new(Source::Files, "", Reason::Unresolved, *why);
            self.lowering.estate.gaps.push(gap);
        }
        self.configured(&plan, root, catalog);
        // Giving back a plan's many small pieces one by one would only take time: the check is about to end.
        std::mem::forget(plan);
        Ok(())
    }

    /// Takes Terraform source in: the root module in a folder of a tree. `set` are values of its variables,
    /// `more` texts of files of values. Gives why nothing of it could be read, if that is so.
    pub fn terraform(
        &mut self,
        tree: SourceTree<'_>,
        set: &std::collections::HashMap<String, serde_json::Value>,
        more: &[String],
        catalog: &'static Catalog,
    ) -> Option<String> {
        let mut source = hcl::Terraform::read(tree.files, tree.root, set, more);
        self.declared.extend(source.declared());
        self.entered.extend(source.entered().map(str::to_owned));
        let broken = source.gaps.iter().find(|g| g.reason == Reason::Unparsed).filter(|_| source.is_empty());
        let broken = broken.map(|gap| match &gap.location {
            Some(at) => format!("`{}:{}:{}`: {}", at.path, at.line, at.column, gap.detail),
            None => gap.detail.clone(),
        });
        self.lowering.estate.gaps.append(&mut source.gaps);
        self.configured(&source, tree.root, catalog);
        broken
    }

    /// Takes what a configuration of Terraform says in.
    fn configured(&mut self, config: &dyn Configuration, root: &str, catalog: &'static Catalog) {
        let lowering = std::mem::take(&mut self.lowering);
        let at = self.at.as_deref();
        self.lowering = Intake::of(config.instances().len(), lowering, |intake| {
            let mut azurerm = Azurerm::new(config, catalog, root, intake);
            azurerm.deploy_to(at);
            azurerm.lower();
        });
    }

    /// Takes an ARM template in.
    ///
    /// # Errors
    /// With line, column and what was expected, if it is no JSON that Azure would take.
    pub fn template(
        &mut self,
        template: Template<'_>,
        catalog: &'static Catalog,
    ) -> Result<(), (u64, u64, &'static str)> {
        self.declared.extend(arm::read(template, self.at.as_deref(), catalog, &mut self.lowering)?);
        Ok(())
    }

    /// Takes a file of Bicep in that was added before, with values for its parameters; gives the files that it deploys.
    pub fn bicep(
        &mut self,
        bicep: &mut Bicep<'_>,
        path: &str,
        parameters: &std::collections::HashMap<String, serde_json::Value>,
    ) -> std::collections::BTreeSet<String> {
        let (declared, entered) = bicep.deploy(path, parameters, self.at.as_deref(), &mut self.lowering);
        self.declared.extend(declared);
        entered
    }

    /// The estate of all that was declared.
    pub fn finish(mut self) -> Estate {
        let gaps = std::mem::take(&mut self.lowering.estate.gaps);
        let coverage = self.lowering.estate.coverage.clone();
        let mut estate = self.lowering.finish();
        // That a change holds single records of a kind is no gap of it.
        estate.gaps = gaps;
        estate.coverage = covered();
        if let Some(below) = self.below {
            below.settle(&mut estate);
            estate.coverage = coverage;
        }
        // A role that is made here is known, however its id is spelled.
        let made = std::mem::take(&mut estate.declarations);
        estate.gaps.retain(|g| {
            g.source != Source::RoleDefinitions || !made.contains_key(&g.scope.to_ascii_lowercase())
        });
        estate.declarations = made;
        estate.settle();
        remark_on_principals(&mut estate);
        unknown::members(&mut estate);
        unknown::identities(&mut estate);
        estate
    }
}

/// Notes role assignments of templates that do not say what a principal is that is made with them: until the directory has
/// heard of it everywhere, Azure refuses them.
///
/// Source: "Troubleshoot Azure RBAC", new principals.
fn remark_on_principals(estate: &mut Estate) {
    let untyped = estate.assignments.iter().filter(|a| a.principal_type == PrincipalType::Absent);
    let made = untyped.filter_map(|a| {
        let principal = estate.strings.text(a.principal).strip_prefix("${")?.strip_suffix("#principalId}")?;
        estate.declarations.contains_key(&principal.to_ascii_lowercase()).then_some(a)?;
        Some(estate.strings.show_id(a.id).to_ascii_lowercase())
    });
    for id in made.collect::<Vec<String>>() {
        if let Some(declaration) = estate.declarations.get_mut(&id) {
            let remark = "it says no `principalType`, although its principal is made with it";
            declaration.remarks.push(remark.to_owned());
        }
    }
}

/// How large a value is, with all that is in it: a text counts for sixteenths of its bytes, others for one each.
fn size_of(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => 1 + text.len() / 16,
        serde_json::Value::Array(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        serde_json::Value::Object(members) => 1 + members.values().map(size_of).sum::<usize>(),
        _ => 1,
    }
}

/// A repository is all of itself: what it says of these kinds is what it does.
fn covered() -> Coverage {
    const SAID: [Source; 9] = [
        Source::Resources,
        Source::Identities,
        Source::FederatedCredentials,
        Source::RoleAssignments,
        Source::RoleDefinitions,
        Source::Schedules,
        Source::Groups,
        Source::Vaults,
        Source::PolicyAssignments,
    ];
    let mut coverage = Coverage::default();
    SAID.into_iter().for_each(|source| coverage.note(source, Extent::Complete));
    coverage
}
