//! What may grant access and is not read: a gap that blocks, wherever it stands.

use crate::support::{checkout, run, write};

#[test]
fn what_grants_in_a_way_of_its_own_is_a_gap() {
    let dir = checkout("check-own-ways", &[]);
    for kind in ["azurerm_redis_cache_access_policy_assignment", "azurerm_synapse_workspace_aad_admin"] {
        write(&dir.join("main.tf"), format!("resource \"{kind}\" \"a\" {{\n  name = \"app\"\n}}\n"));
        let ran = run(&dir, &["check", "main.tf"]);
        assert_eq!(ran.code, 3, "{kind}: {}", ran.err);
        assert!(ran.out.contains(&format!("what `{kind}.a` grants is not read")), "{}", ran.out);
    }
}

#[test]
fn scripts_that_assign_roles_are_gaps() {
    let source = |command: &str| {
        format!(
            "resource \"null_resource\" \"a\" {{\n  provisioner \"local-exec\" {{\n    command = \"{command}\"\n  }}\n}}\n"
        )
    };
    let plan = |action: &str, told: &str| {
        format!(
            r#"{{"format_version":"1.2","terraform_version":"1.9.0","resource_changes":[{{"address":"null_resource.a","mode":"managed","type":"null_resource","name":"a","change":{{"actions":["{action}"],"before":null,"after":{{}},"after_unknown":{{}}}}}}],"configuration":{{"root_module":{{"resources":[{{"address":"null_resource.a","mode":"managed","type":"null_resource","name":"a","provisioners":[{{"type":"local-exec","expressions":{{"command":{told}}}}}]}}]}}}}}}"#
        )
    };
    let constant = r#"{"constant_value":"az role assignment create --role Owner"}"#;
    let given = r#"{"references":["azurerm_user_assigned_identity.i.principal_id","azurerm_user_assigned_identity.i"]}"#;
    for (case, file, text, code) in [
        ("assigns", "main.tf", source("az role assignment create --role Owner --assignee ${var.who}"), 3),
        ("powershell", "main.tf", source("New-AzRoleAssignment -ObjectId x"), 3),
        ("other", "main.tf", source("echo done"), 0),
        ("plan-constant", "plan.json", plan("create", constant), 3),
        ("plan-given", "plan.json", plan("create", given), 3),
        ("plan-kept", "plan.json", plan("no-op", constant), 0),
        ("plan-other", "plan.json", plan("create", r#"{"constant_value":"echo done"}"#), 0),
    ] {
        let dir = checkout(&format!("check-scripts-{case}"), &[]);
        write(&dir.join(file), text);
        let ran = run(&dir, &["check", file]);
        assert_eq!(ran.code, code, "{case}: {} {}", ran.out, ran.err);
        assert_eq!(ran.out.contains("a script of `null_resource.a`"), code == 3, "{case}: {}", ran.out);
    }
}

#[test]
fn groups_of_unknown_members_are_gaps_where_they_get_everything() {
    let dir = checkout("unread-groups", &[]);
    for (role, code) in [("Owner", 3), ("Contributor", 3), ("Reader", 0)] {
        let text = format!(
            "resource \"azurerm_role_assignment\" \"a\" {{
  scope = \"/subscriptions/11111111-2222-4333-8444-000000000001\"
  role_definition_name = \"{role}\"
  principal_id = \"11111111-2222-4333-8444-000000000002\"
  principal_type = \"Group\"
}}
"
        );
        write(&dir.join("main.tf"), text);
        let ran = run(&dir, &["check", "main.tf"]);
        assert_eq!(ran.code, code, "{role}: {} {}", ran.out, ran.err);
        assert_eq!(ran.out.contains("who is in the group"), code == 3, "{role}: {}", ran.out);
    }
}
