#!/usr/bin/env python3
"""Counts role assignments, identities, role definitions and federated credentials in infrastructure code as text, and what
`leastwise check` makes of the same folders. The two differ where code makes none or many of one block; large gaps between them
are worth a look.

Usage: tests/textual_count.py LEASTWISE FOLDER...
"""

import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile

KINDS = ("assignments", "identities", "roles", "federated")
TERRAFORM = {
    "assignments": r'^\s*resource\s+"azurerm_(?:role_assignment|pim_\w+_role_assignment)"',
    "identities": r'^\s*resource\s+"azurerm_user_assigned_identity"',
    "roles": r'^\s*resource\s+"azurerm_role_definition"',
    "federated": r'^\s*resource\s+"azurerm_federated_identity_credential"',
}
ARM = {
    "assignments": r'"type"\s*:\s*"[^"]*roleAssignments"',
    "identities": r'"type"\s*:\s*"Microsoft\.ManagedIdentity/userAssignedIdentities"',
    "roles": r'"type"\s*:\s*"Microsoft\.Authorization/roleDefinitions"',
    "federated": r'"type"\s*:\s*"[^"]*federatedIdentityCredentials"',
}
BICEP = {
    "assignments": r"^\s*resource\s+\w+\s+'Microsoft\.Authorization/roleAssignments@[^']*'\s*=",
    "identities": r"^\s*resource\s+\w+\s+'Microsoft\.ManagedIdentity/userAssignedIdentities@[^']*'\s*=",
    "roles": r"^\s*resource\s+\w+\s+'Microsoft\.Authorization/roleDefinitions@[^']*'\s*=",
    "federated": r"^\s*resource\s+\w+\s+'[^']*federatedIdentityCredentials@[^']*'\s*=",
}
PLAN = {
    "assignments": r'"type"\s*:\s*"azurerm_role_assignment"',
    "identities": r'"type"\s*:\s*"azurerm_user_assigned_identity"',
    "roles": r'"type"\s*:\s*"azurerm_role_definition"',
    "federated": r'"type"\s*:\s*"azurerm_federated_identity_credential"',
}


def patterns(path, text):
    """How a file's blocks look, or nothing if it is no code."""
    name = path.name.lower()
    if name.endswith((".tf", ".tofu")):
        return TERRAFORM, text
    if name.endswith(".bicep"):
        return BICEP, text
    if name.endswith((".json", ".jsonc")):
        if '"resource_changes"' in text:
            # Each resource stands in several parts of a plan.
            try:
                return PLAN, json.dumps(json.loads(text)["resource_changes"])
            except (ValueError, KeyError):
                return PLAN, text
        if "eploymentTemplate.json" in text:
            return ARM, text
    return None, text


def textual(folder):
    found = dict.fromkeys(KINDS, 0)
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files:
        looks, text = patterns(path, path.read_text(encoding="utf-8", errors="replace"))
        for kind in KINDS if looks else ():
            found[kind] += len(re.findall(looks[kind], text, re.MULTILINE | re.IGNORECASE))
    return found


def checked(leastwise, folder):
    with tempfile.TemporaryDirectory() as out:
        arguments = [leastwise, "check", str(folder), "-o", out, "--format", "json", "--format", "csv", "--fail-on", "none"]
        ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if ran.returncode not in (0, 3):
            return None, ran.stderr.strip().splitlines()[:1]
        out = pathlib.Path(out)
        report = json.loads((out / "findings.json").read_text())
        counts = report["coverage"]["counts"]
        with open(out / "identities.csv", newline="", encoding="utf-8") as file:
            federated = sum(int(row["federated_credentials"] or 0) for row in csv.DictReader(file))
        reasons = {}
        for gap in report["coverage"]["gaps"]:
            key = (gap["reason"], gap["source"])
            reasons[key] = reasons.get(key, 0) + gap["count"]
        with open(out / "assignments.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        known = {
            "principal": sum("${" not in r["principal_id"] or "#principalId" in r["principal_id"] or "." in r["principal_id"] for r in rows),
            "role": sum("${" not in r["role_id"] for r in rows),
            "scope": sum(bool(r["scope"]) for r in rows),
        }
        found = {
            "assignments": counts["assignments"],
            "identities": counts["identities"],
            "roles": counts["role_definitions"],
            "federated": federated,
        }
        return found, (known, len(report["findings"]), reasons)


def main():
    leastwise, folders = sys.argv[1], [pathlib.Path(f) for f in sys.argv[2:]]
    for folder in folders:
        text = textual(folder)
        found, more = checked(leastwise, folder)
        print(folder.name)
        if found is None:
            print("  not read:", *more)
            continue
        for kind in KINDS:
            print(f"  {kind:<12} text {text[kind]:>5}  found {found[kind]:>5}")
        known, findings, reasons = more
        print("  of the assignments known:", ", ".join(f"{n} {what}" for what, n in known.items()))
        print("  findings", findings, " gaps", ", ".join(f"{n} {r}/{s}" for (r, s), n in sorted(reasons.items())) or "none")


if __name__ == "__main__":
    main()
