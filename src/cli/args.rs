//! What can be typed.

use crate::app::right_size::Form;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The least-privilege auditor for Azure managed identities. It only ever reads.
#[derive(Parser, Debug)]
#[command(
    name = "leastwise",
    version,
    about,
    max_term_width = 100,
    after_help = "Example:\n  leastwise audit --demo -o out"
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(ClapArgs, Debug)]
pub(super) struct Global {
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub(super) color: Color,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say what is being done.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(super) verbose: u8,
    /// How messages on standard error look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(super) log_format: LogFormat,
    /// A catalogue of roles and operations made with `catalog update`, in place of the embedded one.
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) catalog: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Judge an estate and write reports.
    #[command(
        after_help = "Examples:\n  leastwise audit --demo -o out\n  leastwise audit --arm-export answers/ -o out --fail-on high"
    )]
    Audit(Box<Audit>),
    /// Check infrastructure code before it is applied: plans and source of Terraform, ARM templates, Bicep.
    #[command(
        after_help = "Examples:\n  terraform plan -out tfplan && terraform show -json tfplan > plan.json\n  leastwise check plan.json\n  leastwise check plan.json --source infra/prod -o out --baseline baseline.json\n\nExits with 1 on new findings at or above --fail-on (high), with 3 if something was not read that could hide one."
    )]
    Check(Check),
    /// Read the live tenant into a snapshot; a run that was killed goes on where it was.
    #[command(
        after_help = "Examples:\n  leastwise collect -o tenant.lwsnap\n  leastwise collect -o crm.lwsnap --subscription 00000000-0000-0000-0000-000000000000 --credential az"
    )]
    Collect {
        /// The snapshot to write.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        live: Live,
    },
    /// Say what the caller may read, what would be inconclusive, and which commands change that.
    #[command(
        after_help = "Examples:\n  leastwise doctor\n  leastwise doctor --role-json --tenant 00000000-0000-0000-0000-000000000000 > role.json\n  az role definition create --role-definition @role.json"
    )]
    Doctor {
        /// Print a custom role with what is read and no more, for those who do not give Reader. Asks nobody.
        #[arg(long)]
        role_json: bool,
        #[command(flatten)]
        live: Live,
    },
    /// Write a snapshot of a made-up tenant of a stated size; the same size and seed give the same bytes.
    #[command(after_help = "Example:\n  leastwise simulate --subscriptions 100 --seed 1 -o made-up.lwsnap")]
    Simulate {
        /// How many subscriptions.
        #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
        subscriptions: usize,
        /// Which of the many tenants of this size.
        #[arg(long, value_name = "S")]
        seed: u64,
        /// Role assignments in each subscription.
        #[arg(long, value_name = "N", default_value_t = 100)]
        assignments: usize,
        /// User-assigned identities in each subscription.
        #[arg(long, value_name = "N", default_value_t = 50)]
        identities: usize,
        /// The snapshot to write.
        #[arg(short, long, value_name = "SNAPSHOT")]
        out: PathBuf,
    },
    /// Show what an identity can do, and how it comes to that.
    #[command(
        after_help = "Example:\n  leastwise can id-crm-installer-prod-weu --demo\n  leastwise can id-crm-installer-prod-weu --demo --format markdown"
    )]
    Can {
        /// Its name, ARM id, object id or application id.
        identity: String,
        /// Only what holds on this scope.
        #[arg(long, value_name = "SCOPE")]
        on: Option<String>,
        /// `text`, or `markdown` for the one-page sheet.
        #[arg(long, value_enum, default_value_t = SheetFormat::Text)]
        format: SheetFormat,
        #[command(flatten)]
        estate: Estate,
        #[command(flatten)]
        policy: Policy,
    },
    /// Show who can do an operation, and through which grant and group.
    #[command(
        after_help = "Example:\n  leastwise who-can Microsoft.Authorization/roleAssignments/write --on sub-crm-prod --demo"
    )]
    WhoCan {
        /// The operation, such as Microsoft.Web/sites/write.
        action: String,
        /// On this scope; without it, wherever they can.
        #[arg(long, value_name = "SCOPE")]
        on: Option<String>,
        /// The operation is one of the data plane.
        #[arg(long)]
        data: bool,
        #[command(flatten)]
        estate: Estate,
    },
    /// What an identity could become, step by step.
    #[command(
        after_help = "Example:\n  leastwise path id-crm-packer-prod-weu --demo\n  leastwise path id-crm-packer-prod-weu --to sub-crm-prod --demo"
    )]
    Path {
        /// The identity, by name, ARM id, object id or application id.
        identity: String,
        /// Only ways to this identity or scope, with alternatives.
        #[arg(long, value_name = "TARGET")]
        to: Option<String>,
        /// How sure a way must be to be told.
        #[arg(long, value_enum, default_value = "medium", value_name = "CONFIDENCE")]
        min_confidence: Sure,
        /// The form of the answer.
        #[arg(long, value_enum, default_value = "text")]
        format: PathFormat,
        #[command(flatten)]
        estate: Estate,
    },
    /// Show what changed between two snapshots: grants, identities, ways to more power, findings.
    #[command(
        after_help = "Examples:\n  leastwise diff before.lwsnap after.lwsnap\n  leastwise diff before.lwsnap after.lwsnap --format html --format csv -o changes"
    )]
    Diff(Box<super::history::Diff>),
    /// Make a SQLite database of findings, snapshots and ledgers, for history, trends and SQL of one's own.
    #[command(
        after_help = "Examples:\n  leastwise history evidence/2026-Q3 evidence/2026-Q4 -o history.db\n  leastwise history runs/*.json snapshots/*.lwsnap ledger.jsonl -o history.db\n\nIts tables and views: leastwise schema history"
    )]
    History(super::history::History),
    /// Hold access reviews: grants of identities, decided by their owners, in a ledger.
    #[command(subcommand)]
    Review(Box<super::reviews::Review>),
    /// Build evidence that anybody can check, and check it.
    #[command(subcommand)]
    Evidence(Box<super::evidence::Evidence>),
    /// Look at built-in roles.
    #[command(subcommand)]
    Roles(Roles),
    /// Read and try rules.
    #[command(subcommand)]
    Rules(Rules),
    /// Explain a rule.
    #[command(after_help = "Example:\n  leastwise explain owner-equivalent-grant")]
    Explain {
        /// The rule.
        slug: String,
        /// More rules, in a folder (repeatable).
        #[arg(long, value_name = "DIR")]
        rules: Vec<PathBuf>,
    },
    /// The catalogue of roles and operations.
    #[command(subcommand)]
    Catalog(Catalog),
    /// Print a JSON Schema.
    #[command(after_help = "Example:\n  leastwise schema config")]
    Schema {
        /// findings, snapshot, config, rule or waivers; history is SQL.
        name: String,
    },
    /// Write a first leastwise.toml, with naming that fits the estate if one is given.
    #[command(after_help = "Example:\n  leastwise init --arm-export answers/")]
    Init {
        #[command(flatten)]
        estate: Estate,
        /// Where to.
        #[arg(long, value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  leastwise completions bash > /etc/bash_completion.d/leastwise")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages.
    #[command(after_help = "Example:\n  leastwise man /usr/local/share/man/man1")]
    Man {
        /// Where to.
        dir: PathBuf,
    },
}

#[derive(ClapArgs, Debug)]
pub(super) struct Estate {
    /// The embedded tenant, made up and complete.
    #[arg(long, group = "input")]
    pub(super) demo: bool,
    /// A snapshot.
    #[arg(long, value_name = "FILE", group = "input")]
    pub(super) snapshot: Option<PathBuf>,
    /// A folder of Azure's answers as JSON: list answers, Resource Graph answers, `az … -o json`.
    #[arg(long, value_name = "DIR", group = "input")]
    pub(super) arm_export: Option<PathBuf>,
    #[command(flatten)]
    pub(super) live: Live,
    /// Sign-in logs of managed identities, as JSON (repeatable).
    #[arg(long, value_name = "PATH")]
    pub(super) activity: Vec<PathBuf>,
    /// Judge as of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(super) as_of: Option<String>,
}

/// How to reach Azure, where nothing else is named as the estate.
#[derive(ClapArgs, Clone, PartialEq, Eq, Debug)]
pub(super) struct Live {
    /// The tenant, where the caller sees several.
    #[arg(long, value_name = "ID", help_heading = "Live Azure")]
    pub(super) tenant: Option<String>,
    /// Only this subscription, by id or name (repeatable).
    #[arg(long, value_name = "ID", help_heading = "Live Azure")]
    pub(super) subscription: Vec<String>,
    /// Only what lies below this management group (repeatable).
    #[arg(long, value_name = "NAME", help_heading = "Live Azure")]
    pub(super) management_group: Vec<String>,
    /// Not this subscription, by id or name (repeatable).
    #[arg(long, value_name = "ID", help_heading = "Live Azure")]
    pub(super) exclude_subscription: Vec<String>,
    /// Ask Azure who uses each identity that nothing seems to use, and not only 300 of them: one a second.
    #[arg(long, help_heading = "Live Azure")]
    pub(super) deep: bool,
    /// Which interface brings what both have: auto, arm (Resource Manager alone) or graph (Resource Graph where it can).
    #[arg(long, value_name = "auto|arm|graph", default_value = "auto", help_heading = "Live Azure")]
    pub(super) via: String,
    /// Leave out a kind of data that takes many requests or a permission of its own, such as federated-credentials
    /// (repeatable).
    #[arg(long, value_name = "SOURCE", help_heading = "Live Azure")]
    pub(super) skip: Vec<String>,
    /// Read grants through the client that Microsoft generates.
    #[cfg(feature = "azure-mgmt")]
    #[arg(long, help_heading = "Live Azure")]
    pub(super) generated_client: bool,
    /// public, usgov, china or custom.
    #[arg(long, value_name = "CLOUD", default_value = "public", help_heading = "Live Azure")]
    pub(super) cloud: String,
    /// Resource Manager of the custom cloud.
    #[arg(long, value_name = "URL", help_heading = "Live Azure")]
    pub(super) arm_endpoint: Option<String>,
    /// Microsoft Graph of the custom cloud.
    #[arg(long, value_name = "URL", help_heading = "Live Azure")]
    pub(super) graph_endpoint: Option<String>,
    /// Where to sign in to the custom cloud.
    #[arg(long, value_name = "URL", help_heading = "Live Azure")]
    pub(super) authority: Option<String>,
    /// Sign in with this alone: environment, workload-identity, github, pipelines, managed-identity, az or azd.
    #[arg(long, value_name = "NAME", help_heading = "Live Azure")]
    pub(super) credential: Option<String>,
    /// Certificates (PEM) to trust beside the system's.
    #[arg(long, value_name = "FILE", help_heading = "Live Azure")]
    pub(super) ca_bundle: Option<PathBuf>,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            tenant: None,
            subscription: Vec::new(),
            management_group: Vec::new(),
            exclude_subscription: Vec::new(),
            deep: false,
            via: "auto".to_owned(),
            skip: Vec::new(),
            #[cfg(feature = "azure-mgmt")]
            generated_client: false,
            cloud: "public".to_owned(),
            arm_endpoint: None,
            graph_endpoint: None,
            authority: None,
            credential: None,
            ca_bundle: None,
        }
    }
}

#[derive(ClapArgs, Debug)]
pub(super) struct Policy {
    /// The configuration; without it, the nearest leastwise.toml up to the repository's root.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A folder with more rules (repeatable).
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Vec<PathBuf>,
}

/// What comes out, and what counts.
#[derive(ClapArgs, Debug)]
pub(super) struct Output {
    /// Write reports into this folder.
    #[arg(short, long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// A format (repeatable): html, csv, json, text, sarif, markdown, github, azure-devops, gitlab, junit, oscal, ocsf, xlsx.
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Vec<String>,
    /// Which findings count for --fail-on: high, medium, low.
    #[arg(long, value_name = "CONFIDENCE", default_value = "medium")]
    pub(super) min_confidence: String,
    /// Exit with 3 if anything at all is missing.
    #[arg(long)]
    pub(super) require_complete: bool,
    /// Exit with 6 if a waiver has ended, or with --ledger a review is overdue.
    #[arg(long)]
    pub(super) fail_overdue: bool,
    /// The ledger of access reviews, for controls that want them.
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
    /// An earlier findings.json, to say since when findings are known; several (repeatable) show how it went.
    #[arg(long, value_name = "FINDINGS.json")]
    pub(super) previous: Vec<PathBuf>,
    /// The file that findings without one of their own are shown at in SARIF.
    #[arg(long, value_name = "PATH")]
    pub(super) sarif_anchor: Option<String>,
    /// CSV without the guard against formulas.
    #[arg(long)]
    pub(super) csv_raw: bool,
    /// CSV with a byte-order mark.
    #[arg(long)]
    pub(super) csv_bom: bool,
    /// The character between fields of CSV.
    #[arg(long, value_name = "CHAR", default_value = ",")]
    pub(super) csv_delimiter: String,
}

#[derive(ClapArgs, Debug)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) estate: Estate,
    #[command(flatten)]
    pub(super) policy: Policy,
    #[command(flatten)]
    pub(super) output: Output,
    /// Exit with 1 on open findings of this severity and above: critical, high, medium, low, info, none.
    #[arg(long, value_name = "SEVERITY", default_value = "none")]
    pub(super) fail_on: String,
}

#[derive(ClapArgs, Debug)]
pub(super) struct Check {
    /// Plans of Terraform (JSON), its source, ARM templates, or folders that hold them.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// The folder of the plan's root module; by default the plan's own, or the repository's root, where source is.
    #[arg(long, value_name = "DIR")]
    pub(super) source: Option<PathBuf>,
    /// The value of a variable or of a template's parameter, as JSON or plain text (repeatable).
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) set: Vec<String>,
    /// A file of values of Terraform's variables, besides those that Terraform takes by itself (repeatable).
    #[arg(long, value_name = "FILE")]
    pub(super) var_file: Vec<PathBuf>,
    /// A snapshot of the tenant that the change is laid over: what identities gain and lose, and what it ends.
    #[arg(long, value_name = "SNAPSHOT")]
    pub(super) against: Option<PathBuf>,
    /// A git ref that configuration, waivers and baseline are read from: what the change adds to them does not count yet.
    #[arg(long, value_name = "REF")]
    pub(super) policy_from: Option<String>,
    /// The ARM id of the scope that is deployed to; what names no other lies there.
    #[arg(long, value_name = "SCOPE")]
    pub(super) at: Option<String>,
    /// An earlier findings.json: what it has does not count.
    #[arg(long, value_name = "FINDINGS.json")]
    pub(super) baseline: Option<PathBuf>,
    /// Write this run's findings for a later --baseline.
    #[arg(long, value_name = "FINDINGS.json")]
    pub(super) write_baseline: Option<PathBuf>,
    /// Exit with 1 on open findings of this severity and above: critical, high, medium, low, info, none.
    #[arg(long, value_name = "SEVERITY", default_value = "high")]
    pub(super) fail_on: String,
    /// Count what the change leaves as it is, too: it is `open` then, not `existing`.
    #[arg(long)]
    pub(super) all: bool,
    /// Judge as of this time instead of now (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(super) as_of: Option<String>,
    #[command(flatten)]
    pub(super) policy: Policy,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum SheetFormat {
    Text,
    Markdown,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Sure {
    High,
    Medium,
    Low,
    Doubtful,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum PathFormat {
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
pub(super) enum Roles {
    /// Show what a role allows.
    #[command(after_help = "Example:\n  leastwise roles show \"Managed Identity Operator\"")]
    Show {
        /// Its name, an old name, or its GUID.
        role: String,
    },
    /// Say whether a role allows an operation: allow, deny or conditional. Conditions are not evaluated.
    #[command(
        after_help = "Examples:\n  leastwise roles check Contributor Microsoft.Authorization/roleAssignments/write\n  leastwise roles check --batch < lines\n\nEvery pattern, also in NotActions, matches zero segments at `/*/`."
    )]
    Check {
        /// Its name, an old name, or its GUID.
        #[arg(required_unless_present = "batch")]
        role: Option<String>,
        /// The operation.
        #[arg(required_unless_present = "batch")]
        action: Option<String>,
        /// The operation is one of the data plane.
        #[arg(long)]
        data: bool,
        /// Read lines `role-guid<TAB>control|data<TAB>operation` and answer each.
        #[arg(long, conflicts_with_all = ["role", "action", "data"])]
        batch: bool,
    },
    /// Find the smallest built-in roles that are enough, and a custom role of just what is needed.
    #[command(
        after_help = "Example:\n  leastwise roles suggest --need Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read\n  leastwise roles suggest --identity id-app --snapshot tenant.lwsnap --activity activity.json\n\nA set of roles costs what the union of its operations weighs, and 50 for each role. An operation weighs, by class: read 1, data-read 5, write 20, data-write 25, execution 200, credential 400, identity 1000, authorization 2000. Patterns count without leaving a segment out at `/*/`, and only without a condition."
    )]
    Suggest {
        /// An operation that is needed; of the data plane with `data:` before it, where both planes have it.
        #[arg(long, required_unless_present = "identity", num_args = 1.., value_name = "ACTION")]
        need: Vec<String>,
        /// An identity in place of operations: what it did, as logs show that --activity names; without logs, where it runs.
        #[arg(long, conflicts_with_all = ["need", "on"], value_name = "IDENTITY")]
        identity: Option<String>,
        /// The scope that it is needed on, for the commands.
        #[arg(long, value_name = "SCOPE")]
        on: Option<String>,
        #[command(flatten)]
        estate: Box<Estate>,
        /// The form of the answer.
        #[arg(long, value_enum, default_value = "text")]
        format: SuggestFormat,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Debug)]
pub(super) enum SuggestFormat {
    Text,
    Json,
    Az,
    Terraform,
    Bicep,
}

impl SuggestFormat {
    pub(super) fn form(self) -> Form {
        match self {
            SuggestFormat::Text => Form::Text,
            SuggestFormat::Json => Form::Json,
            SuggestFormat::Az => Form::Az,
            SuggestFormat::Terraform => Form::Terraform,
            SuggestFormat::Bicep => Form::Bicep,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum Rules {
    /// List the rules.
    #[command(after_help = "Example:\n  leastwise rules list")]
    List {
        #[command(flatten)]
        policy: Policy,
    },
    /// Show a rule's page.
    #[command(after_help = "Example:\n  leastwise rules show shared-identity")]
    Show {
        /// The rule.
        slug: String,
        #[command(flatten)]
        policy: Policy,
    },
    /// Run the cases of a folder, each with its rule alone.
    #[command(after_help = "Example:\n  leastwise rules test fixtures/rules")]
    Test {
        /// The folder: DIR/<rule>/<case>.toml.
        dir: PathBuf,
        #[command(flatten)]
        policy: Policy,
    },
    /// Write every rule's page into a folder.
    #[command(after_help = "Example:\n  leastwise rules docs docs/rules", hide = true)]
    Docs {
        /// The folder.
        dir: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum Catalog {
    /// Say how old it is and what is in it.
    #[command(after_help = "Example:\n  leastwise catalog info")]
    Info,
    /// Make one from role definitions and operations in files, newest first, or from the live tenant.
    #[command(
        after_help = "Examples:\n  leastwise catalog update -o catalog.txt\n  az role definition list -o json > roles.json\n  leastwise catalog update roles.json operations.tsv --date 2026-08-22 -o catalog.txt\n\nFiles: JSON of role definitions (ARM, CLI or PowerShell shape), of provider operations, or of role\nnames with their GUIDs; or lines `operation<TAB>A|D`."
    )]
    Update {
        /// The files; without any, the live tenant is asked.
        files: Vec<PathBuf>,
        /// The day of the newest fact in them; today for the live tenant.
        #[arg(long, value_name = "DATE")]
        date: Option<String>,
        /// Where to.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        live: Box<Live>,
    },
}
