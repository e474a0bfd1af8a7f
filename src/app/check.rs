//! The check of a change: infrastructure code becomes an estate, and the same rules judge it.

use super::Progress;
use super::audit::{Outcome, Output, judge};
use super::code::Code;
use super::error::AppError;
use super::estate::{Input, Loaded, Times, load};
use super::lookup::closest;
use super::policy::Policy;
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::sources::iac::{Kind, Reading};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Where the source of plans lies.
    pub source: Option<PathBuf>,
    /// Values of variables and parameters.
    pub parameters: HashMap<String, serde_json::Value>,
    /// Files of values of Terraform's variables.
    pub var_files: Vec<PathBuf>,
    /// The tenant that the change is laid over.
    pub against: Option<PathBuf>,
    /// The ARM id of the scope that is deployed to.
    pub at: Option<String>,
    /// Where modules of registries were restored to.
    pub restored: Option<PathBuf>,
    /// The folder that paths are shown from where there is no repository.
    pub here: Option<PathBuf>,
    /// The instants.
    pub times: Times,
    /// What comes out.
    pub output: Output,
}

/// Checks infrastructure code.
///
/// # Errors
/// If nothing of it can be read, or a report cannot be written.
pub fn check(
    request: &Request,
    policy: &Policy,
    catalog: &'static Catalog,
    to: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Outcome, AppError> {
    let mut code = Code::find(request, progress)?;
    let at = request.at.as_deref();
    let begins = ["/subscriptions/", "/providers/microsoft.management/managementgroups/"];
    if let Some(wrong) =
        at.filter(|at| *at != "/" && !begins.iter().any(|b| at.to_ascii_lowercase().starts_with(b)))
    {
        return Err(AppError::usage(format!("--at: `{wrong}` is no scope")).help(
            "expected /subscriptions/ID, /subscriptions/ID/resourceGroups/NAME, or /providers/Microsoft.Management/managementGroups/NAME",
        ));
    }
    let mut reading = Reading::to(at);
    code.read(request, catalog, &mut reading, progress)?;
    let wrong = request.parameters.keys().find(|name| {
        let known = |declared: &String| declared.eq_ignore_ascii_case(name);
        !code.read.is_empty() && code.takes_values() && !reading.declared.iter().any(known)
    });
    if let Some(name) = wrong {
        let like = closest(name, reading.declared.iter().map(String::as_str));
        let like = like
            .map(|l| format!("is it `{l}`?"))
            .unwrap_or_else(|| "no variable or parameter has that name".to_owned());
        return Err(AppError::usage(format!("--set names `{name}`, which nothing takes")).help(like));
    }
    if code.read.is_empty() {
        let first = || code.gaps.first().map(|g| g.detail.clone());
        let why = code.broken.clone().or_else(first);
        let why = why.unwrap_or_else(|| "nothing there is infrastructure code".to_owned());
        return Err(AppError::usage(format!("nothing could be read: {why}")).help(
            "give the JSON of a plan (terraform plan -out PLAN && terraform show -json PLAN > plan.json), Terraform source, Bicep or an ARM template",
        ));
    }
    let gone = std::mem::take(&mut reading.gone);
    let mut estate = reading.finish();
    let mut before = None;
    let mut source = "check";
    if let Some(path) = &request.against {
        let live = load(&Input::Snapshot(path.clone()), &[], request.times, progress)?.estate;
        before = Some(live.clone());
        // What is known of the tenant decides what symbols mean: the same files are read once more, onto it.
        let mut over = Reading::over(live, &estate, &gone, at);
        code.again();
        code.read(request, catalog, &mut over, progress)?;
        estate = over.finish();
        source = "check-against";
    }
    estate.gaps.append(&mut code.gaps);
    let kind = match code.read.keys().collect::<Vec<_>>().as_slice() {
        [Kind::TerraformPlan] => "terraform-plan",
        [Kind::ArmTemplate] => "arm-template",
        [Kind::Terraform] => "terraform",
        [Kind::Bicep] => "bicep",
        _ => "mixed",
    };
    let name = request.paths.first().map(|p| p.display().to_string()).unwrap_or_default();
    let now = request.times.as_of.unwrap_or(request.times.now);
    let provenance = Provenance {
        kind: kind.to_owned(),
        name: Path::new(&name).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or(name),
        collected_at: None,
        judged_at: Some(now),
        decided_at: Some(now),
    };
    let loaded = Loaded { estate, provenance, before, code: Some(code.files()) };
    judge(loaded, source, request.times, &request.output, policy, catalog, to, progress)
}
