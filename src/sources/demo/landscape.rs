//! What is as it should be: management groups, subscriptions, and workloads whose identities hold narrow roles on
//! their own resources.

use super::{Demo, moment};
use crate::model::{AccessPolicy, SignInWindow, Vault};

/// Workload, owner, whether it has a staging environment.
const WORKLOADS: &[(&str, &str, bool)] = &[
    ("shop", "team-shop", true),
    ("pay", "team-payments", true),
    ("crm", "team-sales", false),
    ("erp", "team-finance", true),
    ("hr", "team-people", false),
    ("data", "team-data", true),
    ("iot", "team-plants", false),
    ("web", "team-web", true),
    ("mail", "team-messaging", false),
    ("docs", "team-content", false),
    ("api", "team-integration", true),
    ("search", "team-search", false),
    ("fleet", "team-logistics", false),
    ("lab", "team-research", false),
];

/// Component, its host's type, the role that it holds, the type of what it holds it on.
const COMPONENTS: &[(&str, &str, &str, &str)] = &[
    ("front", "Microsoft.Web/sites", "Storage Blob Data Reader", "Microsoft.Storage/storageAccounts"),
    (
        "worker",
        "Microsoft.App/containerApps",
        "Azure Service Bus Data Receiver",
        "Microsoft.ServiceBus/namespaces",
    ),
    (
        "batch",
        "Microsoft.Compute/virtualMachines",
        "Storage Blob Data Contributor",
        "Microsoft.Storage/storageAccounts",
    ),
    ("sync", "Microsoft.Logic/workflows", "Azure Event Hubs Data Sender", "Microsoft.EventHub/namespaces"),
    ("report", "Microsoft.Web/sites", "Key Vault Secrets User", "Microsoft.KeyVault/vaults"),
];

impl Demo {
    pub(super) fn landscape(&mut self) {
        self.management_groups();
        self.platform();
        for (workload, owner, staging) in WORKLOADS {
            let place = if matches!(*workload, "shop" | "web" | "api" | "docs") { "online" } else { "corp" };
            for env in ["prod", "staging", "dev"] {
                if env != "staging" || *staging {
                    self.workload(workload, env, owner, place);
                }
            }
        }
        self.b.subscription(
            &Self::subscription_id("sub-sandbox"),
            "sub-sandbox",
            Some("sandbox"),
            &[("env", "sandbox"), ("owner", "team-cloud")],
        );
        self.b.estate.sign_in_window = Some(SignInWindow { from: moment().plus_days(-120), until: moment() });
    }

    fn management_groups(&mut self) {
        for (name, shown, parent) in [
            ("contoso", "Contoso", None),
            ("platform", "Platform", Some("contoso")),
            ("landingzones", "Landing zones", Some("contoso")),
            ("corp", "Corp", Some("landingzones")),
            ("online", "Online", Some("landingzones")),
            ("sandbox", "Sandbox", Some("contoso")),
        ] {
            self.b.management_group(name, shown, parent);
        }
    }

    fn platform(&mut self) {
        for name in ["sub-platform-hub", "sub-platform-mgmt", "sub-platform-identity"] {
            self.b.subscription(
                &Self::subscription_id(name),
                name,
                Some("platform"),
                &[("owner", "team-cloud")],
            );
        }
        let hub = self.new_group("sub-platform-hub", "rg-shared-registry", &[("owner", "team-cloud")]);
        self.new_resource(&hub, "Microsoft.ContainerRegistry/registries", "crcontoso", &[], false);
        let logs = self.new_group("sub-platform-mgmt", "rg-mgmt-logs", &[("owner", "team-cloud")]);
        self.new_resource(&logs, "Microsoft.OperationalInsights/workspaces", "log-contoso", &[], false);
    }

    fn workload(&mut self, workload: &str, env: &str, owner: &str, place: &str) {
        let subscription = format!("sub-{workload}-{env}");
        self.b.subscription(
            &Self::subscription_id(&subscription),
            &subscription,
            Some(place),
            &[("env", env), ("owner", owner)],
        );
        let tags = [("env", env), ("owner", owner), ("costcenter", "4711")];
        let app = self.new_group(&subscription, &format!("rg-{workload}-app-{env}"), &tags);
        let data = self.new_group(&subscription, &format!("rg-{workload}-data-{env}"), &tags);
        let registry = format!(
            "{}/providers/Microsoft.ContainerRegistry/registries/crcontoso",
            Self::group("sub-platform-hub", "rg-shared-registry")
        );
        for (n, (component, host, role, target)) in COMPONENTS.iter().enumerate() {
            let name = format!("id-{workload}-{component}-{env}-weu");
            let identity = self.new_identity(&app, &name, &tags, 300 + n as i64);
            if let Some(last) = self.b.estate.identities.len().checked_sub(1) {
                let provider = self.b.sym(host.split('/').next().unwrap_or_default());
                if let Some(record) = self.b.estate.identities.get_mut(last) {
                    record.restricted_to = Some(vec![provider]);
                }
            }
            self.new_resource(&app, host, &format!("{component}-{workload}-{env}"), &[&identity], false);
            let short = target.rsplit('/').next().unwrap_or_default();
            let resource = format!("{data}/providers/{target}/{short}-{workload}-{component}-{env}");
            if *target == "Microsoft.KeyVault/vaults" {
                let id = self.b.sym(&resource);
                self.b.estate.vaults.push(Vault {
                    id,
                    uses_roles: true,
                    policies: Vec::<AccessPolicy>::new(),
                });
            }
            self.b.resource(&resource, target, None, &[], &[], super::ago(380));
            if let Some(last) =
                self.b.estate.resources.last_mut().filter(|_| target.ends_with("/storageAccounts"))
            {
                // Everybody has switched keys off but one who was asked last.
                last.doors.keys = Some(workload == "docs" && env == "prod");
            }
            self.give(&identity, role, &resource);
            if *component == "worker" {
                self.give(&identity, "AcrPull", &registry);
            }
        }
        // One host with an identity of its own, and one that is federated with a reviewed environment.
        let vm = self.new_resource(
            &app,
            "Microsoft.Compute/virtualMachines",
            &format!("vm-{workload}-{env}"),
            &[],
            true,
        );
        self.give(&vm, "Monitoring Metrics Publisher", &vm);
        let deploy = self.new_identity(&app, &format!("id-{workload}-deploy-{env}-weu"), &tags, 340);
        self.give(&deploy, "Reader", &app);
        let subject = format!("repo:contoso/{workload}:environment:{env}");
        self.b.federated(
            &deploy,
            &format!("fc-{workload}-{env}"),
            "https://token.actions.githubusercontent.com",
            Some(&subject),
            None,
            "api://AzureADTokenExchange",
        );
    }
}
