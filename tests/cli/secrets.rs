//! Secrets in code, in every language: settings are named, values are shown nowhere.

use crate::support::{checkout, run, write};
use serde_json::Value;

const BICEP: &str = "resource data 'Microsoft.Storage/storageAccounts@2023-01-01' = {
  name: 'stdata'
  location: 'westeurope'
  properties: {}
}
resource app 'Microsoft.Web/sites@2023-12-01' = {
  name: 'app'
  location: 'westeurope'
  identity: { type: 'SystemAssigned' }
  properties: {
    siteConfig: {
      appSettings: [
        { name: 'Written', value: 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2' }
        { name: 'Asked', value: 'AccountKey=${data.listKeys().keys[0].value}' }
        { name: 'Fine', value: '@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)' }
      ]
    }
  }
}
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: newGuid()
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
    principalId: app.identity.principalId
  }
}
";

const ARM: &str = r#"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "resources": [
    {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "stdata", "location": "westeurope", "properties": {}},
    {"type": "Microsoft.Web/sites", "apiVersion": "2023-12-01", "name": "app", "location": "westeurope",
     "identity": {"type": "SystemAssigned"},
     "properties": {"siteConfig": {"appSettings": [
       {"name": "Written", "value": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2"},
       {"name": "Asked", "value": "[concat('AccountKey=', listKeys(resourceId('Microsoft.Storage/storageAccounts', 'stdata'), '2023-01-01').keys[0].value)]"},
       {"name": "Fine", "value": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)"}]}}},
    {"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[newGuid()]",
     "scope": "Microsoft.Storage/storageAccounts/stdata",
     "properties": {"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')]",
       "principalId": "[reference(resourceId('Microsoft.Web/sites', 'app'), '2023-12-01', 'full').identity.principalId]"}}
  ]
}"#;

const TERRAFORM: &str = r#"resource "azurerm_resource_group" "g" {
  name     = "rg"
  location = "westeurope"
}
resource "azurerm_storage_account" "data" {
  name                = "stdata"
  resource_group_name = azurerm_resource_group.g.name
}
resource "azurerm_linux_web_app" "app" {
  name                = "app"
  resource_group_name = azurerm_resource_group.g.name
  identity {
    type = "SystemAssigned"
  }
  app_settings = {
    Written = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2"
    Asked   = azurerm_storage_account.data.primary_connection_string
    Fine    = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)"
  }
}
resource "azurerm_role_assignment" "reads" {
  scope                = azurerm_storage_account.data.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_linux_web_app.app.identity[0].principal_id
}
"#;

#[test]
fn secrets_in_settings_are_named_and_never_shown() {
    for (file, text) in [("main.bicep", BICEP), ("main.json", ARM), ("main.tf", TERRAFORM)] {
        let dir = checkout(&format!("secrets-{file}"), &[]);
        write(&dir.join(file), text);
        for format in ["text", "sarif", "markdown", "html", "csv", "junit", "gitlab", "github"] {
            let ran = run(&dir, &["check", file, "--format", format]);
            assert!(!(ran.out + &ran.err).contains("hunter2"), "{file} {format}");
        }
        let ran = run(&dir, &["check", file, "--format", "json", "--fail-on", "none"]);
        assert!(!ran.out.contains("hunter2"), "{file}");
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let of = |rule: &str| {
            let all = report["findings"].as_array().unwrap().iter();
            let said: Vec<String> = all
                .filter(|f| f["rule"] == rule)
                .map(|f| format!("{} {}", f["severity"], f["message"]))
                .collect();
            said.join("\n")
        };
        let secret = of("secret-beside-identity");
        assert!(secret.starts_with("\"medium\"") && secret.contains("Asked, Written"), "{file}: {secret}");
        assert!(!secret.contains("Fine"), "{file}: {secret}");
        assert!(of("shared-key-access").contains("stdata"), "{file}: {report:#}");
        // Azure's own languages alone can be written badly in these ways.
        let hygiene = of("role-assignment-hygiene");
        assert_eq!(
            hygiene.contains("newGuid") && hygiene.contains("principalType"),
            file != "main.tf",
            "{hygiene}"
        );
    }
}
